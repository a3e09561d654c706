"""The lots that relief gives up, and their cost: every method, both sides, to the last unit."""

from decimal import Decimal
from itertools import permutations, product
from pathlib import Path

import pytest

from tests.support import naive
from tests.support.notation import check
from tieout.ledger.books.commodity import currency, instrument
from tieout.ledger.books.events import buy, cover, sell, short_sale, split
from tieout.ledger.file.run import RELIEFS, Policies, Run
from tieout.ledger.journal import Journal

LONG = """
    deposit 1000            | cash +1000  contributions +1000
    buy 3 ACME for 30       | cash -30  holding +3  cost +30
    buy 3 ACME for 90       | cash -90  holding +3  cost +90
    buy 3 ACME for 60       | cash -60  holding +3  cost +60
    sell 4 ACME for 100     | cash +100  holding -4  cost {}  gain {}
    sell 5 ACME for 100     | cash +100  holding -5  cost {}  gain {}
"""
SHORT = """
    short_sale 3 ACME for 30   | holding -3  owed +30  restricted +30
    short_sale 3 ACME for 90   | holding -3  owed +90  restricted +90
    short_sale 3 ACME for 60   | holding -3  owed +60  restricted +60
    cover 4 ACME for 0         | cash {}  holding +4  owed {}  restricted {}  gain {}
    cover 5 ACME for 0         | cash {}  holding +5  owed {}  restricted {}  gain {}
"""


# First in: 30 and a third of 90. Last in: 60 and a third of 90. Highest: 90 and a third of 60. On average:
# four ninths of 180.
@pytest.mark.parametrize(("relief", "first"), [("fifo", 60), ("lifo", 90), ("hifo", 110), ("average", 80)])
def test_the_method_decides_which_cost_goes_out(relief: str, first: int) -> None:
    second = 180 - first
    check(LONG.format(-first, 100 - first, -second, 100 - second), relief)
    check(SHORT.format(*(first, -first, -first, first), *(second, -second, -second, second)), relief)


def test_with_specific_relief_the_lot_named_is_given_up() -> None:
    check(
        """
        deposit 1000               | cash +1000  contributions +1000
        sell 1 ACME for 1          ! insufficient_lots
        buy 3 ACME for 30          | cash -30  holding +3  cost +30
        buy 3 ACME for 90          | cash -90  holding +3  cost +90
        sell 1 ACME for 50         ! lot_not_named
        sell 4 ACME for 50 lot 1   ! insufficient_lots
        sell 1 ACME for 50 lot 2   ! unknown_lot
        cover 1 ACME for 50 lot 1  ! unknown_lot
        flip -7 ACME for 70    ! lot_not_named
        sell 3 ACME for 50 lot 1   | cash +50  holding -3  cost -90  gain -40
        sell 1 ACME for 50 lot 1   ! unknown_lot
        sell 3 ACME for 50 lot 0   | cash +50  holding -3  cost -30  gain +20
        short_sale 3 ACME for 30   | holding -3  owed +30  restricted +30
        cover 3 ACME for 20        ! lot_not_named
        cover 3 ACME for 20 lot 2  | cash +10  holding +3  owed -30  restricted -30  gain +10
    """,
        "specific",
    )


def test_a_lot_may_be_named_with_any_method() -> None:
    check("""
        deposit 1000               | cash +1000  contributions +1000
        buy 3 ACME for 30          | cash -30  holding +3  cost +30
        buy 3 ACME for 90          | cash -90  holding +3  cost +90
        sell 1 ACME for 50 lot 1   | cash +50  holding -1  cost -30  gain +20
        sell 3 ACME for 50         | cash +50  holding -3  cost -30  gain +20
    """)


def test_lots_of_equal_cost_per_unit_go_oldest_first() -> None:
    bench = check(
        """
        deposit 1000               | cash +1000  contributions +1000
        buy 2 ACME for 20          | cash -20  holding +2  cost +20
        buy 3 ACME for 30          | cash -30  holding +3  cost +30
        buy 3 ACME for 31          | cash -31  holding +3  cost +31
        buy 1 ACME for 10          | cash -10  holding +1  cost +10
    """,
        "hifo",
    )

    assert [2, 0, 1, 3] == [lot for lot, _, _ in naive.open_lots(bench.journal)["ACME", "long"]]


def test_the_highest_cost_per_unit_is_that_after_a_split() -> None:
    check(
        """
        deposit 1000               | cash +1000  contributions +1000
        buy 2 ACME for 20          | cash -20  holding +2  cost +20
        split ACME 1:2             | holding -1
        buy 1 ACME for 15          | cash -15  holding +1  cost +15
        sell 1 ACME for 10         | cash +10  holding -1  cost -20  gain -10
    """,
        "hifo",
    )


def test_proceeds_are_shared_by_units_and_the_last_lot_takes_the_remainder() -> None:
    bench = check("""
        deposit 1000 EUR       | cash/EUR +1000  contributions/EUR +1000
        buy 1 BETA for 10      | cash/EUR -10  holding +1  cost +10
        buy 1 BETA for 10      | cash/EUR -10  holding +1  cost +10
        buy 1 BETA for 10      | cash/EUR -10  holding +1  cost +10
        sell 3 BETA for 40     | cash/EUR +40  holding -3  cost -30  gain +10
    """)
    rows = bench.journal.sql(
        "select amount from transfer join account on account.id = debit"
        " where txn = 4 and path = 'Assets:Cash:EUR' order by seq"
    ).rows()

    assert [1333, 1333, 1334] == [row["amount"] for row in rows]


def test_what_went_into_a_lot_comes_out_of_it() -> None:
    commodities = [currency("USD", 0), instrument("ACME", scale=0)]
    policies = Policies(may_be_overdrawn=frozenset({"Assets:Cash:USD"}))
    with Journal.create(None, commodities, Run(policies=policies)) as journal:
        for cost, sales in product((0, 1, 7, 10, 39), permutations((1, 2, 3, 5))):
            journal.post("2024-01-01", buy, "ACME", sum(sales), cost)
            realised = journal.balance("Income:Realised:ACME")
            carried, units = cost, sum(sales)
            for size in sales:
                journal.post("2024-01-01", sell, "ACME", size, 0)
                carried, units = carried - carried * size // units, units - size

                assert carried == journal.balance("Assets:Positions:ACME")
            assert 0 == carried == units
            assert cost == journal.balance("Income:Realised:ACME") - realised


def test_an_average_lot_is_one_lot_while_anything_is_held() -> None:
    bench = check(
        """
        deposit 100                | cash +100  contributions +100
        buy 1 ACME for 10          | cash -10  holding +1  cost +10
        buy 2 ACME for 50          | cash -50  holding +2  cost +50
        sell 1 ACME for 20         | cash +20  holding -1  cost -20
        sell 2 ACME for 40 ; buy 1 ACME for 30 | cash +10  holding -1  cost -10
        sell 1 ACME for 30         | cash +30  holding -1  cost -30
        buy 1 ACME for 5           | cash -5  holding +1  cost +5
    """,
        "average",
    )

    assert {("ACME", "long"): [(1, 100_000_000, 5_000_000)]} == naive.open_lots(bench.journal)


def test_a_lot_acquired_and_cut_in_one_transaction_keeps_its_acquisition() -> None:
    bench = check("""
        deposit 100                                  | cash +100  contributions +100
        buy 3 ACME for 10 ; sell 1 ACME for 4        | cash -6  holding +2  cost +6.666667  gain +0.666667
        sell 2 ACME for 8                            | cash +8  holding -2  cost -6.666667  gain +1.333333
        short_sale 2 ACME for 9 ; cover 2 ACME for 9 |
        buy 1 ACME for 0 ; sell 1 ACME for 5         | cash +5  gain +5
    """)
    rows = bench.journal.sql("select side, acquired_quantity, acquired_cost, quantity from lot").rows()

    assert [("long", 3, 10, 0), ("short", -2, -9, 0), ("long", 1, 0, 0)] == [
        tuple(row.values()) for row in rows
    ]


@pytest.mark.parametrize("relief", ["hifo", "lifo", "fifo"])
def test_a_transaction_that_opens_and_closes_its_lots_can_be_reversed(relief: str) -> None:
    check(
        """
        deposit 100                                  | cash +100  contributions +100
        buy 1 ACME for 7                             | cash -7  holding +1  cost +7
        buy 2 ACME for 20 ; sell 3 ACME for 30       | cash +10  holding -1  cost -7  gain +3
        reverse 2                                    | cash -10  holding +1  cost +7  gain -3
        sell 1 ACME for 7                            | cash +7  holding -1  cost -7
        short_sale 2 ACME for 20 ; cover 2 ACME for 20 |
        short_sale 1 ACME for 7                      | holding -1  owed +7  restricted +7
        reverse 5                                    |
        cover 1 ACME for 7                           | holding +1  owed -7  restricted -7
    """,
        relief,
    )


@pytest.mark.parametrize("relief", RELIEFS)
@pytest.mark.parametrize(("opening", "closing"), [(buy, sell), (short_sale, cover)])
def test_books_taken_up_again_relieve_in_the_same_order(
    tmp_path: Path, relief: str, opening: object, closing: object
) -> None:
    commodities = [currency("USD"), instrument("ACME")]
    policies = Policies(relief, may_be_overdrawn=frozenset({"Assets:Cash:USD"}))
    path = tmp_path / "books.duckdb"
    with Journal.create(path, commodities, Run(policies=policies)) as journal:
        with journal.transaction("2024-01-02") as transaction:
            transaction.book(opening, "ACME", 3, 10)  # type: ignore[arg-type]
            transaction.book(closing, "ACME", 1, 0, lot=0)  # type: ignore[arg-type]
        # 3.34 a unit: more than the first lot was acquired at, less than what it now carries.
        for quantity, total in ((1, "3.34"), (2, 5), (2, 9), (4, 10)):
            journal.post("2024-01-03", opening, "ACME", quantity, total)  # type: ignore[arg-type]
        journal.post("2024-01-04", split, "ACME", 3, 2)
        lots, following = naive.open_lots(journal), journal.books.state[0].next_lot
    with Journal.open(path) as journal:
        assert lots == naive.open_lots(journal)
        assert following == journal.books.state[0].next_lot
        assert Decimal(0) != journal.balance("Assets:Positions:ACME", "ACME")
