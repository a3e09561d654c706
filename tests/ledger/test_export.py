"""Exports: names that can be read back, the two layers, and what outsiders say of them."""

import json
import os
import re
import subprocess
from collections.abc import Iterable, Iterator
from decimal import Decimal
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest
from beancount import loader
from beancount.core import account as beancount_account
from beancount.core.amount import CURRENCY_RE
from beancount.core.data import Price, Transaction
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.text import HOSTILE, restored
from tieout.ledger.books.commodity import SYMBOL, currency, instrument
from tieout.ledger.books.events import buy, cash_in_lieu, cover, deposit, sell, short_sale, split
from tieout.ledger.errors import ExportFailed
from tieout.ledger.export import FORMATS, export
from tieout.ledger.export.names import CURRENCIES, PARTS, QUOTED, Alphabet
from tieout.ledger.file.reader import Reader
from tieout.ledger.file.run import Policies, Run
from tieout.ledger.journal import Journal
from tieout.validation.evidence import outsiders
from tieout.validation.evidence.sample import sample

PART = st.text(min_size=1).filter(lambda text: ":" not in text and text.strip() == text)
SYMBOLS = st.from_regex(SYMBOL, fullmatch=True)
ROOTS = ("Assets", "Liabilities", "Equity", "Income", "Expenses", "Market", "Trading", "Memo")
PATHS = st.tuples(
    st.sampled_from(ROOTS),
    st.lists(PART | st.sampled_from(ROOTS), min_size=1, max_size=3),
).map(lambda path: ":".join((path[0], *path[1])))


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    """A journal small enough to be read as a whole."""
    path = tmp_path / "books.duckdb"
    with Journal.create(path, [currency("USD", 2), instrument("brk.b", scale=1)]) as journal:
        journal.post("2024-01-02", deposit, "USD", 1000, note='the "start"; all of it')
        journal.post("2024-01-03T15:30", buy, "brk.b", 3, 100, 1)
        with journal.transaction("2024-01-04", order_id=4, fill_id=5) as transaction:
            transaction.book(sell, "brk.b", 1, 40)
        journal.post("2024-01-05", split, "brk.b", 2, 1)
        journal.reverse(3, "2024-01-05")
        journal.post("2024-01-08", sell, "brk.b", 1, 40)
        journal.post("2024-01-09", sell, "brk.b", 1, 40)
        journal.post("2024-01-09", short_sale, "brk.b", 2, 80)
        journal.post("2024-01-10", cover, "brk.b", 1, 30)
    with Reader(path) as opened:
        yield opened


# --- names ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("alphabet", "name", "text"),
    [
        (PARTS, "ACME", "ACME"),
        (PARTS, "BRK.B", "BRK-2EZB"),
        (PARTS, "brk.b", "X-Zbrk-2EZb"),
        (PARTS, "BTC-USD", "BTC--USD"),
        (PARTS, "X-Zbrk", "X--Zbrk"),
        (PARTS, "data feed", "X-Zdata-20Zfeed"),
        (CURRENCIES, "BRK.B", "BRK.B"),
        (CURRENCIES, "brk.b", "X'Z'62Z'72Z'6BZ.'62Z"),
        (CURRENCIES, "TRUE", "X'ZTRUE"),
        (CURRENCIES, "X'ZTRUE", "X''ZTRUE"),
        (CURRENCIES, "A.", "A'2EZ"),
        (QUOTED, "brk.b", "brk.b"),
        (QUOTED, "a;b", "a\\3BZb"),
        (QUOTED, "Müller", "M\\FCZller"),
    ],
)
def test_a_name_is_written_as_the_tool_takes_it(alphabet: Alphabet, name: str, text: str) -> None:
    assert text == alphabet.escape(name)
    assert name == alphabet.unescape(text)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("Market:ACME", "Equity:Market:ACME"),
        ("Equity:Market:ACME", "Equity:X-ZMarket:ACME"),
        ("Memo:Margin:Required", "Equity:Memo:Margin:Required"),
        ("Assets:Market", "Assets:Market"),
    ],
)
def test_contra_accounts_stand_under_equity_apart_from_those_there(path: str, text: str) -> None:
    assert text == PARTS.path(path)
    assert path == PARTS.unpath(text)


@given(SYMBOLS)
def test_every_symbol_is_a_currency_of_beancount_and_can_be_read_back(symbol: str) -> None:
    text = CURRENCIES.escape(symbol)

    assert re.fullmatch(CURRENCY_RE, text)
    assert text not in {"TRUE", "FALSE", "NULL"}
    assert symbol == CURRENCIES.unescape(text)


@given(PATHS)
def test_every_path_is_an_account_of_beancount_and_can_be_read_back(path: str) -> None:
    text = PARTS.path(path)

    assert beancount_account.is_valid(text)
    assert text.isascii()
    assert path == PARTS.unpath(text)


@given(PATHS)
def test_every_path_is_plain_text_for_hledger_and_can_be_read_back(path: str) -> None:
    text = QUOTED.path(path)

    assert re.fullmatch(r'[^\s;"]+', text, re.ASCII)
    assert text.isprintable()
    assert path == QUOTED.unpath(text)


# --- texts ---------------------------------------------------------------------------------------

BEANCOUNT_LOTS = """
2024-01-02 * "deposit" "the \\"start\\"; all of it"
  txn: 0
  time: "2024-01-02T00:00:00"
  Assets:Cash:USD  1000.00 USD
  Equity:Contributions  -1000.00 USD

2024-01-03 * "buy" ""
  txn: 1
  time: "2024-01-03T15:30:00"
  Assets:Positions:X-Zbrk-2EZb  3.0 X'Z'62Z'72Z'6BZ.'62Z {{100.00 USD, 2024-01-03, "0"}}
  Assets:Cash:USD  -100.00 USD
  Expenses:Commissions  1.00 USD
  Assets:Cash:USD  -1.00 USD

2024-01-04 * "sell" ""
  txn: 2
  time: "2024-01-04T00:00:00"
  order: 4
  fill: 5
  Assets:Positions:X-Zbrk-2EZb  -3.0 X'Z'62Z'72Z'6BZ.'62Z {2024-01-03, "0"}
  Assets:Positions:X-Zbrk-2EZb  2.0 X'Z'62Z'72Z'6BZ.'62Z {{66.67 USD, 2024-01-03, "0"}}
  Assets:Cash:USD  40.00 USD
  Income:Realised:X-Zbrk-2EZb  -6.67 USD

2024-01-05 * "split" ""
  txn: 3
  time: "2024-01-05T00:00:00"
  Assets:Positions:X-Zbrk-2EZb  -2.0 X'Z'62Z'72Z'6BZ.'62Z {2024-01-03, "0"}
  Assets:Positions:X-Zbrk-2EZb  4.0 X'Z'62Z'72Z'6BZ.'62Z {{66.67 USD, 2024-01-03, "0"}}
"""

HLEDGER_SHORT = """
2024-01-09 (7) short_sale
    ; time:2024-01-09T00:00:00
    Liabilities:Short:brk.b  -2.0 "brk.b" @@ 80.00 USD  ; lot:1, opened:2024-01-09
    Assets:Cash:USD  80.00 USD
    Assets:Margin:ShortProceeds:brk.b  80.00 USD
    Assets:Cash:USD  -80.00 USD

2024-01-10 (8) cover
    ; time:2024-01-10T00:00:00
    Liabilities:Short:brk.b  1.0 "brk.b" @@ 40.00 USD  ; lot:1, opened:2024-01-09
    Assets:Cash:USD  40.00 USD
    Assets:Margin:ShortProceeds:brk.b  -40.00 USD
    Assets:Cash:USD  -30.00 USD
    Income:Realised:brk.b  -10.00 USD
"""

HLEDGER_EXACT = """
2024-01-02 (0) deposit | the "start"\\3BZ all of it
    ; time:2024-01-02T00:00:00
    Assets:Cash:USD  1000.00 USD
    Equity:Contributions  -1000.00 USD

2024-01-03 (1) buy
    ; time:2024-01-03T15:30:00
    Assets:Positions:brk.b  3.0 "brk.b"
    Equity:Market:brk.b  -3.0 "brk.b"
    Assets:Positions:brk.b  100.00 USD
    Assets:Cash:USD  -100.00 USD
    Expenses:Commissions  1.00 USD
    Assets:Cash:USD  -1.00 USD
"""


@pytest.mark.parametrize(
    ("form", "layer", "part"),
    [
        ("beancount", 1, BEANCOUNT_LOTS),
        ("hledger", 0, HLEDGER_EXACT),
        ("hledger", 1, HLEDGER_SHORT),
    ],
)
def test_a_layer_reads_as_a_bookkeeper_would_write_it(
    reader: Reader, tmp_path: Path, form: str, layer: int, part: str
) -> None:
    text = export(reader, form, tmp_path / "out")[layer].read_text("utf-8")

    assert part in text


@pytest.mark.parametrize("form", ["beancount", "hledger"])
def test_a_file_says_which_journal_it_is(reader: Reader, tmp_path: Path, form: str) -> None:
    (digest,) = reader.sql("select digest from seal order by block desc limit 1").rows()

    for path in export(reader, form, tmp_path / "out"):
        first, second, *_ = path.read_text("utf-8").splitlines()

        assert f"; tieout journal {reader.run['id']}, {path.stem} layer" == first
        assert f"; head digest {digest['digest']}" == second


@settings(max_examples=10)
@given(st.lists(st.text(), min_size=1, max_size=20))
def test_any_note_is_the_narration(tmp_path_factory: pytest.TempPathFactory, notes: list[str]) -> None:
    folder = tmp_path_factory.mktemp("notes")
    with Journal.create(folder / "books.duckdb", [currency("USD")]) as journal:
        for note in notes:
            journal.post("2024-01-02", deposit, "USD", 1, note=note)
    with Reader(folder / "books.duckdb") as reader:
        exact, _ = export(reader, "beancount", folder / "out")

    entries, errors, _ = loader.load_file(str(exact))

    assert [] == errors
    assert notes == [restored(entry.narration or "") for entry in entries if isinstance(entry, Transaction)]


@pytest.mark.outsiders
def test_any_note_is_the_description_in_hledger(tmp_path: Path) -> None:
    notes = [
        "a | b",
        " two  spaces ",
        "; date:2020-01-01",
        "\\",
        "(1) *",
        "=1",
        "\u2028é\u202e\xa0",
        *HOSTILE,
    ]
    with Journal.create(tmp_path / "books.duckdb", [currency("USD")]) as journal:
        for note in notes:
            journal.post("2024-01-02", deposit, "USD", 1, note=note)
    with Reader(tmp_path / "books.duckdb") as reader:
        exact, _ = export(reader, "hledger", tmp_path / "out")

    command = ["hledger", "-f", str(exact), "print", "-O", "json"]
    printed = subprocess.run(command, capture_output=True, check=True, env=os.environ | {"LC_ALL": "C.UTF-8"})
    descriptions = [entry["tdescription"] for entry in json.loads(printed.stdout)]

    assert notes == [QUOTED.unescape(text.removeprefix("deposit | ")) for text in descriptions]


def differences(comparisons: Iterable[outsiders.Comparison]) -> list[str]:
    return [line for comparison in comparisons for line in comparison.differences]


# --- judges --------------------------------------------------------------------------------------


@pytest.mark.parametrize("relief", ["fifo", "lifo", "hifo", "average"])
def test_beancount_agrees_to_the_last_digit(tmp_path: Path, relief: str) -> None:
    sample(tmp_path / "books.duckdb", 300, relief=relief)

    comparisons = outsiders.compare(tmp_path / "books.duckdb", tmp_path / "out", ["beancount"])

    assert [] == differences(comparisons)
    assert all(comparison.books for comparison in comparisons)


@pytest.mark.outsiders
@pytest.mark.parametrize("relief", ["fifo", "lifo", "hifo", "average"])
def test_hledger_agrees_to_the_last_digit(tmp_path: Path, relief: str) -> None:
    sample(tmp_path / "books.duckdb", 300, relief=relief)

    comparisons = outsiders.compare(tmp_path / "books.duckdb", tmp_path / "out", ["hledger"])

    assert [] == differences(comparisons)
    assert all(comparison.books for comparison in comparisons)


def test_lots_agree_that_were_named_split_to_nothing_and_had_no_cost(tmp_path: Path) -> None:
    books = tmp_path / "books.duckdb"
    run = Run(policies=Policies(relief="specific"))
    with Journal.create(books, [currency("USD"), instrument("ACME", scale=0)], run) as journal:
        journal.post("2024-01-02", deposit, "USD", 1000)
        for quantity, gross in ((3, 100), (1, 0), (7, 50), (2, 5)):
            journal.post("2024-01-03", buy, "ACME", quantity, gross)
        journal.post("2024-01-04", sell, "ACME", 2, 30, lot=2)
        journal.post("2024-01-04", sell, "ACME", 1, 30, lot=3)
        journal.reverse(6, "2024-01-05")
        journal.post("2024-01-05", split, "ACME", 1, 3)
        with journal.transaction("2024-01-06") as transaction:
            transaction.book(split, "ACME", 5, 1)
            transaction.book(cash_in_lieu, "ACME", 1, 9)

    comparisons = outsiders.compare(books, tmp_path / "out", ["beancount"])

    assert [] == differences(comparisons)


def test_an_instrument_called_like_its_currency_is_another_commodity_there(tmp_path: Path) -> None:
    books = tmp_path / "books.duckdb"
    with Journal.create(books, [currency("USD"), instrument("USD", scale=0)]) as journal:
        journal.post("2024-01-02", deposit, "USD", 1000)
        journal.post("2024-01-03", buy, "USD", 3, 30)
        journal.post("2024-01-04", sell, "USD", 1, 15)
    with Reader(books) as reader:
        _, path = export(reader, "beancount", tmp_path / "out")
        (_, text) = export(reader, "hledger", tmp_path / "out")

    entries, errors, _ = loader.load_file(str(path))
    postings = [posting for entry in entries if isinstance(entry, Transaction) for posting in entry.postings]
    sums: dict[str, Decimal] = {}
    for posting in postings:
        if posting.account == "Assets:Positions:USD" and posting.units is not None:
            currency_of = posting.units.currency
            sums[currency_of] = sums.get(currency_of, Decimal(0)) + (posting.units.number or 0)
    assert [] == errors
    assert {"X'ZUSD": 2} == sums
    assert 'commodity 1. "X\\ZUSD"' in text.read_text("utf-8")


PLANTED = [
    ("exact", "  Assets:Cash:USD  40.00 USD", "  Assets:Cash:USD  40.01 USD"),
    ("exact", "  Assets:Cash:USD  -1.00 USD", "  Assets:Positions:X-Zbrk-2EZb  -1.00 USD"),
    ("lots", "{{100.00 USD", "{{100.01 USD"),
    ("lots", '{2024-01-03, "0"}', '{2024-01-03, "1"}'),
    ("lots", '{{80.00 USD, 2024-01-09, "1"}}', '{{80.00 USD, 2024-01-08, "1"}}'),
    ("lots", "  3.0 X'Z'62Z'72Z'6BZ.'62Z {{", "  3.1 X'Z'62Z'72Z'6BZ.'62Z {{"),
]


@pytest.mark.parametrize(("layer", "right", "wrong"), PLANTED)
def test_a_planted_fault_is_seen_by_beancount(
    reader: Reader, tmp_path: Path, layer: str, right: str, wrong: str
) -> None:
    (path,) = (path for path in export(reader, "beancount", tmp_path / "out") if path.stem == layer)
    text, books = path.read_text("utf-8"), outsiders.Books.of(reader)
    before = differences(outsiders.beancount(books, path))
    path.write_text(text.replace(right, wrong, 1), "utf-8")
    after = differences(outsiders.beancount(books, path))

    assert right in text
    assert [] == before
    assert after


@pytest.mark.outsiders
@pytest.mark.parametrize(
    ("layer", "right", "wrong"),
    [
        ("exact", "Assets:Cash:USD  40.00 USD", "Assets:Cash:USD  40.01 USD"),
        ("exact", "Assets:Cash:USD  -1.00 USD", "Assets:Positions:brk.b  -1.00 USD"),
        ("lots", '"brk.b" @@ 100.00 USD', '"brk.b" @@ 100.01 USD'),
        ("lots", "lot:0", "lot:1"),
    ],
)
def test_a_planted_fault_is_seen_by_hledger(
    reader: Reader, tmp_path: Path, layer: str, right: str, wrong: str
) -> None:
    (path,) = (path for path in export(reader, "hledger", tmp_path / "out") if path.stem == layer)
    text, books = path.read_text("utf-8"), outsiders.Books.of(reader)
    before = differences(outsiders.hledger(books, path))
    path.write_text(text.replace(right, wrong, 1), "utf-8")
    after = differences(outsiders.hledger(books, path))

    assert right in text
    assert [] == before
    assert after


# --- journals that are not sound ---


@pytest.mark.parametrize(
    ("tampering", "finding"),
    [
        ("update transfer set txn = 99 where seq = 1", "1 transfers belong to no transaction"),
        ("update transfer set txn = 5 where seq = 1", "are out of order"),
        ("update transfer set amount = 2 where lot = 1 and amount = 1333", "lot 1 has cost without units"),
    ],
)
def test_books_that_are_no_whole_transactions_are_refused(
    tmp_path: Path, tampering: str, finding: str
) -> None:
    books = tmp_path / "books.duckdb"
    with Journal.create(books, [currency("USD", 2), instrument("ACME", scale=0)]) as journal:
        journal.post("2024-01-02", deposit, "USD", 1000)
        for _ in range(3):
            journal.post("2024-01-03", buy, "ACME", 1, 10)
        journal.post("2024-01-04", sell, "ACME", 3, 40)
    with duckdb.connect(books) as connection:
        connection.execute(tampering)

    with Reader(books) as opened, pytest.raises(ExportFailed, match=finding):
        export(opened, "beancount", tmp_path / "out")
    assert [] == [path for path in (tmp_path / "out").iterdir() if "lots" in path.name]


def test_a_lot_opened_and_closed_at_once_leaves_no_posting(tmp_path: Path) -> None:
    books = tmp_path / "books.duckdb"
    with Journal.create(books, [currency("USD"), instrument("ACME")]) as journal:
        journal.post("2024-01-02", deposit, "USD", 1000)
        with journal.transaction("2024-01-03") as transaction:
            transaction.book(buy, "ACME", 3, 100)
            transaction.book(sell, "ACME", 3, 110)

    comparisons = outsiders.compare(books, tmp_path / "out", ["beancount"])

    assert [] == differences(comparisons)
    assert "{{" not in (tmp_path / "out" / "lots.beancount").read_text("utf-8")


# --- tables --------------------------------------------------------------------------------------


@pytest.mark.parametrize("view", ["trial_balance", "general_ledger", "lot", "cash_flow", "posting"])
def test_a_statement_in_parquet_is_the_statement(reader: Reader, tmp_path: Path, view: str) -> None:
    export(reader, "parquet", tmp_path / "out")

    rows = pq.read_table(tmp_path / "out" / f"{view}.parquet").to_pylist()

    assert rows
    assert sorted(map(str, reader.view(view).rows())) == sorted(map(str, rows))


def test_amounts_in_csv_are_exact_text(reader: Reader, tmp_path: Path) -> None:
    export(reader, "csv", tmp_path / "out")

    header, *lines = (tmp_path / "out" / "trial_balance.csv").read_text("utf-8").splitlines()

    assert "account,commodity,debit,credit" == header
    assert "Income:Realised:brk.b,USD,0.000000000000,30.000000000000" in lines


@pytest.mark.parametrize("form", ["parquet", "csv"])
def test_every_table_and_statement_has_a_file(reader: Reader, tmp_path: Path, form: str) -> None:
    names = {path.stem for path in export(reader, form, tmp_path / form)}

    assert {*names, "tieout-export"} == {path.stem for path in (tmp_path / form).iterdir()}
    assert {*reader.layout, "run", "seal", "provenance"} <= names
    assert {"balance_sheet", "income_statement", "position", "proof"} <= names


# --- all formats ---------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMATS)
def test_the_same_journal_gives_the_same_bytes(tmp_path: Path, form: str) -> None:
    sample(tmp_path / "books.duckdb", 300)
    with Reader(tmp_path / "books.duckdb") as opened:
        first = export(opened, form, tmp_path / "first")
        opened.view("trial_balance", at="2020-01-01")
        second = export(opened, form, tmp_path / "second")

    assert [path.name for path in first] == [path.name for path in second]
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


@pytest.mark.parametrize("form", FORMATS)
def test_progress_ends_where_all_is_done(reader: Reader, tmp_path: Path, form: str) -> None:
    steps: list[tuple[int, int]] = []

    export(reader, form, tmp_path / "out", lambda count, total: steps.append((count, total)))

    assert steps[-1][0] == steps[-1][1] > 0


@pytest.mark.parametrize("form", FORMATS)
def test_a_folder_that_is_a_file_is_refused(reader: Reader, tmp_path: Path, form: str) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(ExportFailed, match="file cannot be written"):
        export(reader, form, tmp_path / "file")


@pytest.mark.parametrize("form", FORMATS)
def test_a_file_that_is_a_folder_is_refused(reader: Reader, tmp_path: Path, form: str) -> None:
    for path in export(reader, form, tmp_path / "out"):
        path.unlink()
        path.mkdir()

    with pytest.raises(ExportFailed, match="which no finished export wrote"):
        export(reader, form, tmp_path / "out")


def test_an_unknown_format_is_refused(reader: Reader, tmp_path: Path) -> None:
    with pytest.raises(ExportFailed, match="no format 'ledger'; there are beancount, hledger"):
        export(reader, "ledger", tmp_path / "out")


def test_a_missing_judge_is_named_with_its_remedy(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "")

    assert 2 == outsiders.main([])
    assert "hledger is missing. Install it with: apt-get install hledger" in capsys.readouterr().out


def test_the_last_mark_of_a_day_is_a_price_of_one_unit(tmp_path: Path) -> None:
    books = tmp_path / "books.duckdb"
    commodities = [currency("USD"), instrument("ACME"), instrument("ES", multiplier=50)]
    marks = {"2024-01-02T10:00": 10.5, "2024-01-02T16:00": 11.1, "2024-01-03T16:00": 12.0}
    with Journal.create(books, commodities) as journal:
        journal.post("2024-01-02", deposit, "USD", 1000)
        journal.post("2024-01-02", buy, "ACME", 3, 30)
        for moment, price in marks.items():
            journal.mark(moment, {"ACME": price, "ES": 4000.25})
            journal.statement(moment)
    with Reader(books) as reader:
        beancount_path = export(reader, "beancount", tmp_path / "out")[1]
        hledger_path = export(reader, "hledger", tmp_path / "out")[1]

    entries, errors, _ = loader.load_file(str(beancount_path))
    prices = [(str(e.date), e.currency, e.amount.number) for e in entries if isinstance(e, Price)]
    assert [] == errors
    assert [
        ("2024-01-02", "ACME", Decimal("11.1")),
        ("2024-01-02", "ES", Decimal("200012.5")),
        ("2024-01-03", "ACME", Decimal(12)),
        ("2024-01-03", "ES", Decimal("200012.5")),
    ] == sorted(prices)
    assert "P 2024-01-02 ACME 11.1 USD\nP 2024-01-02 ES 200012.5 USD\n" in hledger_path.read_text("utf-8")


@pytest.mark.parametrize(
    "mark",
    [
        "update mark set price = 'NaN'::double",
        "update mark set price = -1",
        "update mark set instrument = 9",
    ],
)
def test_a_mark_that_is_no_price_is_refused(tmp_path: Path, mark: str) -> None:
    books = tmp_path / "books.duckdb"
    with Journal.create(books, [currency("USD"), instrument("ACME")]) as journal:
        journal.post("2024-01-02", deposit, "USD", 1000)
        journal.mark("2024-01-02", {"ACME": 10.0})
    with duckdb.connect(str(books)) as connection:
        connection.execute(mark)
    with Reader(books) as reader, pytest.raises(ExportFailed, match="is no price of an instrument"):
        export(reader, "beancount", tmp_path / "out")
