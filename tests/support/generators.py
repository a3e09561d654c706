"""Random sequences of postings of every kind, right and wrong.

Amounts are whole units and mostly tiny, so that edge cases meet: a lot emptied to the unit, a fee larger than
its proceeds, a split that leaves nothing. Some are as large as an amount can be.
"""

from typing import NamedTuple

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from tieout.ledger.books.commodity import Commodity, currency, instrument

COMMODITIES: list[Commodity] = [
    currency("USD", 2),
    currency("EUR"),
    instrument("ACME", scale=0),
    instrument("BRK.B", currency="EUR", scale=3),
    instrument("ES", multiplier=50),
]
CURRENCIES = ("USD", "EUR")
SHARES = ("ACME", "BRK.B")
FUTURE = "ES"
OWN_ACCOUNTS = (("Assets:Petty", True), ("Expenses:Fees:Data", False), ("Income:Other", False))
RELIEFS = ("fifo", "lifo", "hifo", "average", "specific")

# The arguments of each event, in the order of its parameters.
EVENTS: dict[str, tuple[str, ...]] = {
    "deposit": ("currency", "large"),
    "withdrawal": ("currency", "money"),
    "buy": ("share", "units", "money", "fee", "flag"),
    "sell": ("share", "units", "money", "fee", "flag", "lot"),
    "short_sale": ("share", "units", "money", "fee", "flag", "flag"),
    "cover": ("share", "units", "money", "fee", "flag", "lot"),
    "flip": ("share", "signed units", "money", "fee", "flag"),
    "pay_trades": ("currency", "money"),
    "receive_trades": ("currency", "signed"),
    "restrict_proceeds": ("share", "money"),
    "delisting": ("share", "money"),
    "borrow": ("currency", "money"),
    "repay": ("currency", "money"),
    "margin_requirement": ("currency", "signed"),
    "dividend": ("share", "money"),
    "dividend_payment": ("currency", "money", "fee"),
    "dividend_on_short": ("share", "money"),
    "dividend_on_short_payment": ("currency", "money"),
    "split": ("share", "ratio", "ratio"),
    "cash_in_lieu": ("share", "units", "money"),
    "borrow_fee": ("currency", "money"),
    "borrow_fee_payment": ("currency", "money"),
    "margin_interest": ("currency", "money"),
    "margin_interest_payment": ("currency", "money"),
    "interest": ("currency", "money"),
    "interest_payment": ("currency", "money"),
    "futures_open": ("future", "signed units", "money", "fee"),
    "variation_margin": ("future", "signed"),
    "futures_close": ("future", "units", "signed", "fee"),
    "perpetual_funding": ("currency", "signed"),
    "fx_trade": ("currency", "money", "currency", "money"),
    "valuation": ("share", "signed"),
}
# Drawn more often than the rest: without trades the others have nothing to act on.
TRADES = ("buy", "sell", "short_sale", "cover", "flip", "split", "cash_in_lieu", "delisting")

HUGE = st.sampled_from([2**31, 2**53 - 1, 2**53, 10**17 + 1, 2**62, 2**63 - 2, 2**63 - 1])


def _rarely(usual: SearchStrategy[int], rare: SearchStrategy[int]) -> SearchStrategy[int]:
    return st.integers(0, 24).flatmap(lambda n: rare if n == 24 else usual)


UNITS = _rarely(st.integers(0, 12), HUGE)
MONEY = _rarely(st.integers(0, 40), HUGE)
VALUES: dict[str, SearchStrategy[object]] = {
    "currency": st.sampled_from(CURRENCIES),
    "share": st.sampled_from(SHARES),
    "future": st.just(FUTURE),
    "units": UNITS,
    "signed units": st.tuples(UNITS, st.sampled_from([1, -1])).map(lambda x: x[0] * x[1]),
    "money": MONEY,
    "large": _rarely(st.integers(50, 5_000), HUGE),
    "signed": st.tuples(MONEY, st.sampled_from([1, 1, -1])).map(lambda x: x[0] * x[1]),
    "fee": _rarely(st.integers(-1, 3), HUGE.map(lambda n: -n)),
    "flag": st.sampled_from([True, True, False]),
    "lot": st.one_of(st.just(-1), st.integers(-1, 12)),
    "ratio": _rarely(st.integers(0, 5), HUGE),
}


class Event(NamedTuple):
    """One event by its name, its arguments in units."""

    name: str
    args: tuple[object, ...]


class Post(NamedTuple):
    """Events that are posted as one transaction, so many days after the last one."""

    days: int
    events: tuple[Event, ...]


class Reverse(NamedTuple):
    """The reversal of a transaction that may not exist."""

    days: int
    number: int


class CloseYear(NamedTuple):
    """The closing of the books for the year."""

    days: int


class Commit(NamedTuple):
    """The end of the open block."""


Action = Post | Reverse | CloseYear | Commit


class Setting(NamedTuple):
    """Choices that hold for a whole journal."""

    relief: str
    block_transfers: int
    free: frozenset[str]


SETTINGS = st.builds(
    Setting,
    st.sampled_from(RELIEFS),
    st.sampled_from([1, 5, 1_000]),
    st.sampled_from([frozenset(), frozenset({"Assets:Cash:USD", "Assets:Cash:EUR"})]),
)


def _event(name: str) -> SearchStrategy[Event]:
    return st.tuples(*(VALUES[kind] for kind in EVENTS[name])).map(lambda args: Event(name, args))


def _own_transfer() -> SearchStrategy[Event]:
    paths = st.sampled_from(["Assets:Cash:USD", *(path for path, _ in OWN_ACCOUNTS)])
    return st.tuples(paths, paths, MONEY, st.just("USD")).map(lambda args: Event("transfer", args))


ANY_EVENT: SearchStrategy[Event] = st.one_of(
    st.sampled_from(TRADES).flatmap(_event),
    st.sampled_from(TRADES).flatmap(_event),
    st.sampled_from(sorted(EVENTS)).flatmap(_event),
    _own_transfer(),
)
DAYS = st.sampled_from([0, 1, 1, 1, 1, 1, 1, -1])
ACTIONS: SearchStrategy[Action] = st.one_of(
    st.builds(Post, DAYS, st.tuples(ANY_EVENT)),
    st.builds(Post, DAYS, st.tuples(ANY_EVENT)),
    st.builds(Post, DAYS, st.tuples(ANY_EVENT)),
    st.builds(Post, DAYS, st.lists(ANY_EVENT, min_size=2, max_size=4).map(tuple)),
    st.builds(Reverse, DAYS, st.integers(-1, 15)),
    st.builds(CloseYear, st.just(1)),
    st.just(Commit()),
)
START = tuple(Post(1, (Event("deposit", (symbol, 3_000)),)) for symbol in CURRENCIES)
"""Most sequences start with money, or nearly all of their purchases would be refused."""

SEQUENCES: SearchStrategy[list[Action]] = st.tuples(
    st.sampled_from([START, START, START, ()]), st.lists(ACTIONS, max_size=25)
).map(lambda parts: [*parts[0], *parts[1]])
