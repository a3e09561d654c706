"""Listings that runs share: the same for the same bars, terms and policies, and never changed by a run."""

import numpy as np
import pytest

from tieout import Backtest, Bars, Instruments, TargetWeights
from tieout.execution.data.listing import shared_listing
from tieout.ledger.books.arrays import empty_books
from tieout.ledger.books.commodity import currency
from tieout.ledger.file.run import Policies

SYMBOLS = ("ACME", "BOLT")
CASH = frozenset({"Assets:Cash:USD"})


def test_runs_on_the_same_bars_share_a_listing() -> None:
    policies = Policies(block_transfers=10)

    first = shared_listing(SYMBOLS, Instruments(), currency("USD"), policies)

    assert first is shared_listing(tuple(SYMBOLS), Instruments(), currency("USD"), Policies())


@pytest.mark.parametrize(
    ("symbols", "money", "policies"),
    [
        (("ACME",), "USD", Policies()),
        (SYMBOLS, "EUR", Policies()),
        (SYMBOLS, "USD", Policies("lifo")),
        (SYMBOLS, "USD", Policies(may_be_overdrawn=CASH)),
    ],
)
def test_other_symbols_currencies_or_policies_have_a_listing_of_their_own(
    symbols: tuple[str, ...], money: str, policies: Policies
) -> None:
    first = shared_listing(SYMBOLS, Instruments(), currency("USD"), Policies())

    other = shared_listing(symbols, Instruments(), currency(money), policies)

    assert other is not first
    assert policies.relief == other.layout.relief
    assert policies.may_be_overdrawn == other.layout.may_be_overdrawn


def test_a_run_leaves_its_listing_and_the_next_run_as_they_were() -> None:
    prices = np.array([[10.0, 20.0], [11.0, 21.0], [12.0, 22.0]])
    days = np.array(["2024-01-02", "2024-01-03", "2024-01-04"], "M8[ns]")
    bars = Bars.from_arrays(days, SYMBOLS, open=prices, high=prices, low=prices, close=prices)
    backtest = Backtest(bars=bars, strategy=TargetWeights(np.full((3, 2), 0.4)))

    def head() -> str:
        with backtest.run() as result:
            return result.head

    heads = [head()]
    listing = shared_listing(bars.symbols, Instruments(), currency("USD"), Policies())
    rows = listing.rows.tobytes()
    heads.append(head())

    assert heads[0] == heads[1]
    assert rows == listing.rows.tobytes()
    assert [0] == np.unique(listing.layout.begin(empty_books(1)).accounts["balance"]).tolist()
