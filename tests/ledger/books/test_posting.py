"""Posting from a compiled or interpreted loop: whole transactions or nothing, and arrays that fill up."""

import numpy as np
import pytest

from tests.support import naive
from tieout.ledger.books import chart
from tieout.ledger.books.arithmetic import NO_AMOUNT
from tieout.ledger.books.arrays import LONG, SHORT_SIDE, Status, empty_books, with_more_lots
from tieout.ledger.books.bounds import MAX_AMOUNT
from tieout.ledger.books.commodity import currency, instrument
from tieout.ledger.books.events import buy, deposit
from tieout.ledger.books.posting import (
    begin,
    commit,
    find_lot,
    held,
    move,
    open_lot,
    refuse,
    transfer,
    unload,
)
from tieout.ledger.errors import OutOfBalance
from tieout.ledger.file.run import Policies, Run
from tieout.ledger.journal import Journal

CASH, CONTRIBUTIONS = chart.CASH, chart.CONTRIBUTIONS
ACME = 1


def journal(block_transfers: int = 1_000) -> Journal:
    policies = Policies(block_transfers=block_transfers)
    return Journal.create(None, [currency("USD", 0), instrument("ACME", scale=0)], Run(policies=policies))


def start(books: object, timestamp: int = 0) -> None:
    begin(books, timestamp, 0, -1, -1, -1, -1)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("debit", "credit", "amount", "status"),
    [
        (CASH, CONTRIBUTIONS, 5, Status.POSTED),
        (CASH, CONTRIBUTIONS, MAX_AMOUNT, Status.POSTED),
        (CASH, CONTRIBUTIONS, 0, Status.NOT_POSITIVE),
        (CASH, CONTRIBUTIONS, -5, Status.NOT_POSITIVE),
        (CASH, CASH, 5, Status.SAME_ACCOUNT),
        (36, CONTRIBUTIONS, 5, Status.UNKNOWN_ACCOUNT),
        (CASH, -1, 5, Status.UNKNOWN_ACCOUNT),
        (26, CONTRIBUTIONS, 5, Status.COMMODITY_MISMATCH),
        (CONTRIBUTIONS, CASH, 5, Status.OVERDRAFT),
    ],
)
def test_a_transfer_is_posted_or_refused_for_one_reason(
    debit: int, credit: int, amount: int, status: Status
) -> None:
    with journal() as open_journal:
        books = open_journal.books
        start(books)
        transfer(books, debit, credit, amount, -1)

        assert status == commit(books)
        balance = amount if status is Status.POSTED else 0
        assert (balance, -balance) == (books.accounts[CASH].balance, books.accounts[CONTRIBUTIONS].balance)
        assert (balance > 0) == books.state[0].txns == books.state[0].transfers


def test_the_first_reason_is_reported_and_nothing_after_it_is_posted() -> None:
    with journal() as open_journal:
        books = open_journal.books
        start(books)
        transfer(books, CASH, CONTRIBUTIONS, 7, -1)
        transfer(books, CASH, CASH, 7, -1)
        transfer(books, CASH, CONTRIBUTIONS, 0, -1)
        refuse(books.state[0], int(Status.OVERDRAFT), 1, 1)

        assert Status.SAME_ACCOUNT == commit(books)
        assert {} == naive.balances(open_journal)


def test_a_balance_may_reach_64_bits_and_not_pass_them_on_either_side() -> None:
    with journal() as open_journal:
        books = open_journal.books
        start(books)
        transfer(books, CASH, CONTRIBUTIONS, MAX_AMOUNT, -1)
        assert Status.POSTED == commit(books)
        for debit, credit in ((CASH, chart.RETAINED_EARNINGS), (chart.COMMISSIONS, CONTRIBUTIONS)):
            start(books)
            transfer(books, debit, credit, 1, -1)
            assert Status.OUT_OF_RANGE == commit(books)

        assert [MAX_AMOUNT, -MAX_AMOUNT] == [int(books.accounts[n].balance) for n in (CASH, CONTRIBUTIONS)]


@pytest.mark.parametrize("amount", [5, -5, 0, NO_AMOUNT])
def test_a_move_goes_either_way_or_not_at_all(amount: int) -> None:
    with journal() as open_journal:
        books = open_journal.books
        start(books)
        move(books, chart.COMMISSIONS, chart.INTEREST, amount)
        expected = {0: Status.EMPTY, NO_AMOUNT: Status.OUT_OF_RANGE}.get(amount, Status.POSTED)

        assert expected == commit(books)
        assert (amount if expected is Status.POSTED else 0) == books.accounts[chart.COMMISSIONS].balance


def test_time_does_not_go_back_and_may_stand_still() -> None:
    with journal() as open_journal:
        books = open_journal.books
        for timestamp, status in (
            (5, Status.POSTED),
            (5, Status.POSTED),
            (4, Status.BACKDATED),
            (-1, Status.BACKDATED),
        ):
            start(books, timestamp)
            transfer(books, CASH, CONTRIBUTIONS, 1, -1)
            assert status == commit(books)
        start(books, 9)
        assert Status.EMPTY == commit(books)

        assert (5, 2) == (books.state[0].timestamp, books.accounts[CASH].balance)


def test_an_undone_transaction_gives_back_its_lots() -> None:
    with journal() as open_journal:
        books = open_journal.books
        before = naive.contents(open_journal)
        start(books)
        for _ in range(3):
            slot = open_lot(books, ACME, LONG, 5, 50)
            transfer(books, 26 + chart.UNITS, 26 + chart.MARKET, 5, slot)
        assert held(books, ACME, LONG)
        assert not held(books, ACME, SHORT_SIDE)
        assert slot == find_lot(books, ACME, LONG, 2)
        transfer(books, CASH, CASH, 1, -1)

        assert Status.SAME_ACCOUNT == commit(books)
        assert before == naive.contents(open_journal)
        assert -1 == find_lot(books, ACME, LONG, 0)
        assert set(books.lots["id"].tolist()) == {-1}


def test_arrays_grow_until_a_transaction_fits() -> None:
    with journal(block_transfers=10_000) as open_journal:
        open_journal.post("2024-01-01", deposit, "USD", 100_000)
        room = [
            a.size for a in (open_journal.books.txns, open_journal.books.transfers, open_journal.books.lots)
        ]
        with open_journal.transaction("2024-01-02") as transaction:
            for _ in range(room[2] + 3_000):
                transaction.book(buy, "ACME", 1, 1)
        for _ in range(room[0]):
            open_journal.post("2024-01-03", deposit, "USD", 1)
        with open_journal.transaction("2024-01-04") as transaction:
            for _ in range(2 * room[1]):
                transaction.book(deposit, "USD", 1)

        assert room[2] + 3_000 == len(naive.open_lots(open_journal)["ACME", "long"])
        assert naive.balances(open_journal) == naive.balances_of_transfers(open_journal)
        assert naive.open_lots(open_journal) == naive.stored_lots(open_journal)
        assert [] == open_journal.sql("from proof").rows()


def test_more_lots_keep_the_order_in_which_slots_are_used() -> None:
    books = empty_books(10)
    size = books.lots.size
    more = with_more_lots(books, 2 * size)

    assert 2 * size == more.state[0].free
    assert list(range(2 * size)) == more.lots["free"][: 2 * size][::-1].tolist()


@pytest.mark.parametrize("fault", ["balance", "amount", "nothing", "txn", "first", "missing"])
def test_a_block_that_does_not_refold_is_not_stored(fault: str) -> None:
    with journal() as open_journal:
        for _ in range(2):
            open_journal.post("2024-01-01", deposit, "USD", 100)
        books = open_journal.books
        arrays = books.accounts, books.transfers, books.txns, books.state
        copies = [array.copy() for array in arrays]
        match fault:
            case "balance":
                books.accounts[CASH].balance += 1
            case "amount":
                books.transfers[1].amount = 99
            case "nothing":
                books.transfers[1].amount = 0
            case "txn":
                books.txns[1].first = 0
            case "first":
                books.txns[0].first = 1
            case _:
                books.state[0].transfers -= 1

        with pytest.raises(OutOfBalance, match="do not add up"):
            open_journal.commit()
        for array, before in zip(arrays, copies, strict=True):
            array[:] = before
        assert 1 == open_journal.commit().blocks


def test_unloading_copies_every_column_and_leaves_the_closing_balances() -> None:
    with journal() as open_journal:
        open_journal.post("2024-01-01", deposit, "USD", 100)
        open_journal.post("2024-01-01", buy, "ACME", 2, 30, 1)
        books = open_journal.books
        opening = np.zeros(books.accounts.size, np.int64)
        columns = [np.empty(4, dtype) for dtype in ("i8", "i4", "i4", "i8", "i8")]

        assert unload(books, opening, *columns)
        assert books.accounts["balance"].tolist() == opening.tolist()
        assert [[0, 1, 1, 1], [100, 2, 30, 1], [-1, 0, 0, -1]] == [columns[n].tolist() for n in (0, 3, 4)]
