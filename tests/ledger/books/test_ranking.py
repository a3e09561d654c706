"""The tree of lots: in the order of a sort by cost or by number, and short ways however prices move."""

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support import naive
from tieout.ledger.books.commodity import currency, instrument
from tieout.ledger.books.events import buy, sell
from tieout.ledger.books.ranking import NONE, _rank
from tieout.ledger.file.run import Policies, Run
from tieout.ledger.journal import Journal

rank = getattr(_rank, "py_func", _rank)
OPENINGS = st.tuples(st.integers(1, 9), st.integers(1, 40))
CLOSINGS = st.tuples(st.just(0), st.integers(0, 2**20))


def books_of(relief: str) -> Journal:
    policies = Policies(relief, may_be_overdrawn=frozenset({"Assets:Cash:USD"}))
    return Journal.create(None, [currency("USD"), instrument("ACME")], Run(policies=policies))


def slots_in_order(books: Any, node: int) -> list[int]:
    """Walk the tree from left to right, and assert that links agree and that ranks fall on the way down."""
    if node == NONE:
        return []
    lot = books.lots[node]
    for child in (lot.left, lot.right):
        if child != NONE:
            assert books.lots[child].up == node
            assert rank(int(books.lots[child].id)) <= rank(int(lot.id))
    return [*slots_in_order(books, lot.left), node, *slots_in_order(books, lot.right)]


def depth(books: Any, node: int) -> int:
    if node == NONE:
        return 0
    return 1 + max(depth(books, books.lots[node].left), depth(books, books.lots[node].right))


@pytest.mark.parametrize("relief", ["hifo", "specific"])
@given(st.lists(st.one_of(OPENINGS, CLOSINGS), min_size=1, max_size=40))
def test_the_tree_is_the_list_and_both_are_in_the_order_of_relief(
    relief: str, steps: list[tuple[int, int]]
) -> None:
    with books_of(relief) as journal:
        for quantity, number in steps:
            lots = naive.open_lots(journal).get(("ACME", "long"), [])
            if quantity:
                journal.post("2024-01-02", buy, "ACME", quantity, number)
            elif lots:
                lot, units, _ = lots[number % len(lots)]
                whole = units if number % 3 else max(1, units // 2)
                by_name: Any = {"lot": lot} if relief == "specific" or number % 2 else {}
                size = whole if by_name else min(whole, lots[0][1])
                journal.post("2024-01-02", sell, "ACME", Decimal(size) / 10**8, 1, **by_name)
            books = journal.books
            order = [int(books.lots[slot].id) for slot in slots_in_order(books, books.queues[2].root)]
            listed = naive.open_lots(journal).get(("ACME", "long"), [])
            assert order == [lot for lot, _, _ in listed]
            key = (lambda row: row[0]) if relief == "specific" else None
            expected = sorted(listed, key=key or (lambda row: (-Fraction(row[2], row[1]), row[0])))
            assert expected == listed


@pytest.mark.parametrize("relief", ["hifo", "specific"])
@pytest.mark.parametrize(
    "price", [lambda i: 5_000 - i, lambda i: i + 1, lambda _: 7], ids=["fall", "rise", "flat"]
)
def test_a_lot_is_reached_in_few_steps_however_prices_move(relief: str, price: Any) -> None:
    with books_of(relief) as journal:
        for i in range(500):
            journal.post("2024-01-02", buy, "ACME", 1, price(i))
        root = journal.books.queues[2].root

        assert 500 == len(slots_in_order(journal.books, root))
        assert depth(journal.books, root) <= 30  # a list has 500, the expectation is about 20
