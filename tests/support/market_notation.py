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
is given, and after the line what comes of it, bar by bar: its fills (below zero for sales) with price, fee
where there is one and the cash that is left, and its end. An order without an end is filled; what follows an
exclamation mark is why it is rejected, or its rest is; an order of which nothing comes is ``nothing``.

Sizes are ``buy``, ``sell``, or what a broker calls them: ``target_percent 0.5 ACME``. ``limit``, ``stop`` and
``day`` are said after the symbol. ``cancel #0`` and ``replace #0 buy 5 ACME`` name an earlier row.

Every table is also performed by the oracle, which has to come to the same.
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


class Came(NamedTuple):
    """What came of an order at a bar: a fill, or its end."""

    bar: int
    what: tuple[Any, ...]

    def __repr__(self) -> str:
        return f"{self.bar}: {' '.join(map(str, self.what))}"


class Row(NamedTuple):
    """One order and what has to come of it."""

    text: str
    bar: int
    wish: Wish
    expected: list[Came]


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
    """Perform a table, assert what comes of each of its orders; all that the run gave, to look further."""
    table = parsed(text)
    symbols = sorted(table.bars)
    length = max(map(len, table.bars.values()))
    rows = [{s: bar for s in symbols if (bar := table.bars[s][t]) is not None} for t in range(length)]
    dates = [t // bars_a_date for t in range(length)]
    terms = {s: Terms(int(Decimal(step) * UNIT), int(Decimal(lot) * UNIT)) for s in symbols}
    wishes = [[row.wish for row in table.rows if row.bar == t] for t in range(length)]
    given_at = [row.bar for row in table.rows]
    assert sorted(given_at) == given_at, "orders are in order of time"
    settings = Rules(**({"cash": 1_000} | rules))
    bars = market.bars_of(symbols, rows, dates)
    script = market.Script(wishes)

    with market.backtest(bars, terms, settings, script).run() as result:
        story = market.read(result, bars)
        came = what_came(result, story)
    numbers = [-1 if ticket is None else ticket.number for ticket in script.tickets]

    for row, number in zip(table.rows, numbers, strict=True):
        assert row.expected == came.get(number, []), f"{row.text}\n  came {came.get(number, [])}"
    simulation = Simulation(symbols, terms, rows, dates, settings)
    simulation.run(lambda now: wishes[now.now])
    parting = market.parting(market.told(simulation), story)
    assert parting is None, parting
    return story


def what_came(result: Result, story: market.Story) -> dict[int, list[Came]]:
    """By the number of an order, its fills and its end."""
    found: dict[int, list[Came]] = defaultdict(list)
    rows = result.journal.sql("select fill_id, id as txn from txn where fill_id >= 0").rows()
    txn = {row["fill_id"]: row["txn"] for row in rows}
    symbols = {row["id"]: row["symbol"] for row in result.journal.sql("from commodity").rows()}
    books = market.folded(result.journal.sql, [txn[n] for n in range(len(story.fills))], symbols)
    for fill, after in zip(story.fills, books, strict=True):
        found[fill.order].append(
            Came(
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
        match end.ended, end.reason:
            case ("filled", _):
                continue
            case ("rejected", why):
                found[end.number].append(Came(end.ended_at, ("!", why)))
            case ("open_at_the_end", _):
                found[end.number].append(Came(end.ended_at, ("open",)))
            case (how, "none"):
                found[end.number].append(Came(end.ended_at, (how,)))
            case (how, why):
                found[end.number].append(Came(end.ended_at, (how, why)))
    return found


# --- reading ----------------------------------------------------------------------------------------------


def parsed(text: str) -> Table:
    """A table from its text."""
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
    said, mark, came = line.partition("|")
    refused = ""
    if not mark:
        said, _, refused = line.partition("!")
    else:
        came, _, refused = came.partition("!")
    expected = [_came(part) for part in came.split(";") if part.strip() not in {"", "nothing"}]
    if refused:
        bar, why = refused.split(":")
        expected.append(Came(int(bar), ("!", why.strip())))
    bar, order = said.split(":")
    return Row(f"row {number}: {line}", int(bar), _wish(order.split()), expected)


def _came(part: str) -> Came:
    bar, said = part.split(":")
    words = said.split()
    if "@" not in words:
        return Came(int(bar), tuple(words))
    given = dict(zip(words[3::2], words[4::2], strict=True))
    fee, cash = Decimal(given.get("fee", "0")), Decimal(given["cash"])
    return Came(int(bar), (Decimal(words[0]), float(words[2]), fee, cash))


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
