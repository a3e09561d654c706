"""Tests of the market in the trade's own notation.

    check('''
        ACME  10  10/12/9/11  11*500  -  12
        0: buy 10 ACME               | 1: 10 @ 10 cash 900
        0: buy 10 ACME limit 9.5     | 1: 10 @ 9.5 cash 805
        1: sell 30 ACME              ! 2: insufficient_position
        1: sell 5 ACME stop 8 day    | 2: expired
    ''', cash=1_000)

First the bars of each instrument: open/high/low/close, one number where all are the same, ``*`` and the
volume (10,000 if not given), ``-`` where there is none. Then the orders, each with the bar at whose close it
is given. After the line stand its fills and its end, bar by bar: quantity (below zero for sales), price, fee
if any, and the cash after it. An order without an end is filled. An exclamation mark precedes the reason why
it, or its rest, is rejected. ``nothing`` stands for no order, no fill and no end.

Sizes are ``buy``, ``sell``, or a method of the broker: ``target_percent 0.5 ACME``. ``limit``, ``stop`` and
``day`` follow the symbol. ``cancel #0`` and ``replace #0 buy 5 ACME`` name an earlier row.

The oracle performs every table too, and has to agree.
"""

from collections import defaultdict
from decimal import Decimal
from typing import Any, NamedTuple

from tests.support import market
from tests.support.market_oracle import Bar, Rules, Simulation, Terms, Wish
from tieout import Result

UNIT = 10**8
MONEY = 10**6
VOLUME = 10_000.0


class Outcome(NamedTuple):
    """A fill of an order, or its end, at a bar."""

    bar: int
    what: tuple[Any, ...]

    def __repr__(self) -> str:
        return f"{self.bar}: {' '.join(map(str, self.what))}"


class Row(NamedTuple):
    """An order and its expected outcomes."""

    text: str
    bar: int
    wish: Wish
    expected: list[Outcome]


class Table(NamedTuple):
    """Bars by symbol, and orders."""

    bars: dict[str, list[Bar | None]]
    rows: list[Row]


def check(
    text: str,
    *,
    step: str = "1",
    lot: str = "1",
    bars_a_date: int = 1,
    **rules: Any,
) -> market.Story:
    """Perform a table and assert the outcomes of each of its orders. Return the story of the run."""
    table = parsed(text)
    symbols = sorted(table.bars)
    length = max(map(len, table.bars.values()))
    rows = [{s: bar for s in symbols if (bar := table.bars[s][t]) is not None} for t in range(length)]
    dates = [t // bars_a_date for t in range(length)]
    terms = {s: Terms(int(Decimal(step) * UNIT), int(Decimal(lot) * UNIT)) for s in symbols}
    wishes = [[row.wish for row in table.rows if row.bar == t] for t in range(length)]
    bars_of_orders = [row.bar for row in table.rows]
    assert sorted(bars_of_orders) == bars_of_orders, "orders are in order of time"
    settings = Rules(**({"cash": 1_000} | rules))
    bars = market.bars_of(symbols, rows, dates)
    script = market.Script(wishes)

    with market.backtest(bars, terms, settings, script).run() as result:
        story = market.read(result, bars)
        actual = outcomes(result, story)
    numbers = [-1 if ticket is None else ticket.number for ticket in script.tickets]

    for row, number in zip(table.rows, numbers, strict=True):
        assert row.expected == actual.get(number, []), f"{row.text}\n  actual {actual.get(number, [])}"
    simulation = Simulation(symbols, terms, rows, dates, settings)
    simulation.run(lambda now: wishes[now.now])
    parting = market.parting(market.oracle_story(simulation), story)
    assert parting is None, parting
    return story


def outcomes(result: Result, story: market.Story) -> dict[int, list[Outcome]]:
    """Return the fills and the end of each order, by its number."""
    by_order: dict[int, list[Outcome]] = defaultdict(list)
    rows = result.journal.sql("select fill_id, id as txn from txn where fill_id >= 0").rows()
    txn = {row["fill_id"]: row["txn"] for row in rows}
    symbols = {row["id"]: row["symbol"] for row in result.journal.sql("from commodity").rows()}
    books = market.folded(result.journal.sql, [txn[n] for n in range(len(story.fills))], symbols)
    for fill, after in zip(story.fills, books, strict=True):
        by_order[fill.order].append(
            Outcome(
                fill.bar,
                (
                    Decimal(fill.quantity) / UNIT,
                    fill.price,
                    Decimal(fill.commission) / MONEY,
                    Decimal(after.cash) / MONEY,
                ),
            )
        )
    for end in story.ends:
        match end.status, end.reason:
            case ("filled", _):
                continue
            case ("rejected", reason):
                by_order[end.number].append(Outcome(end.ended_at, ("!", reason)))
            case ("open_at_the_end", "none"):
                by_order[end.number].append(Outcome(end.ended_at, ("open",)))
            case ("open_at_the_end", reason):
                by_order[end.number].append(Outcome(end.ended_at, ("open", reason)))
            case (status, "none"):
                by_order[end.number].append(Outcome(end.ended_at, (status,)))
            case (status, reason):
                by_order[end.number].append(Outcome(end.ended_at, (status, reason)))
    return by_order


# --- reading ----------------------------------------------------------------------------------------------


def parsed(text: str) -> Table:
    """Read a table from its text."""
    bars: dict[str, list[Bar | None]] = {}
    rows: list[Row] = []
    for line in filter(None, (line.split("--")[0].strip() for line in text.splitlines())):
        if ":" in line:
            rows.append(_row(line, len(rows)))
        else:
            symbol, *cells = line.split()
            bars[symbol] = [_bar(cell) for cell in cells]
    return Table(bars, rows)


def _bar(cell: str) -> Bar | None:
    if cell == "-":
        return None
    prices, _, volume = cell.partition("*")
    parts = [float(price) for price in prices.split("/")]
    opened, high, low, close = parts if len(parts) == 4 else parts * 4
    return Bar(opened, high, low, close, float(volume) if volume else VOLUME)


def _row(line: str, number: int) -> Row:
    order, mark, outcome = line.partition("|")
    rejection = ""
    if not mark:
        order, _, rejection = line.partition("!")
    else:
        outcome, _, rejection = outcome.partition("!")
    expected = [_outcome(part) for part in outcome.split(";") if part.strip() not in {"", "nothing"}]
    if rejection:
        bar, reason = rejection.split(":")
        expected.append(Outcome(int(bar), ("!", reason.strip())))
    bar, words = order.split(":")
    return Row(f"row {number}: {line}", int(bar), _wish(words.split()), expected)


def _outcome(part: str) -> Outcome:
    bar, text = part.split(":")
    words = text.split()
    if "@" not in words:
        return Outcome(int(bar), tuple(words))
    figures = dict(zip(words[3::2], words[4::2], strict=True))
    fee, cash = Decimal(figures.get("fee", "0")), Decimal(figures["cash"])
    return Outcome(int(bar), (Decimal(words[0]), float(words[2]), fee, cash))


def _wish(words: list[str]) -> Wish:
    earlier = None
    if words[0] in {"cancel", "replace"}:
        earlier = int(words[1].removeprefix("#"))
        if words[0] == "cancel":
            return Wish("", "cancel", 0.0, earlier=earlier)
        words = words[2:]
    sizing, size, symbol, *more = words
    kind, price, tif = "market", None, "gtc"
    while more:
        word = more.pop(0)
        if word == "day":
            tif = word
        else:
            kind, price = word, float(more.pop(0))
    amount = Decimal(size)
    if sizing in {"buy", "sell"}:
        units = amount * UNIT if sizing == "buy" else -amount * UNIT
        return Wish(symbol, "quantity", int(units), kind, price, tif, earlier)
    if sizing == "target_quantity":
        return Wish(symbol, sizing, int(amount * UNIT), kind, price, tif, earlier)
    return Wish(symbol, sizing, float(amount), kind, price, tif, earlier)
