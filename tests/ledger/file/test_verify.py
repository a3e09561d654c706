"""Every check of the ledger: sound books pass it, a planted fault fails it, and empty books have none.

Faults are planted in a closed file with DuckDB alone, so the seals fail as well. The other checks have to
find them too, as they would if the fault had been sealed.
"""

import re
import shutil
from pathlib import Path

import duckdb
import numpy as np
import pytest

from tests.support.desk import two_weeks
from tieout.execution.records import RECORDS
from tieout.ledger.books.commodity import currency, instrument
from tieout.ledger.books.events import buy, deposit, futures_open, fx_trade, sell, short_sale
from tieout.ledger.file.reader import Reader
from tieout.ledger.file.schema import ledger_schema
from tieout.ledger.file.verify import FINDINGS_IN_FULL, Outcome, Result, verify
from tieout.ledger.journal import Journal

CHECKS = ["seals", *ledger_schema().checks, *RECORDS.checks]

# The check, the statements that plant the fault, and the finding of the check.
FAULTS = [
    (
        "balanced",
        "update transfer set debit = (select id from account where path = 'Assets:Cash:EUR') where seq = 0",
        r"transfer 0: Assets:Cash:EUR and Equity:Contributions; expected: two accounts of one commodity",
    ),
    ("balanced", "update transfer set credit = debit where seq = 0", r"transfer 0: Assets:Cash:USD and "),
    (
        "balanced",
        "update transfer set debit = (select id from account where path = 'Assets:Cash:EUR') where seq = 0",
        r"commodity USD: sum -100000\.0+; expected: sum 0",
    ),
    (
        "balanced",
        # Without the table's own constraint, which refuses it.
        (
            "create table bare as from transfer; drop table transfer; alter table bare rename to transfer; "
            "update transfer set debit = credit, credit = debit, amount = -amount where seq = 0"
        ),
        r"transfer 0: amount -100000000000; expected: above zero",
    ),
    ("cash", "update statement set cash = cash + 1", r"cash in USD: .*; expected: at hand 80012\.346681"),
    (
        "dense",
        "delete from transfer where seq = 3",
        r"transfer: number 4 of transaction 2; expected: number 3 ",
    ),
    ("dense", "delete from txn where id = 5", r"transaction: number 6; expected: number 5"),
    ("dense", "delete from txn where id = (select max(id) from txn)", r"transactions: 2\d have transfers"),
    ("dense", "delete from mark where id = 0", r"mark: number 1; expected: number 0"),
    ("dense", "delete from statement where id = 1", r"statement: number 2; expected: number 1"),
    ("dense", "delete from account where id = 9", r"account: number 10; expected: number 9"),
    ("dense", "delete from commodity where id = 1", r"commodity: number 2; expected: number 1"),
    ("dense", "delete from note where id = 0", r"note: number 1; expected: number 0"),
    ("dense", "update transfer set lot = lot + 1 where lot > 1", r"lot: number 3; expected: number 2"),
    ("dense", "update transfer set txn = 0 where txn = 1", r"transfer: number .* of transaction 2; expected"),
    (
        "references",
        "update transfer set debit = 9999 where seq = 2",
        r"transfer 2: account 9999; expected: in the chart",
    ),
    (
        "references",
        "update txn set kind = 200 where id = 3",
        r"transaction 3: kind 200; expected: a known kind",
    ),
    (
        "references",
        "update txn set instrument = 0 where id = 2",
        r"transaction 2: instrument 0; expected: a declared",
    ),
    (
        "references",
        "update txn set reverses = 9 where id = 2",
        r"transaction 2: reverses 9; expected: an earlier one",
    ),
    (
        "references",
        "update account set commodity = 99 where id = 1",
        r"account 1: commodity 99, instrument -1",
    ),
    (
        "references",
        "update account set path = 'Assets:Cash:USD' where id = 1",
        r"account Assets:Cash:USD: 2 in commodity 0",
    ),
    (
        "references",
        "update commodity set symbol = 'ACME'",
        r"instrument ACME: [2-9] of that symbol; expected: one",
    ),
    (
        "references",
        "update mark set instrument = 1 where id = 0",
        r"mark 0: instrument 1; expected: a declared instrument",
    ),
    (
        "references",
        "update statement set currency = 2 where id = 0",
        r"statement 0: currency 2, transaction 3",
    ),
    (
        "references",
        "update statement set txn = 999 where id = 0",
        r"statement 0: currency 0, transaction 999",
    ),
    (
        "references",
        "update note set txn = 999 where id = 0",
        r"note 0: transaction 999; expected: a posted transaction",
    ),
    (
        "lots",
        "update transfer set lot = -1 where lot = 0 and txn = 2",
        r"Assets:Positions:ACME: moved 1000000000 without",
    ),
    ("lots", "update transfer set lot = 5 where lot = 0 and txn = 2 ", r"lot 0: quantity -\d+, cost "),
    (
        "lots",
        "update transfer set amount = amount + 1 where seq = (select min(seq) + 1 from leg where lot = 1)",
        r"lot 1: .*no cost without quantity",
    ),
    (
        "overdraft",
        "update transfer set amount = 1000000 where seq = 0",
        r"transaction 2: Assets:Cash:USD at -1000000000; expected: not below 0",
    ),
    (
        "margin",
        (
            "update transfer set credit = (select min(id) from account where path = 'Trading:FX:EUR')"
            " where credit = (select id from account where path = 'Memo:Margin:Contra' and commodity = 1)"
        ),
        r"requirement in EUR: required and contra sum to 100\.0+; expected: 0",
    ),
    (
        "margin",
        (
            "update transfer set amount = amount + 1 where debit ="
            " (select id from account where path = 'Assets:Margin:ShortProceeds:CORK')"
        ),
        r"short sale of CORK: restricted 1; expected: at most 0",
    ),
    (
        "profit",
        "update statement set equity = equity + 1 where id = 4",
        r"statement 4 at 2024-01-04 .*: equity \d+",
    ),
    (
        "profit",
        "update statement set market_value = market_value - 1 where id = 0",
        r"statement 0 at 2024-01-02 ",
    ),
    (
        "statements",
        "update statement set cash = cash + 1 where id = 9",
        r"statement 9 at 2024-01-06 .*: cash 5008401",
    ),
    ("statements", "update statement set equity = equity - 1 where id = 3", r"statement 3 at 2024-01-03 "),
    (
        "statements",
        "update statement set market_value = 0 where id = 1",
        r"statement 1 at .*: cash 4949800, .*, market value 0",
    ),
    (
        "statements",
        "update statement set restricted = restricted + 1, receivable = receivable - 1 where id = 9",
        r"statement 9 at .*: .*restricted 1, receivable -1, .*; expected: .*restricted 0, receivable 0",
    ),
    (
        "statements",
        "update statement set liabilities = -1, cash = cash + 1 where id = 2",
        r"statement 2 at .*liabilities -1, ",
    ),
    (
        "statements",
        "update statement set session = session + interval 1 hour where id = 4",
        r"statement 4 at .*: session .*01:00:00; expected: midnight of a day",
    ),
    (
        "statements",
        "update statement set session = '2023-12-01' where id = 4",
        r"statement 4 at .*: session 2023-12-01.*; expected: midnight of a day that the statement is near",
    ),
    (
        "statements",
        "update statement set session = session - interval 2 day where id = 9",
        r"statement 9 at .*: session .*; expected: none before that of the statement before",
    ),
    ("statements", "delete from mark where id = 0", r"with 1 holdings marked, not 0"),
    ("statements", "update mark set price = 200 where id = 1", r"statement 1 at 2024-01-02 "),
    (
        "time",
        "update txn set timestamp = '2023-01-01' where id = 4",
        r"transaction 4: 2023-01-01 00:00:00; expected: not before",
    ),
    (
        "time",
        "update mark set timestamp = '2025-01-01' where id = 4",
        r"mark 5: 2024-01-04 00:00:00; expected: not before 2025",
    ),
    (
        "time",
        "update statement set timestamp = '2025-01-01' where id = 1",
        r"statement 2: .*; expected: not before 2025-01-01",
    ),
]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sound") / "books.duckdb"
    two_weeks(path).close()
    return path


def results(path: Path) -> dict[str, Result]:
    with Reader(path) as reader:
        return {result.name: result for result in verify(reader).results}


def planted(sound: Path, folder: Path, statements: str) -> Path:
    path = folder / "books.duckdb"
    shutil.copy(sound, path)
    with duckdb.connect(str(path)) as connection:
        connection.execute(statements)
    return path


def test_sound_books_pass_every_check_each_with_something_to_examine(sound: Path) -> None:
    by_name = results(sound)

    assert CHECKS == list(by_name)
    assert {Outcome.OK} == {result.outcome for result in by_name.values()}
    assert [] == [name for name, result in by_name.items() if result.examined == 0]
    assert [] == [name for name, result in by_name.items() if not result.title[0].islower()]
    assert [] == [name for name, result in by_name.items() if ". " in result.title.replace("...", "")]


def test_no_check_applies_to_books_without_entries(tmp_path: Path) -> None:
    path = tmp_path / "books.duckdb"
    Journal.create(path, schemas=[RECORDS]).close()
    by_name = results(path)

    assert Outcome.OK == by_name.pop("seals").outcome
    assert {Outcome.NOT_APPLICABLE} == {result.outcome for result in by_name.values()}


def test_checks_of_fills_do_not_apply_to_books_without_a_simulator(tmp_path: Path) -> None:
    path = tmp_path / "books.duckdb"
    with Journal.create(path, [currency("USD"), instrument("ACME")], schemas=[RECORDS]) as journal:
        journal.post(1, deposit, "USD", "1000")
        journal.post(2, buy, "ACME", "10", "500", settled=False)
    by_name = results(path)
    applicable = {name for name, result in by_name.items() if result.outcome is Outcome.OK}

    assert {"seals", "balanced", "cash", "dense", "references", "lots", "overdraft", "time"} == applicable
    assert not any(result.outcome is Outcome.FAILED for result in by_name.values())


def test_every_check_of_the_ledger_has_a_fault_that_it_finds() -> None:
    assert ledger_schema().checks.keys() == {check for check, _, _ in FAULTS}


def test_the_view_proof_has_the_findings_of_every_check_of_the_ledger() -> None:
    parts = re.findall(r"select '(\w+)'.*?\nfrom check_(\w+)", ledger_schema().views["proof"])

    assert sorted(ledger_schema().checks) == sorted(name for name, _ in parts)
    assert all(name == view for name, view in parts)


@pytest.mark.parametrize(
    ("check", "statements", "finding"), FAULTS, ids=[f"{check}-{n}" for n, (check, *_) in enumerate(FAULTS)]
)
def test_a_planted_fault_fails_its_check(
    sound: Path, tmp_path: Path, check: str, statements: str, finding: str
) -> None:
    result = results(planted(sound, tmp_path, statements))[check]

    assert Outcome.FAILED is result.outcome
    assert any(re.search(finding, text) for text in result.findings)


def test_of_many_findings_the_first_are_listed_and_all_are_counted(sound: Path, tmp_path: Path) -> None:
    result = results(planted(sound, tmp_path, "update statement set cash = cash + 1"))["statements"]

    assert FINDINGS_IN_FULL + 1 == len(result.findings)
    assert f"and {10 - FINDINGS_IN_FULL} more" == result.findings[-1]


FAULT = "update transfer set credit = debit, lot = -1 where seq = 9; update statement set equity = 0"


@pytest.fixture(scope="module")
def seeing(sound: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Result], ...]:
    """The results for the sound books, and for books with a fault."""
    return results(sound), results(planted(sound, tmp_path_factory.mktemp("faulty"), FAULT))


@pytest.mark.parametrize(
    "blinding",
    [
        "create or replace view check_balanced as select subject, actual, expected from check_time limit 0",
        "create or replace view leg as select seq, txn, debit as account, amount, lot from transfer",
        "create or replace view unit as select scale, 1 as value, 1 as per_one from commodity",
        "create or replace view proof as select 'none' as name, * from check_time limit 0",
        "create macro sum(a) as 0",
        "create macro count_star() as 0",
        "create macro round_even(a, b) as 0",
        "create macro sign(a) as 0",
    ],
)
def test_views_and_functions_in_the_file_do_not_blind_its_checks(
    sound: Path, tmp_path: Path, seeing: tuple[dict[str, Result], ...], blinding: str
) -> None:
    before, after = seeing
    (tmp_path / "sound").mkdir()

    assert before == results(planted(sound, tmp_path / "sound", blinding))
    assert Outcome.FAILED is after["balanced"].outcome
    assert after == results(planted(sound, tmp_path, f"{FAULT}; {blinding}"))


# --- statements ------------------------------------------------------------------------------------------


def failed(path: Path) -> list[Result]:
    return [result for result in results(path).values() if result.outcome is Outcome.FAILED]


def lines(path: Path) -> list[tuple[int, int, int]]:
    """Return cash, market value and equity of every statement, after a check against the derived ones."""
    with Reader(path) as reader:
        claimed = reader.sql("select cash, market_value, equity from statement order by id").rows()
        derived = reader.sql("select cash, market_value, equity from statement_derived order by id").rows()
    assert claimed == derived
    return [(row["cash"], row["market_value"], row["equity"]) for row in claimed]


def test_statements_value_the_holdings_in_each_currency_after_any_event(tmp_path: Path) -> None:
    path = tmp_path / "books.duckdb"
    commodities = [
        currency("USD", 2),
        currency("EUR", 0),
        instrument("ACME", scale=0),
        instrument("BOLT", scale=1),
    ]
    commodities += [instrument("CORK", currency="EUR", scale=0), instrument("ES", scale=0, multiplier=50)]
    with Journal.create(path, commodities) as journal:
        journal.statement(0)  # before anything is posted
        journal.post(1, deposit, "USD", "10000")
        journal.statement(1)
        journal.post(2, fx_trade, "EUR", "1000", "USD", "1100")
        journal.post(2, buy, "ACME", "10", "1000", "1")
        journal.mark(2, {"ACME": 101.0})
        journal.statement(2)
        journal.statement(2)  # the same again
        journal.post(3, sell, "ACME", "10", "1010", "1")
        journal.post(3, short_sale, "CORK", "5", "100")
        journal.mark(3, {"CORK": 21.0})
        journal.statement(3)
        journal.post(4, buy, "BOLT", "2.5", "50", settled=False)  # here and gone between two statements
        journal.post(4, sell, "BOLT", "2.5", "55", settled=False)
        journal.post(4, futures_open, "ES", "1", "500", "2")
        journal.statement(5)  # the short sale at its last price
    lines_expected = [
        (0, 0, 0), (0, 0, 0),
        (1_000_000, 0, 1_000_000), (0, 0, 0),
        (789_900, 101_000, 890_900), (1_000, 0, 1_000),
        (789_900, 101_000, 890_900), (1_000, 0, 1_000),
        (890_800, 0, 890_800), (1_000, -105, 995),
        (840_600, 0, 891_100), (1_000, -105, 995),
    ]  # fmt: skip

    assert lines_expected == lines(path)
    assert [] == failed(path)
    assert 12 == results(path)["profit"].examined


def test_an_account_that_a_user_opened_counts_under_any_name(tmp_path: Path) -> None:
    path = tmp_path / "books.duckdb"
    with Journal.create(path, [currency("USD", 0), instrument("ACME")]) as journal:
        journal.open_account("Assets:Stamps:Valuation")
        journal.post(1, deposit, "USD", "100")
        with journal.transaction(1) as transaction:
            transaction.transfer("Assets:Stamps:Valuation", "Assets:Cash:USD", "30")
        journal.statement(1)

    assert [(70, 0, 100)] == lines(path)
    assert [] == failed(path)


def test_many_days_of_statements_are_each_tied_to_their_own_marks(tmp_path: Path) -> None:
    path = tmp_path / "books.duckdb"
    days = np.arange(1, 40)
    with Journal.create(path, [currency("USD", 2), instrument("ACME", scale=0)]) as journal:
        journal.post(0, deposit, "USD", "100000")
        for day in days.tolist():
            event = buy if day % 2 else sell  # held on odd days only
            journal.post(day, event, "ACME", "10", str(10 * day))
            journal.mark(day, {"ACME": day + 0.5})
            journal.statement(day)

    assert [1_000 * day + 500 if day % 2 else 0 for day in days.tolist()] == [
        value for _, value, _ in lines(path)
    ]
    assert [] == failed(path)
