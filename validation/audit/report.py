"""An audit on paper: what was read, what ties, what is wrong, and which fills are involved."""

import math
from collections.abc import Sequence

import numpy as np
from rich.text import Text

from tieout.ledger.file.verify import Outcome
from tieout.ledger.show import tables as present
from tieout.ledger.show.tables import Column, Grid
from tieout.validation.audit.audit import Audit
from tieout.validation.audit.books import Books
from tieout.validation.audit.faults import Finding, moment, money
from tieout.validation.audit.ties import Tie
from tieout.validation.foreign.flows import OTHER

SHOWN = 6
"""How many fills of a finding are printed."""
_WHAT = {"pnl": "P&L", "total_pnl": "P&L so far"}


def show(found: Audit) -> None:
    """Print it."""
    _show_read(found)
    _show_ties(found)
    if found.findings:
        _show_findings(found)
    present.show("", _verdict(found))


def _show_read(found: Audit) -> None:
    books = found.books
    fills, prices = books.placed.fills, books.prices
    form = f" as {fills.form} writes them" if fills.form else ""
    fees = "" if np.any(fills.fee) else "; no commission in them, and none was given"
    traded = np.unique(books.placed.column).size
    rebates = int(np.count_nonzero(fills.fee < 0))
    if rebates:
        fees = f"; commission is below zero in {rebates:,} of them, which are booked as rebates"
    of = _counted(traded, "instrument")
    present.show(
        f"{_counted(len(books.placed), 'fill')} in {of}, {fills.name}{form}{fees}",
        *_flows_read(books),
        f"{_counted(prices.timestamp.size, 'bar')} of {_counted(len(prices.symbols), 'instrument')},"
        f" {moment(books, 0)} to {moment(books, prices.timestamp.size - 1)}, {prices.name}",
        f"opening cash {money(books.opening)}, {found.opening}",
        "",
    )


def _flows_read(books: Books) -> list[str]:
    """A line on money that moved without a fill, where a file of it was given."""
    moves = books.placed.moves
    if not moves.name:
        return []
    owner = float(moves.amount[moves.is_capital].sum())
    gain = float(moves.amount[~moves.is_capital].sum())
    other = int(np.count_nonzero(moves.kind == OTHER))
    untold = f"; {other:,} of no kind that is told, which counts as P&L" if other else ""
    count = _counted(moves.bar.size, "movement")
    told = f"{count} of money without a fill, {money(owner)} paid in less out, {money(gain)} of P&L"
    return [f"{told}, {moves.name}{untold}"]


def _show_ties(found: Audit) -> None:
    """What ties and what does not, and what the journal's own checks say."""
    books, ties = found.books, found.ties
    failed = [result.name for result in found.verified.results if result.outcome is Outcome.FAILED]
    checks = [result for result in found.verified.results if result.outcome is not Outcome.NOT_APPLICABLE]
    rows = [
        (
            _WHAT.get(tie.what, tie.what),
            f"{tie.bar.size:,}",
            "-" if tie.agrees else _at(books, tie),
            "" if tie.agrees else _amount(tie, float(tie.claimed[tie.first])),
            "" if tie.agrees else _amount(tie, float(tie.booked[tie.first])),
            "" if tie.agrees else f"{int(tie.departs.sum()):,}",
            f"{_said(tie)}, {tie.name}",
        )
        for tie in ties
    ]
    said = "ok" if not failed else f"FAILED: {', '.join(failed)}"
    rows.append(("journal", f"{len(checks)} checks", "-", "", "", str(len(failed) or ""), said))
    headings = ("tied", "compared", "first departure", "claimed", "books", "departing", "")
    present.show(_grid("", headings, rows, right={1, 3, 4, 5}), "")
    apart: dict[tuple[int, ...], list[Tie]] = {}
    for tie in ties:
        if not tie.agrees:
            apart.setdefault((int(tie.bar[tie.first]), *tie.fills.tolist()), []).append(tie)
    for group in apart.values():
        _show_between(books, group)


def _said(tie: Tie) -> str:
    """What came of a claim in a word or three."""
    if not tie.bar.size:
        return "nothing to compare"
    return "agrees" if tie.agrees else "DEPARTS"


def _show_between(books: Books, ties: list[Tie]) -> None:
    """The fills of the first departure of claims that depart together."""
    tie = ties[0]
    since = int(tie.last[tie.first])
    by = [f"{_WHAT.get(t.what, t.what)} by {_amount(t, float(t.difference[t.first]))}" for t in ties]
    agreed = f" since {moment(books, since)}, up to which it agreed" if since >= 0 else ""
    fills = _counted(tie.fills.size, "fill") if tie.fills.size else "no fill"
    present.show(f"First departure at {_at(books, tie)}: {', '.join(by)}; {fills}{agreed}")
    _show_fills(books, tuple(tie.fills.tolist()))


def _show_findings(found: Audit) -> None:
    books = found.books
    for number, finding in enumerate(found.findings, 1):
        at = moment(books, finding.bar)
        if finding.times == 1:
            told = f"{number}. {_capital(finding)}, at {at}"
        else:
            amount = "" if math.isnan(finding.amount) else f", {money(finding.amount)} in all"
            told = f"{number}. {_capital(finding)}, {finding.times:,} times, from {at}{amount}"
        present.show(Text(told, "bold red"), f"   {finding.text}")
        left = len(finding.others) - SHOWN
        present.show(*(f"   {other}" for other in finding.others[:SHOWN]))
        present.show(*[f"   and {left:,} more"] * (left > 0))
        _show_fills(books, finding.fills)


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'s' * (count != 1)}"


def _capital(finding: Finding) -> str:
    title = finding.fault.value
    return title[0].upper() + title[1:]


def _show_fills(books: Books, numbers: tuple[int, ...]) -> None:
    """Some fills as a table: the row in their file, what they were, and what they did to cash."""
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
        for n in numbers[:SHOWN]
    ]
    headings = ("   fill", "bar", "side", "quantity", "symbol", "price", "commission", "cash")
    more = f"   and {len(numbers) - SHOWN:,} more" if len(numbers) > SHOWN else ""
    present.show(_grid("", headings, rows, right={3, 5, 6, 7}), *([more] if more else []), "")


def _verdict(found: Audit) -> Text:
    kept = f"; the books are in {found.journal}" if found.journal else ""
    head = f"head digest {found.verified.head}"
    if found.agrees:
        figures = sum(tie.bar.size for tie in found.ties)
        tied = (
            f"all {figures:,} figures tie to the fills"
            if figures > 1
            else f"{figures} figure ties to the fills"
        )
        if not figures:
            tied = "no figure of the claims could be compared" if found.ties else "no claims were given"
        elif later := int(
            np.count_nonzero(found.books.placed.bar > max(tie.bar[-1] for tie in found.ties if tie.bar.size))
        ):
            tied += f"; {_counted(later, 'fill')} after the last claim tie{'s' * (later == 1)} to none"
        return Text(f"no fault found, {tied}{kept}\n{head}", "green")
    departing = list(dict.fromkeys(_WHAT.get(tie.what, tie.what) for tie in found.ties if not tie.agrees))
    is_one = len(departing) == 1 and departing[0] not in {"positions", "trades"}
    listed = " and ".join(part for part in (", ".join(departing[:-1]), *departing[-1:]) if part)
    claims = f", {listed} depart{'s' * is_one}" if departing else ""
    count = len(found.findings)
    faults = f"{count} kind{'s' * (count != 1)} of fault found" if count else "no fault explains it"
    if not found.verified.ok:
        claims += ", checks of the journal fail"
    return Text(f"{faults}{claims}{kept}\n{head}", "bold red")


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
