"""Random markets and orders: few prices and small numbers, so that edge cases meet.

Prices lie on a grid that float64 holds exactly, so that two orders that are touched at one moment are touched
at the same number. Orders are too large as often as not.
"""

from dataclasses import dataclass, replace
from typing import Any

from hypothesis import strategies as st

from tests.support.market_oracle import Bar, Rules, Terms, Wish

SYMBOLS = ("ACME", "BETA", "CORE", "DELT")
UNIT = 10**8
WHOLE = Terms(step=UNIT, lot=UNIT)
TENS = Terms(step=UNIT, lot=10 * UNIT)
PAIRS = Terms(step=2 * UNIT, lot=4 * UNIT)
FRACTIONAL = Terms(step=1, lot=UNIT)
HUNDREDTHS = Terms(step=UNIT // 100, lot=UNIT)
# Prices around ten, so low that a trade may be worth nothing, and so high that one share is dear.
SCALES = (1.0, 1.0, 1.0, 1.0, 1.0, 2.0**-26, 128.0)
GRID = 0.5
LOWEST, HIGHEST = 16, 24  # of the grid: 8 to 12

TARGETS = {
    "target_quantity": (0, 3, 10, -4),
    "target_value": (0.0, 100.0, 333.33, -50.0),
    "target_percent": (0.0, 0.1, 0.29, 0.5, 0.95, 1.3, -0.25),
}
SIZES = {"value": (5.0, 99.99, 400.0, -150.0), "percent": (0.1, 0.33, 1.0, 1.7, -0.5)}
COMMISSIONS: tuple[dict[str, Any], ...] = (
    {},
    {"rate": 0.001},
    {"rate": 0.0123, "minimum": 1.0},
    {"commission": "per_share", "rate": 0.005, "minimum": 1.0},
    {"commission": "per_share", "rate": 0.35, "minimum": 2.0, "maximum": 0.02},
    {"commission": "per_order", "rate": 1.5},
)


@dataclass(frozen=True)
class Case:
    """A run: bars by time and symbol, the bars of a date, terms, rules, and the requests of each bar."""

    symbols: tuple[str, ...]
    bars: tuple[dict[str, Bar], ...]
    bars_a_date: int
    terms: dict[str, Terms]
    rules: Rules
    wishes: tuple[tuple[Wish, ...], ...]
    window: int

    @property
    def dates(self) -> list[int]:
        return [t // self.bars_a_date for t in range(len(self.bars))]

    @property
    def flat(self) -> list[Wish]:
        return [wish for wishes in self.wishes for wish in wishes]


PRICES = st.tuples(*[st.integers(LOWEST, HIGHEST)] * 4)
VOLUMES = st.sampled_from([100.0, 1000.0, 1000.0, 31.0, 7.0, 0.0])
GAPS = [False] * 14 + [True]
OFF_GRID = st.sampled_from([0.0, 0.0, 1 / 3])


@st.composite
def histories(draw: st.DrawFn, length: int, scale: float, *, has_volume: bool) -> list[Bar | None]:
    """Draw one instrument: late starts, early ends and gaps."""
    first = draw(st.sampled_from([0, 0, 0, 0, 1, 2]))
    last = length - draw(st.sampled_from([0, 0, 0, 0, 1, 3]))
    history: list[Bar | None] = []
    for t in range(length):
        is_gap = draw(st.sampled_from(GAPS))
        if not first <= t < last or is_gap:
            history.append(None)
            continue
        prices = [p * GRID * scale for p in draw(PRICES)]
        close = min(prices[3] + draw(OFF_GRID) * scale, max(prices))
        volume = draw(VOLUMES) if has_volume else None
        history.append(Bar(prices[0], max(prices), min(prices), close, volume))
    return history


RULES = st.builds(
    lambda cost, **more: Rules(**more, **cost),
    st.sampled_from(COMMISSIONS),
    cash=st.sampled_from([100, 300, 1_000, 10_000, 50_000]),
    same_close=st.sampled_from([False, False, True]),
    unlimited=st.sampled_from([False, False, False, True]),
    insufficient=st.sampled_from(["reject", "cut", "cut_to_lots"]),
    slippage=st.sampled_from([0.0, 0.0, 0.001, 0.05]),
    participation=st.sampled_from([None, None, 0.1, 0.3, 1.0]),
    without_volume=st.sampled_from([False, False, True]),
)


def quantities(terms: Terms) -> st.SearchStrategy[int]:
    """Draw quantities in units, in whole steps."""
    rare = st.sampled_from([1_000, 10**8])
    usual = st.integers(1, 14)
    steps = st.integers(0, 15).flatmap(lambda n: rare if n == 15 else usual)
    if terms.step >= UNIT:
        return steps.map(lambda n: n * terms.step)
    fractions = st.sampled_from([1, 3, 33_333_333, 250_000_000, 1_234_567_891])
    parts = fractions.map(lambda n: max(n // terms.step, 1) * terms.step)
    return st.one_of(steps.map(lambda n: n * UNIT), parts)


@st.composite
def a_wish(draw: st.DrawFn, case: dict[str, tuple[Terms, float]], before: list[Wish]) -> Wish:
    """Draw an order for one instrument of *case*, which has their terms and the scale of their prices."""
    symbol = draw(st.sampled_from(sorted(case)))
    earlier = None
    kind = draw(st.sampled_from(["quantity"] * 5 + ["size", "target", "target", "earlier"]))
    if kind == "earlier" and before:
        earlier = draw(st.integers(max(0, len(before) - 6), len(before) - 1))
        symbol = before[earlier].symbol
        if draw(st.booleans()):
            return Wish(symbol, "cancel", 0.0, earlier=earlier)
    terms, scale = case[symbol]
    if kind == "target":
        sizing = draw(st.sampled_from(sorted(TARGETS)))
        amount = draw(st.sampled_from(TARGETS[sizing]))
        return Wish(symbol, sizing, amount * terms.step if sizing == "target_quantity" else amount)
    tif = draw(st.sampled_from(["gtc", "day"]))
    order = draw(st.sampled_from(["market", "market", "limit", "stop"]))
    price = None if order == "market" else draw(st.integers(LOWEST - 1, HIGHEST + 1)) * GRID * scale
    if kind == "size":
        sizing = draw(st.sampled_from(sorted(SIZES)))
        return Wish(symbol, sizing, draw(st.sampled_from(SIZES[sizing])), order, price, tif)
    sign = draw(st.sampled_from([1, 1, 1, -1, -1]))
    return Wish(symbol, "quantity", sign * draw(quantities(terms)), order, price, tif, earlier)


@st.composite
def a_pair(draw: st.DrawFn, case: dict[str, tuple[Terms, float]]) -> list[Wish]:
    """Draw a limit and a stop of one side, both of which one bar may well touch."""
    symbol = draw(st.sampled_from(sorted(case)))
    terms, scale = case[symbol]
    sign = draw(st.sampled_from([1, -1]))
    steps = draw(st.sampled_from([1, 2, 5])) * max(UNIT // terms.step, 1)
    low, high = draw(st.integers(LOWEST, 19)), draw(st.integers(21, HIGHEST))
    limit, stop = (low, high) if sign > 0 else (high, low)
    tif = draw(st.sampled_from(["gtc", "gtc", "day"]))
    return [
        Wish(symbol, "quantity", sign * steps * terms.step, kind, price * GRID * scale, tif)
        for kind, price in draw(st.permutations([("limit", limit), ("stop", stop)]))
    ]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Draw a whole run."""
    symbols = SYMBOLS[: draw(st.integers(1, len(SYMBOLS)))]
    length = draw(st.integers(3, 15))
    rules = draw(RULES)
    has_volume = draw(st.integers(0, 5)) < 5
    market = {
        symbol: (
            draw(st.sampled_from([WHOLE, TENS, PAIRS, FRACTIONAL, FRACTIONAL, HUNDREDTHS])),
            draw(st.sampled_from(SCALES)),
        )
        for symbol in symbols
    }
    columns = {s: draw(histories(length, scale, has_volume=has_volume)) for s, (_, scale) in market.items()}
    bars = [{s: bar for s in symbols if (bar := columns[s][t]) is not None} for t in range(length)]
    if all(bar.volume is None for row in bars for bar in row.values()):
        rules = replace(rules, participation=None)  # a share of an unknown volume is refused
    flat: list[Wish] = []
    wishes = []
    for _ in range(length):
        first = len(flat)
        for _ in range(draw(st.sampled_from([0, 1, 1, 2, 3, 5]))):
            flat.append(draw(a_wish(market, flat)))
        if draw(st.booleans()):
            flat.extend(draw(a_pair(market)))
        wishes.append(tuple(flat[first:]))
    return Case(
        symbols=symbols,
        bars=tuple(bars),
        bars_a_date=draw(st.sampled_from([1, 1, 2, 3])),
        terms={symbol: terms for symbol, (terms, _) in market.items()},
        rules=rules,
        wishes=tuple(wishes),
        window=draw(st.integers(1, 3)),
    )
