"""The refusals of the ledger: the class, the message with the wrong value, and books that did not change.

Each attempt is made on the same books. Afterwards the head digest is that of books without the attempt. A
full disk, damage and broken seals have tests of their own.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from decimal import Decimal, localcontext
from fractions import Fraction
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest

from tests.support import naive
from tieout.ledger import errors
from tieout.ledger.books.commodity import Commodity, currency, instrument
from tieout.ledger.books.events import (
    buy,
    cover,
    deposit,
    fx_trade,
    sell,
    short_sale,
    split,
    valuation,
    withdrawal,
)
from tieout.ledger.books.posting import transfer
from tieout.ledger.errors import LedgerError
from tieout.ledger.file.reader import Reader
from tieout.ledger.file.run import Policies, Run
from tieout.ledger.file.schema import SCHEMA_VERSION
from tieout.ledger.journal import Journal

LARGEST = "9223372036854.775807"


def books(path: Path | None = None, relief: str = "fifo") -> Journal:
    """Return books with a long lot, a short one, an extra floored account, a mark and a reversal."""
    journal = Journal.create(
        path,
        [currency("USD"), currency("EUR", 2), instrument("ACME"), instrument("BRK.B")],
        Run(policies=Policies(relief)),
    )
    journal.open_account("Assets:Petty", floored=True)
    journal.post("2024-01-02", deposit, "USD", "1000", note="start")
    journal.post("2024-01-03", buy, "ACME", "10", "500", "1")
    journal.post("2024-01-04", short_sale, "BRK.B", "3", "300")
    journal.mark("2024-01-04", {"ACME": 51.0})
    journal.reverse(journal.post("2024-01-05", deposit, "USD", "7"), "2024-01-05")
    return journal


def attempt(journal: Journal, *events: Any, when: Any = "2024-02-01") -> None:
    with journal.transaction(when) as transaction:
        for event, *args in events:
            transaction.book(event, *args)


def by_hand(journal: Journal, debit: str, credit: str, amount: str, commodity: str = "USD") -> None:
    with journal.transaction("2024-02-01") as transaction:
        transaction.transfer(debit, credit, amount, commodity)


def raw(journal: Journal, *args: int) -> None:
    """A transfer by account numbers, as a simulator's own event makes it."""
    with journal.transaction("2024-02-01") as transaction:
        transaction.book(deposit, "USD", "5")
        transaction.add(transfer, *args)


Attempt = Callable[[Journal], object]
GALLERY: list[tuple[str, Attempt, str]] = [
    # At the door.
    (
        "UnknownAccount",
        lambda j: by_hand(j, "Expenses:Fees:Data", "Assets:Cash:USD", "1"),
        "'Expenses:Fees:Data' is not in the chart of accounts; open it first",
    ),
    ("UnknownAccount", lambda j: raw(j, 9_999, 0, 1, -1), "there is no account number 9999"),
    ("UnknownAccount", lambda j: raw(j, 0, -7, 1, -1), "there is no account number -7"),
    ("UnknownAccount", lambda j: j.balance("Assets:Cash:USD", "EUR"), "exists in USD, not in EUR"),
    (
        "UnknownCommodity",
        lambda j: attempt(j, (deposit, "GBP", "1")),
        "'GBP' is not declared; known: USD, EUR, ACME, BRK.B",
    ),
    (
        "UnknownCommodity",
        lambda j: attempt(j, (deposit, "ACME", "1")),
        "'ACME' is an instrument, not a currency",
    ),
    ("UnknownCommodity", lambda j: attempt(j, (deposit, ["USD"], "1")), "['USD'] is not declared"),
    ("UnknownInstrument", lambda j: attempt(j, (buy, "ACNE", "1", "1")), "'ACNE' is not declared"),
    (
        "UnknownInstrument",
        lambda j: attempt(j, (buy, "EUR", "1", "1")),
        "'EUR' is a currency, not an instrument",
    ),
    ("UnknownInstrument", lambda j: j.mark("2024-02-01", {"ACNE": 1.0}), "'ACNE' is not declared"),
    ("UnknownTransaction", lambda j: j.reverse(99, "2024-02-01"), "transaction 99 was not posted"),
    ("InvalidCommodity", lambda j: j.declare(currency("USD")), "USD is declared already"),
    ("InvalidCommodity", lambda j: j.declare(currency("US  D")), "symbol 'US  D'"),
    ("InvalidCommodity", lambda _: currency("X", 13), "X: scale 13 is not in 0..12"),
    ("InvalidCommodity", lambda _: Commodity("X", "currency", 2.5, "X"), "X: scale 2.5"),  # type: ignore[arg-type]
    ("InvalidCommodity", lambda _: instrument("X", multiplier=0), "X: multiplier 0"),
    ("UnknownCommodity", lambda j: j.declare(instrument("X", currency="GBP")), "'GBP' is not declared"),
    ("InvalidAccount", lambda j: j.open_account("Assets:Petty"), "Assets:Petty in USD is open already"),
    ("InvalidAccount", lambda j: j.open_account("Costs:Data"), "'Costs:Data'"),
    ("InvalidAccount", lambda j: j.open_account("Assets"), "'Assets'"),
    ("InvalidAccount", lambda j: j.open_account("Assets: :X"), "'Assets: :X'"),
    ("InvalidEvent", lambda j: j.post("2024-02-01", buy, "ACME"), "missing a required argument: 'quantity'"),
    ("InvalidEvent", lambda j: attempt(j, (split, "ACME", "2", 1)), "numerator '2' is not a whole number"),
    ("InvalidEvent", lambda j: attempt(j, (split, "ACME", 2**63, 1)), f"numerator {2**63} does not fit"),
    ("InvalidEvent", lambda j: attempt(j, (buy, "ACME", "1", "1", "0", "no")), "settled 'no'"),
    ("InvalidPolicy", lambda _: Policies("oldest"), "average, specific, not 'oldest'"),
    ("InvalidPolicy", lambda _: Policies(block_transfers=0), "transfers, not 0"),
    ("InvalidTime", lambda j: attempt(j, (deposit, "USD", "1"), when="yesterday"), "'yesterday'"),
    ("InvalidTime", lambda j: attempt(j, (deposit, "USD", "1"), when=1.5), "1.5 is not a moment"),
    ("InvalidTime", lambda j: attempt(j, (deposit, "USD", "1"), when=np.datetime64("NaT")), "NaT"),
    ("InvalidTime", lambda j: attempt(j, (deposit, "USD", "1"), when="2500-01-01"), "2500-01-01"),
    ("InvalidTime", lambda j: attempt(j, (deposit, "USD", "1"), when=2**63), f"{2**63} nanoseconds"),
    ("InvalidTime", lambda j: j.sql("from balance", at="no day"), "'no day'"),
    ("FloatAmount", lambda j: attempt(j, (deposit, "USD", 1.5)), "1.5 USD is a float"),
    ("FloatAmount", lambda j: attempt(j, (buy, "ACME", 1.0, "1")), "1.0 ACME is a float"),
    ("FloatAmount", lambda j: attempt(j, (deposit, "USD", np.float64(2))), "is a float"),
    ("FloatAmount", lambda j: attempt(j, (deposit, "USD", Fraction(1, 2))), "Fraction(1, 2)"),
    ("NotAnAmount", lambda j: attempt(j, (deposit, "USD", "ten")), "'ten' is not an amount of USD"),
    ("NotAnAmount", lambda j: attempt(j, (deposit, "USD", True)), "True is not an amount"),
    ("NotAnAmount", lambda j: attempt(j, (deposit, "USD", None)), "None is not an amount"),
    ("NotAnAmount", lambda j: attempt(j, (deposit, "USD", "NaN")), "'NaN' is not an amount"),
    ("NotAnAmount", lambda j: attempt(j, (deposit, "USD", "1,5")), "'1,5' is not an amount"),
    ("NotAnAmount", lambda j: j.mark("2024-02-01", {"ACME": float("nan")}), "nan"),
    ("NotAnAmount", lambda j: j.mark("2024-02-01", {"ACME": -1.0}), "-1.0"),
    ("InexactAmount", lambda j: attempt(j, (deposit, "USD", "0.0000001")), "0.0000001 USD: more than 6"),
    ("InexactAmount", lambda j: attempt(j, (buy, "ACME", "1.123456789", "1")), "more than 8 decimals"),
    (
        "InexactAmount",
        lambda j: attempt(j, (deposit, "USD", "1.0000000000000000000000000000000001")),
        "more than 6 decimals",
    ),
    (
        "AmountOutOfRange",
        lambda j: attempt(j, (deposit, "USD", "9223372036854.775808")),
        "9223372036854.775808",
    ),
    ("AmountOutOfRange", lambda j: attempt(j, (deposit, "USD", "1e999999999999")), "1e999999999999 USD"),
    (
        "AmountOutOfRange",
        lambda j: attempt(j, (deposit, "USD", LARGEST)),
        f"{LARGEST} takes Assets:Cash:USD in USD",
    ),
    (
        "AmountOutOfRange",
        lambda j: attempt(j, (deposit, "USD", "1"), (deposit, "USD", LARGEST), (deposit, "EUR", "1")),
        "past 64 bits",
    ),
    ("AmountOutOfRange", lambda j: j.notional("ACME", "1", 1e300), "1.00000000 ACME at 1e+300"),
    # Posting.
    ("AmountNotPositive", lambda j: attempt(j, (deposit, "USD", 0)), "0 on Assets:Cash:USD in USD"),
    ("AmountNotPositive", lambda j: attempt(j, (withdrawal, "USD", -1)), "-1 on Equity:Contributions"),
    ("AmountNotPositive", lambda j: attempt(j, (sell, "ACME", 0, 1)), "on Assets:Positions:ACME in ACME"),
    ("SameAccount", lambda j: by_hand(j, "Assets:Petty", "Assets:Petty", "1"), "Assets:Petty in USD is both"),
    (
        "CommodityMismatch",
        lambda j: by_hand(j, "Assets:Cash:USD", "Assets:Cash:EUR", "1"),
        "Assets:Cash:USD in USD and Assets:Cash:EUR in EUR: post each commodity against its own",
    ),
    ("EmptyTransaction", attempt, "nothing is moved at 2024-02-01"),
    ("EmptyTransaction", lambda j: attempt(j, (valuation, "ACME", "500")), "nothing is moved"),
    (
        "Overdraft",
        lambda j: attempt(j, (withdrawal, "USD", "500")),
        "Assets:Cash:USD in USD would be left at -1",
    ),
    ("Overdraft", lambda j: attempt(j, (fx_trade, "USD", "1", "EUR", "1")), "Assets:Cash:EUR in EUR"),
    ("Overdraft", lambda j: by_hand(j, "Assets:Cash:USD", "Assets:Petty", "1"), "Assets:Petty in USD"),
    (
        "BackdatedTransaction",
        lambda j: attempt(j, (deposit, "USD", "1"), when="2024-01-04T23:59:59.999999999"),
        "2024-01-04T23:59:59.999999999 is before 2024-01-05",
    ),
    ("BackdatedTransaction", lambda j: j.reverse(0, "2024-01-01"), "2024-01-01 is before 2024-01-05"),
    ("BackdatedTransaction", lambda j: j.close_year("2023-12-31"), "2023-12-31"),
    (
        "InsufficientLots",
        lambda j: attempt(j, (sell, "ACME", "11", "1")),
        "the open lots hold only 10; give up no more",
    ),
    ("InsufficientLots", lambda j: attempt(j, (cover, "BRK.B", "4", "1")), "hold only 3; "),
    (
        "InsufficientLots",
        lambda j: attempt(j, (deposit, "USD", 9), (buy, "ACME", 1, 1), (sell, "ACME", "12", "1")),
        "hold only 11; ",
    ),
    ("InsufficientLots", lambda j: attempt(j, (cover, "ACME", "1", "1")), "the open lots hold only 0; give"),
    (
        "UnknownLot",
        lambda j: j.post("2024-02-01", sell, "ACME", "1", "1", lot=1),
        "lot 1 is not open on that side",
    ),
    ("OppositePosition", lambda j: attempt(j, (short_sale, "ACME", 1, 1)), "ACME stands at 10; "),
    ("OppositePosition", lambda j: attempt(j, (buy, "BRK.B", 1, 1)), "BRK.B stands at -3; "),
    ("MissingMark", lambda j: j.statement("2024-02-01"), "BRK.B is held and was never marked"),
    ("AlreadyReversed", lambda j: j.reverse(3, "2024-02-01"), "transaction 3 was reversed by 4"),
    ("AlreadyReversed", lambda j: j.reverse(4, "2024-02-01"), "transaction 4 is itself the reversal of 3"),
    # Rows and queries.
    ("InvalidRows", lambda j: j.add("trades", {}), "there is no table 'trades'"),
    ("InvalidRows", lambda j: j.add("transfer", {}), "there is no table 'transfer' to add to"),
    ("InvalidRows", lambda j: j.add("mark", {"price": [1.0]}), "mark has the columns"),
    ("InvalidQuery", lambda j: j.sql("from nowhere"), "nowhere"),
    ("InvalidQuery", lambda j: j.sql("insert into note values (0, 0, 'x')"), "insert into note"),
    ("InvalidQuery", lambda j: j.sql("explain analyze commit"), "explain analyze commit"),
    ("InvalidQuery", lambda j: j.sql("explain (analyze) from txn"), "is not one query"),
    ("InvalidQuery", lambda j: j.sql("explain/**/analyze rollback"), "is not one query"),
    ("JournalExists", lambda _: Journal.create(Path(__file__)), "test_refusals.py exists"),
]


@pytest.fixture(scope="module")
def standing() -> Iterator[Journal]:
    with books() as journal:
        yield journal


@pytest.mark.parametrize(("name", "call", "message"), GALLERY)
def test_what_is_refused_says_what_was_wrong_and_changes_nothing(
    standing: Journal, name: str, call: Attempt, message: str
) -> None:
    before = naive.contents(standing)

    with pytest.raises(LedgerError) as info:
        call(standing)

    assert name == type(info.value).__name__
    assert message in str(info.value)
    assert before == naive.contents(standing)
    assert naive.balances(standing) == naive.balances_of_transfers(standing)


def test_a_refusal_leaves_no_trace_in_the_seals() -> None:
    with books() as untouched, books() as journal:
        for _, call, _ in GALLERY:
            with suppress(LedgerError):
                call(journal)
        for same in (untouched, journal):
            same.post("2024-03-01", sell, "ACME", "4", "240")

        assert untouched.commit() == journal.commit()
        assert [] == journal.sql("from proof").rows()


def test_with_specific_relief_the_lot_has_to_be_named() -> None:
    with books(relief="specific") as journal:
        before = naive.contents(journal)
        with pytest.raises(errors.LotNotNamed, match="Assets:Positions:ACME in ACME: relief is specific"):
            journal.post("2024-02-01", sell, "ACME", "1", "60")

        assert before == naive.contents(journal)
        journal.post("2024-02-01", sell, "ACME", "1", "60", lot=0)


def test_a_purchase_is_reversed_only_before_its_lot_is_used() -> None:
    with Journal.create(None, [currency("USD"), instrument("ACME")]) as journal:
        journal.post("2024-01-02", deposit, "USD", "1000")
        for cost in ("100", "300"):
            purchase = journal.post("2024-01-03", buy, "ACME", "10", cost)
        journal.post("2024-01-04", sell, "ACME", "15", "600")
        before = naive.contents(journal)

        with pytest.raises(errors.LotsDisturbed, match="lot 1 would keep cost without units or fall below"):
            journal.reverse(purchase, "2024-01-05")
        assert before == naive.contents(journal)


def test_an_event_that_breaks_off_leaves_nothing_behind() -> None:
    def breaks_off(*_: object) -> None:
        raise KeyboardInterrupt

    with books() as untouched, books() as journal:
        before = naive.contents(journal)
        posting = journal.transaction("2024-02-01")
        transaction = posting.__enter__()
        transaction.book(deposit, "USD", "1")
        transaction.book(sell, "ACME", "5", "1")
        transaction.book(buy, "ACME", "5", "1")
        transaction.add(breaks_off)
        with pytest.raises(KeyboardInterrupt):
            posting.__exit__(None, None, None)

        assert before == naive.contents(journal)
        assert untouched.commit() == journal.commit()


def test_a_transaction_given_up_by_its_author_is_not_posted() -> None:
    with books() as journal:
        before = naive.contents(journal)
        with suppress(ZeroDivisionError), journal.transaction("2024-02-01") as transaction:
            transaction.book(deposit, "USD", "1")
            raise ZeroDivisionError

        assert before == naive.contents(journal)
        assert -1 == transaction.number


def test_amounts_are_exact_in_any_context_of_decimal() -> None:
    usd = currency("USD")
    with localcontext(prec=4):
        assert 1_234_567_890_123 == usd.units("1234567.890123")
        assert "1234567.890123" == str(usd.decimal(1_234_567_890_123))


# --- files -------------------------------------------------------------------------------------------


WAYS_IN = pytest.mark.parametrize("way", [Journal.open, Reader], ids=["open", "read"])
Way = Callable[[Path], object]


@WAYS_IN
def test_a_file_that_is_missing(tmp_path: Path, way: Way) -> None:
    with pytest.raises(errors.NoSuchFile, match=r"gone\.duckdb"):
        way(tmp_path / "gone.duckdb")

    assert [] == list(tmp_path.iterdir())


@WAYS_IN
@pytest.mark.parametrize("content", [b"", b"date,amount\n2024-01-02,5\n", bytes(20_000)])
def test_a_file_that_is_something_else(tmp_path: Path, way: Way, content: bytes) -> None:
    path = tmp_path / "prices.csv"
    path.write_bytes(content)

    with pytest.raises(errors.NotAJournal, match=r"prices\.csv"):
        way(path)
    assert content == path.read_bytes()


@WAYS_IN
def test_a_folder(tmp_path: Path, way: Way) -> None:
    with pytest.raises(errors.NotAJournal, match="not a journal"):
        way(tmp_path)


@WAYS_IN
def test_a_database_of_another_program(tmp_path: Path, way: Way) -> None:
    path = tmp_path / "theirs.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("create table t as select 1")

    with pytest.raises(errors.NotAJournal, match=r"not a journal: no table .*provenance, run, seal"):
        way(path)


def closed_books(path: Path) -> Path:
    books(path).close()
    return path


@WAYS_IN
@pytest.mark.parametrize(
    ("version", "error"), [(999, errors.NewerSchema), (0, errors.OlderSchema)], ids=["newer", "older"]
)
def test_a_file_of_another_schema(tmp_path: Path, way: Way, version: int, error: type[LedgerError]) -> None:
    path = closed_books(tmp_path / "books.duckdb")
    with duckdb.connect(str(path)) as connection:
        versions = f'["ledger",{SCHEMA_VERSION}]', f'["ledger",{version}]'
        connection.execute("update run set policies = replace(policies, ?, ?)", versions)

    with pytest.raises(error, match=f"its tables have version {version}"):
        way(path)


@WAYS_IN
@pytest.mark.parametrize("keep", [20_000, 300_000])
def test_a_file_that_is_truncated(tmp_path: Path, way: Way, keep: int) -> None:
    path = closed_books(tmp_path / "books.duckdb")
    os.truncate(path, keep)
    content = path.read_bytes()

    with pytest.raises(errors.DamagedFile, match=r"books\.duckdb"):
        way(path)
    assert content == path.read_bytes()


WRITER = """
import sys
from tieout.ledger.journal import Journal
with Journal.open(sys.argv[1]):
    print("open", flush=True)
    sys.stdin.read()
"""


@WAYS_IN
def test_a_file_that_another_process_has_open(tmp_path: Path, way: Way) -> None:
    path = closed_books(tmp_path / "books.duckdb")
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as writer:
        assert writer.stdout is not None
        assert b"open\n" == writer.stdout.readline()
        with pytest.raises(errors.LockedByWriter, match=r"books\.duckdb: the file is open elsewhere"):
            way(path)
        writer.communicate()

    assert 0 == writer.returncode
    Journal.open(path).close()


def test_a_second_writer_in_the_same_process(tmp_path: Path) -> None:
    with books(tmp_path / "books.duckdb") as journal:
        with pytest.raises(errors.LockedByWriter):
            Journal.open(tmp_path / "books.duckdb")

        journal.post("2024-02-01", deposit, "USD", "1")
        assert Decimal(500) == journal.balance("Assets:Cash:USD")


def test_a_journal_that_exists_is_not_overwritten(tmp_path: Path) -> None:
    path = closed_books(tmp_path / "books.duckdb")
    content = path.read_bytes()

    with pytest.raises(errors.JournalExists, match=r"books\.duckdb exists"):
        Journal.create(path)
    assert content == path.read_bytes()


@pytest.mark.parametrize(
    "use",
    [
        lambda j: j.post("2024-02-01", deposit, "USD", "1"),
        lambda j: j.reverse(0, "2024-02-01"),
        lambda j: j.close_year("2024-12-31"),
        lambda j: j.sql("from balance"),
        lambda j: j.commit(),
        lambda j: j.declare(currency("GBP")),
        lambda j: j.open_account("Expenses:Fees:Data"),
        lambda j: j.mark("2024-02-01", {"ACME": 1.0}),
        lambda j: j.statement("2024-02-01"),
    ],
)
def test_a_closed_journal_takes_nothing_and_answers_nothing(
    tmp_path: Path, use: Callable[[Journal], object]
) -> None:
    journal = books(tmp_path / "books.duckdb")
    journal.close()
    content = (tmp_path / "books.duckdb").read_bytes()

    with pytest.raises(errors.JournalClosed, match=r"books\.duckdb is closed"):
        use(journal)
    assert journal.close() is None
    assert content == (tmp_path / "books.duckdb").read_bytes()


def test_a_run_performed_again_with_other_input_is_refused(tmp_path: Path) -> None:
    path = closed_books(tmp_path / "books.duckdb")

    with pytest.raises(errors.ReplayDiverged, match="another spec, input, strategy, seed or policy"):
        Journal.replay(path, [currency("USD")], Run(seed=1))


def test_a_run_performed_again_with_another_result_is_refused(tmp_path: Path) -> None:
    path = closed_books(tmp_path / "books.duckdb")
    again = Journal.replay(path, [currency("USD")], Run())
    again.post("2024-01-02", deposit, "USD", "999", note="start")

    with pytest.raises(errors.ReplayDiverged, match="block 0"):
        again.commit()
    with pytest.raises(errors.JournalClosed):
        again.close()
    Journal.open(path).close()


def test_every_refusal_of_the_core_is_in_the_gallery() -> None:
    source = Path(__file__).read_text("utf-8")
    elsewhere = {
        "DiskFull", "WriteFailed", "ReadOnly", "SealBroken", "UnknownRecords", "UnknownView",
        "ExportFailed", "OutOfBalance", "InvalidRecords", "TimeLimitReached", "Unexamined", "FileReplaced",
        "OpenedBeforeFork", "ForkedWithoutThreads", "InvalidAnchor", "InvalidKey", "InvalidNote",
        "UnsoundJournal",
    }  # fmt: skip
    classes = {
        name
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and kind.__module__ == errors.__name__
    }
    bases = {"TieoutError", "LedgerError", "StoreError", "TieoutWarning"}

    assert set() == {name for name in classes - bases - elsewhere if name not in source}
