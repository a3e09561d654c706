"""An audit on the terminal: its inputs, the ties, the faults, and the fills involved."""

import math
from collections.abc import Sequence

import numpy as np

from tieout.ledger.file.verify import Outcome
from tieout.ledger.show import tables as present
from tieout.ledger.show.tables import Column, Grid
from tieout.ledger.terminal import Styled
from tieout.validation.audit.audit import Audit
from tieout.validation.audit.books import Books
from tieout.validation.audit.faults import Finding, closings, moment, money
from tieout.validation.audit.ties import Tie
from tieout.validation.foreign.flows import OTHER

ROWS = 6
"""Largest number of fills of a finding that are printed."""
_LABELS = {"pnl": "P&L", "total_pnl": "cumulative P&L"}


def show(result: Audit) -> None:
    """Print the result of an audit."""
    _show_inputs(result)
    _show_ties(result)
    if result.findings:
        _show_findings(result)
    present.show("", _verdict(result), f"head digest {result.verified.head}")


def _show_inputs(result: Audit) -> None:
    books = result.books
    fills, prices = books.placed.fills, books.prices
    form = f" in the format of {fills.form}" if fills.form else ""
    fees = "" if np.any(fills.fee) else ", without commission"
    traded = np.unique(books.placed.column).size
    rebates = int(np.count_nonzero(fills.fee < 0))
    if rebates:
        fees = f", commission is negative in {rebates:,} of them, booked as rebates"
    of = _count(traded, "instrument")
    present.show(
        f"{_count(len(books.placed), 'fill')} in {of}, {fills.name}{form}{fees}",
        *_flows_line(books),
        *_closings_line(books),
        f"{_count(prices.timestamp.size, 'bar')} of {_count(len(prices.symbols), 'instrument')},"
        f" {moment(books, 0)} to {moment(books, prices.timestamp.size - 1)}, {prices.name}",
        f"opening cash {money(books.opening)}, {result.opening}",
        "",
    )


def _closings_line(books: Books) -> list[str]:
    """Describe the positions that were closed because their instrument has no later bar."""
    count = int(np.count_nonzero(closings(books)))
    return [f"{_count(count, 'position')} closed after the last bar, at the last close"] if count else []


def _flows_line(books: Books) -> list[str]:
    """Describe the money that moved without a fill, if there is a file of it."""
    moves = books.placed.moves
    if not moves.name:
        return []
    owner = float(moves.amount[moves.is_capital].sum())
    gain = float(moves.amount[~moves.is_capital].sum())
    other = int(np.count_nonzero(moves.kind == OTHER))
    unspecified = f", {other:,} of unspecified kind, counted as P&L" if other else ""
    count = _count(moves.bar.size, "movement")
    line = f"{count} of money without a fill, net flow {money(owner)}, P&L {money(gain)}"
    return [f"{line}, {moves.name}{unspecified}"]


def _show_ties(result: Audit) -> None:
    """Print a row per claim, and a row for the checks of the journal."""
    books, ties = result.books, result.ties
    failed = [check.name for check in result.verified.results if check.outcome is Outcome.FAILED]
    checks = [check for check in result.verified.results if check.outcome is not Outcome.NOT_APPLICABLE]
    rows = [
        (
            _LABELS.get(tie.what, tie.what),
            f"{tie.bar.size:,}",
            "-" if tie.agrees else _at(books, tie),
            "" if tie.agrees else _amount(tie, float(tie.claimed[tie.first])),
            "" if tie.agrees else _amount(tie, float(tie.booked[tie.first])),
            "" if tie.agrees else f"{int(tie.differs.sum()):,}",
            f"{_status(tie)}, {tie.name}",
        )
        for tie in ties
    ]
    status = "ok" if not failed else f"FAILED: {', '.join(failed)}"
    rows.append(("journal", f"{len(checks)} checks", "-", "", "", str(len(failed) or ""), status))
    headings = ("claim", "compared", "first difference", "claimed", "books", "differences", "")
    present.show(_grid("", headings, rows, right={1, 3, 4, 5}), "")
    groups: dict[tuple[int, ...], list[Tie]] = {}
    for tie in ties:
        if not tie.agrees:
            groups.setdefault((int(tie.bar[tie.first]), *tie.fills.tolist()), []).append(tie)
    for group in groups.values():
        _show_between(books, group)


def _status(tie: Tie) -> str:
    """Describe the result of a claim in one to three words."""
    if not tie.bar.size:
        return "nothing to compare"
    return "agrees" if tie.agrees else "DIFFERS"


def _show_between(books: Books, ties: list[Tie]) -> None:
    """Print the fills of the first difference of claims that differ together."""
    tie = ties[0]
    since = int(tie.last[tie.first])
    by = [f"{_LABELS.get(t.what, t.what)} by {_amount(t, float(t.difference[t.first]))}" for t in ties]
    agreed = f" since the last agreement at {moment(books, since)}" if since >= 0 else ""
    fills = _count(tie.fills.size, "fill") if tie.fills.size else "no fill"
    present.show(f"First difference at {_at(books, tie)}: {', '.join(by)}, with {fills}{agreed}")
    _show_fills(books, tuple(tie.fills.tolist()))


def _show_findings(result: Audit) -> None:
    books = result.books
    for number, finding in enumerate(result.findings, 1):
        at = moment(books, finding.bar)
        if finding.times == 1:
            title = f"{number}. {_capital(finding)}, at {at}"
        else:
            amount = "" if math.isnan(finding.amount) else f", {money(finding.amount)} in total"
            title = f"{number}. {_capital(finding)}, {finding.times:,} times, from {at}{amount}"
        present.show(Styled(title, "bold red"), f"   {finding.text}")
        more = len(finding.others) - ROWS
        present.show(*(f"   {other}" for other in finding.others[:ROWS]))
        present.show(*[f"   and {more:,} more"] * (more > 0))
        _show_fills(books, finding.fills)


def _count(count: int, what: str) -> str:
    return f"{count:,} {what}{'s' * (count != 1)}"


def _capital(finding: Finding) -> str:
    title = finding.fault.value
    return title[0].upper() + title[1:]


def _show_fills(books: Books, numbers: tuple[int, ...]) -> None:
    """Print a table of fills: row in their file, terms, and change of cash."""
    if not numbers:
        present.show("")
        return
    fills, bar = books.placed.fills, books.placed.bar
    rows = [
        (
            f"   row {fills.row[n]}",
            moment(books, int(bar[n])),
            "buy" if fills.quantity[n] > 0 else "sell",
            f"{abs(fills.quantity[n]):,.8g}",
            str(fills.symbol[n]),
            f"{fills.price[n]:,.8g}",
            money(float(fills.fee[n])),
            money(float(books.flow[n])),
        )
        for n in numbers[:ROWS]
    ]
    headings = ("   fill", "bar", "side", "quantity", "symbol", "price", "commission", "cash")
    more = f"   and {len(numbers) - ROWS:,} more" if len(numbers) > ROWS else ""
    present.show(_grid("", headings, rows, right={3, 5, 6, 7}), *([more] if more else []), "")


def _verdict(result: Audit) -> Styled:
    saved = f". The books are in {result.journal}" if result.journal else ""
    if result.agrees:
        figures = sum(tie.bar.size for tie in result.ties)
        claims = (
            f"all {figures:,} figures tie to the fills"
            if figures > 1
            else f"{figures} figure ties to the fills"
        )
        if not figures:
            claims = "no figure of the claims could be compared" if result.ties else "no claims were given"
        elif later := int(
            np.count_nonzero(
                result.books.placed.bar > max(tie.bar[-1] for tie in result.ties if tie.bar.size)
            )
        ):
            claims += f", {_count(later, 'fill')} after the last claim not compared"
        return Styled(f"no fault found, {claims}{saved}", "green")
    names = list(dict.fromkeys(_LABELS.get(tie.what, tie.what) for tie in result.ties if not tie.agrees))
    is_one = len(names) == 1 and names[0] not in {"positions", "trades"}
    listed = " and ".join(part for part in (", ".join(names[:-1]), *names[-1:]) if part)
    claims = f", {listed} differ{'s' * is_one}" if names else ""
    count = len(result.findings)
    faults = f"{count} kind{'s' * (count != 1)} of fault found" if count else "no known fault explains it"
    if not result.verified.ok:
        claims += ", checks of the journal fail"
    return Styled(f"{faults}{claims}{saved}", "bold red")


def _at(books: Books, tie: Tie) -> str:
    column = int(tie.column[tie.first])
    of = f", {books.prices.symbols[column]}" if column >= 0 else ""
    return f"{moment(books, int(tie.bar[tie.first]))}{of}"


def _amount(tie: Tie, amount: float) -> str:
    return f"{amount:,.8g}" if tie.what == "positions" else money(amount)


def _grid(title: str, headings: tuple[str, ...], rows: Sequence[tuple[str, ...]], right: set[int]) -> Grid:
    columns = [
        Column(heading, list(cells), number in right)
        for number, (heading, cells) in enumerate(zip(headings, zip(*rows, strict=True), strict=True))
    ]
    return Grid(title, columns, set(), set())
