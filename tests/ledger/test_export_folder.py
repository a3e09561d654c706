"""The folder of an export: new files only, no link followed, and nothing that no export wrote is touched."""

import errno
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

import duckdb
import numpy as np
import pyarrow.parquet as pq
import pytest
from beancount import loader
from typer.testing import CliRunner

from tests.support.text import HOSTILE
from tieout.ledger.application import application
from tieout.ledger.books.commodity import currency, instrument
from tieout.ledger.books.events import buy, deposit, sell
from tieout.ledger.errors import ExportFailed, LedgerError
from tieout.ledger.export import FORMATS, export, output, tables
from tieout.ledger.export.entries import Lots
from tieout.ledger.export.output import MANIFEST
from tieout.ledger.file.reader import Reader
from tieout.ledger.journal import Journal


def write(path: Path) -> Path:
    with Journal.create(path, [currency("USD", 2), instrument("ACME")]) as journal:
        journal.post("2024-01-02", deposit, "USD", 1000, note="=1+1")
        journal.post("2024-01-03T10:30:00.5", buy, "ACME", 3, 100, 1)
        journal.post("2024-01-04", sell, "ACME", 1, 40, note='two\nlines, "quoted"')
    return path


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("journal") / "books.duckdb")


@pytest.fixture
def reader(books: Path) -> Iterator[Reader]:
    with Reader(books) as opened:
        yield opened


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


# --- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize(
    "name", ["orders.csv", "transfer.parquet", "exact.beancount", "notes.txt", ".hidden"]
)
def test_a_folder_with_other_files_is_refused_and_stays(
    reader: Reader, tmp_path: Path, form: str, name: str
) -> None:
    (tmp_path / name).write_text("the only copy")

    with pytest.raises(
        ExportFailed, match="no finished export wrote or which was changed since; give a new or"
    ):
        export(reader, form, tmp_path)
    assert {name: b"the only copy"} == contents(tmp_path)


@pytest.mark.parametrize("form", FORMATS)
def test_the_remedy_is_a_new_folder(reader: Reader, tmp_path: Path, form: str) -> None:
    (tmp_path / "mine.txt").write_text("")
    with pytest.raises(ExportFailed, match="give a new or empty folder"):
        export(reader, form, tmp_path)
    (tmp_path / "empty").mkdir()

    for folder in (tmp_path / "empty", tmp_path / "new" / "deep"):
        assert all(path.is_file() for path in export(reader, form, folder))


def test_books_that_beancount_has_loaded_can_be_exported_again(reader: Reader, tmp_path: Path) -> None:
    first = [*export(reader, "beancount", tmp_path)]
    for path in first:  # as beancount does after a load that takes a second
        Path(loader.get_cache_filename(loader.PICKLE_CACHE_FILENAME, str(path))).write_bytes(b"kept")
    caches = {name: content for name, content in contents(tmp_path).items() if content == b"kept"}

    assert len(first) == len(caches) > 0
    assert first == [*export(reader, "beancount", tmp_path)]
    assert caches.items() <= contents(tmp_path).items()


def test_what_beancount_keeps_of_a_file_that_no_export_wrote_is_another_file(
    reader: Reader, tmp_path: Path
) -> None:
    export(reader, "csv", tmp_path)
    (tmp_path / ".mine.beancount.picklecache").write_text("")

    with pytest.raises(ExportFailed, match=r"holds \.mine\.beancount\.picklecache, which"):
        export(reader, "csv", tmp_path)


def test_many_other_files_are_counted(reader: Reader, tmp_path: Path) -> None:
    for name in "abcde":
        (tmp_path / name).write_text("")

    with pytest.raises(ExportFailed, match="holds a, b, c and 2 more, which"):
        export(reader, "csv", tmp_path)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("name", ["exact.beancount.partial", "account.csv.partial", "account.csv", MANIFEST])
@pytest.mark.parametrize("exists", [False, True])
def test_a_planted_link_is_not_followed(
    reader: Reader,
    tmp_path: Path,
    form: str,
    name: str,
    exists: bool,  # noqa: FBT001
) -> None:
    folder, target = tmp_path / "out", tmp_path / "target"
    folder.mkdir()
    if exists:
        target.write_text('{"files": {}}')
    (folder / name).symlink_to(target)

    with pytest.raises(ExportFailed, match="no finished export wrote"):
        export(reader, form, folder)
    assert exists == target.exists()
    assert [name] == [path.name for path in folder.iterdir()]


def test_a_link_that_appears_meanwhile_is_not_followed(
    reader: Reader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, target = tmp_path / "out", tmp_path / "target"
    folder.mkdir()
    survey = output._files_of_exports

    def plant(path: Path) -> object:
        files = survey(path)
        (path / "lots.beancount.partial").symlink_to(target)
        return files

    monkeypatch.setattr(output, "_files_of_exports", plant)

    with pytest.raises(ExportFailed, match="File exists"):
        export(reader, "beancount", folder)
    assert not target.exists()
    assert ["lots.beancount.partial"] == [path.name for path in folder.iterdir()]


@pytest.mark.parametrize("has_links", [True, False])
def test_a_file_that_appears_meanwhile_stays(
    reader: Reader,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    has_links: bool,  # noqa: FBT001
) -> None:
    def progress(count: int, total: int) -> None:
        if count == total:
            (tmp_path / "out" / "lots.beancount").write_text("mine")

    if not has_links:
        without_links(monkeypatch)
    with pytest.raises(ExportFailed, match=r"lots\.beancount cannot be written"):
        export(reader, "beancount", tmp_path / "out", progress)
    assert "mine" == (tmp_path / "out" / "lots.beancount").read_text()
    assert [] == [path for path in (tmp_path / "out").iterdir() if path.suffix == ".partial"]


def without_links(monkeypatch: pytest.MonkeyPatch) -> None:
    def link(*paths: Path) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM), *paths)

    monkeypatch.setattr(os, "link", link)


def test_a_file_system_without_hard_links_gets_the_same_files(
    reader: Reader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export(reader, "beancount", tmp_path / "first")
    without_links(monkeypatch)
    export(reader, "beancount", tmp_path / "second")

    assert contents(tmp_path / "first") == contents(tmp_path / "second")


def test_a_named_folder_may_be_a_link(reader: Reader, tmp_path: Path) -> None:
    (tmp_path / "place").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "place")

    export(reader, "hledger", tmp_path / "link")

    assert (tmp_path / "place" / "exact.hledger").is_file()


def test_a_default_folder_that_is_a_link_is_refused_with_its_remedy(tmp_path: Path) -> None:
    books = write(tmp_path / "books.duckdb")
    (tmp_path / "place").mkdir()
    (tmp_path / "books-hledger").symlink_to(tmp_path / "place")
    command = ["export", str(books), "--format", "hledger"]

    refusal = CliRunner().invoke(application(), command)
    remedy = CliRunner().invoke(application(), [*command, "--output", str(tmp_path / "books-hledger")])

    assert 2 == refusal.exit_code
    assert "books-hledger is a link; name the folder with --output" in refusal.stderr
    assert 0 == remedy.exit_code


# --- what is replaced ----------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMATS)
def test_an_export_replaces_an_earlier_one_and_keeps_other_formats(
    reader: Reader, tmp_path: Path, form: str
) -> None:
    other = next(name for name in FORMATS if name != form)
    export(reader, other, tmp_path / "out")
    first = export(reader, form, tmp_path / "out")
    before = contents(tmp_path / "out")

    second = export(reader, form, tmp_path / "out")

    assert first == second
    assert before == contents(tmp_path / "out")


@pytest.mark.parametrize("form", FORMATS)
def test_the_manifest_has_the_digest_of_each_file(reader: Reader, tmp_path: Path, form: str) -> None:
    paths = export(reader, form, tmp_path / "out")
    files = json.loads((tmp_path / "out" / MANIFEST).read_text())["files"]

    assert {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths} == files
    assert {*files, MANIFEST} == {path.name for path in (tmp_path / "out").iterdir()}


def test_files_that_the_later_export_does_not_have_are_removed(
    reader: Reader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "out"
    export(reader, "beancount", folder)
    export(reader, "csv", folder)
    queries = [*tables._queries(reader)]
    monkeypatch.setattr(tables, "_queries", lambda _: iter(queries[:2]))

    paths = export(reader, "csv", folder)

    names = {path.name for path in folder.iterdir()}
    assert {*(path.name for path in paths), MANIFEST, "exact.beancount", "lots.beancount"} == names
    assert {*names} - {MANIFEST} == {*json.loads((folder / MANIFEST).read_text())["files"]}


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("change", ["edit", "link", "folder"])
def test_a_file_that_was_changed_since_is_refused_and_stays(
    reader: Reader, tmp_path: Path, form: str, change: str
) -> None:
    path, *_ = export(reader, form, tmp_path / "out")
    content = path.read_bytes()
    path.unlink()
    if change == "edit":
        path.write_bytes(content + b"\n; my remark")
    elif change == "link":
        (tmp_path / "mine").write_bytes(content)
        path.symlink_to(tmp_path / "mine")
    else:
        path.mkdir()
    before = {each.name for each in (tmp_path / "out").iterdir()}

    with pytest.raises(ExportFailed, match=f"holds {path.name}, which .* changed since"):
        export(reader, form, tmp_path / "out")
    assert before == {each.name for each in (tmp_path / "out").iterdir()}
    if change != "folder":
        assert path.read_bytes().startswith(content)


def test_a_file_that_is_changed_meanwhile_is_refused_and_stays(reader: Reader, tmp_path: Path) -> None:
    exact, lots = export(reader, "hledger", tmp_path / "out")

    def progress(count: int, total: int) -> None:
        if count == total:
            lots.write_text("mine")

    with pytest.raises(ExportFailed, match=r"lots\.hledger was changed while the export ran"):
        export(reader, "hledger", tmp_path / "out", progress)
    assert "mine" == lots.read_text()
    assert exact.is_file()


def test_a_file_that_was_removed_is_written_again(reader: Reader, tmp_path: Path) -> None:
    first, second = export(reader, "hledger", tmp_path / "out")
    content = first.read_bytes()
    first.unlink()

    export(reader, "hledger", tmp_path / "out")

    assert content == first.read_bytes()
    assert second.is_file()


@pytest.mark.parametrize(
    "manifest",
    [
        "",
        "[]",
        "{}",
        '{"files": []}',
        '{"files": {"a": 1}}',
        "[" * 100_000,
        " " * (output.LARGEST_MANIFEST + 1),
        b"\xff\xfe",
    ],
    ids=[f"manifest {number}" for number in range(8)],
)
def test_a_manifest_that_no_export_wrote_is_another_file(
    reader: Reader, tmp_path: Path, manifest: str | bytes
) -> None:
    content = manifest.encode() if isinstance(manifest, str) else manifest
    (tmp_path / MANIFEST).write_bytes(content)

    with pytest.raises(ExportFailed, match=f"holds {MANIFEST}, which no finished export wrote"):
        export(reader, "csv", tmp_path)
    assert content == (tmp_path / MANIFEST).read_bytes()


def test_a_manifest_that_names_files_elsewhere_moves_nothing(reader: Reader, tmp_path: Path) -> None:
    copy = tmp_path / "mine.csv"
    copy.write_text("the only copy")
    digest = hashlib.sha256(copy.read_bytes()).hexdigest()
    (tmp_path / "out").mkdir()
    names = {"../mine.csv": digest, str(copy): digest}
    (tmp_path / "out" / MANIFEST).write_text(json.dumps({"files": names}))

    export(reader, "csv", tmp_path / "out")

    assert "the only copy" == copy.read_text()
    assert names.keys().isdisjoint(json.loads((tmp_path / "out" / MANIFEST).read_text())["files"])


# --- an export that fails ------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_an_export_that_is_stopped_leaves_the_earlier_one(
    reader: Reader, tmp_path: Path, form: str, error: type[BaseException]
) -> None:
    def stop(count: int, total: int) -> None:
        if count == total:
            raise error

    with pytest.raises(error):
        export(reader, form, tmp_path / "new", stop)
    export(reader, form, tmp_path / "out")
    before = contents(tmp_path / "out")
    with pytest.raises(error):
        export(reader, form, tmp_path / "out", stop)

    assert [] == [*(tmp_path / "new").iterdir()]
    assert before == contents(tmp_path / "out")


@pytest.mark.parametrize("form", FORMATS)
def test_a_full_disk_is_named_with_the_file(
    reader: Reader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    def fsync(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fsync)

    with pytest.raises(ExportFailed, match=f"{form} cannot be written: No space left on device"):
        export(reader, form, tmp_path / "out")
    assert [] == [*(tmp_path / "out").iterdir()]


# --- what is written -----------------------------------------------------------------------------


def test_csv_has_no_formula_and_quotes_what_needs_it(reader: Reader, tmp_path: Path) -> None:
    export(reader, "csv", tmp_path / "out")

    notes = (tmp_path / "out" / "note.csv").read_bytes()
    (first, second, *_) = (tmp_path / "out" / "txn.csv").read_text().splitlines()[1:]
    statements = (tmp_path / "out" / "run.csv").read_text()

    assert b'id,txn,text\n0,0,\'=1+1\n1,2,"two\nlines, ""quoted"""\n' == notes
    assert "0,2024-01-02 00:00:00," == first[:22]
    assert "1,2024-01-03 10:30:00.5," == second[:24]
    assert ',""' in statements or '"{' in statements


@pytest.mark.parametrize("rows", [1, 3, 100])
def test_batches_make_no_difference_to_csv(
    reader: Reader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    export(reader, "csv", tmp_path / "whole")
    monkeypatch.setattr(tables, "BATCH", rows)
    export(reader, "csv", tmp_path / "parts")

    assert contents(tmp_path / "whole") == contents(tmp_path / "parts")


@pytest.mark.parametrize("name", ["transfer", "txn", "general_ledger", "trial_balance"])
def test_csv_has_the_rows_of_duckdb_in_its_words(reader: Reader, tmp_path: Path, name: str) -> None:
    export(reader, "csv", tmp_path / "out")
    rows = dict(tables._queries(reader))[name]
    by_duckdb = tmp_path / "theirs.csv"
    with duckdb.connect() as other:
        other.register("answer", reader.connection.sql(rows).to_arrow_table())
        other.execute(f"copy (from answer) to '{by_duckdb}' (format csv)")

    by_export = (tmp_path / "out" / f"{name}.csv").read_bytes()
    assert by_duckdb.read_bytes() == by_export.replace(b"'=1+1", b"=1+1")


def test_parquet_has_a_row_group_for_each_batch(
    reader: Reader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    export(reader, "parquet", whole)
    monkeypatch.setattr(tables, "BATCH", 2)
    export(reader, "parquet", parts)

    assert 3 <= pq.ParquetFile(parts / "transfer.parquet").num_row_groups
    for path in whole.glob("*.parquet"):
        assert pq.read_table(path).equals(pq.read_table(parts / path.name))


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("form", FORMATS)
def test_hostile_text_stays_inside(books: Path, tmp_path: Path, form: str, text: str) -> None:
    forged = tmp_path / "forged.duckdb"
    forged.write_bytes(books.read_bytes())
    with duckdb.connect(str(forged)) as connection:
        connection.execute("update run set id = ?", [text])
        connection.execute("update note set text = ?", [text])
        connection.execute("update seal set digest = ?", [text])
        connection.execute("update account set path = path || replace(?, ':', ' ')", [text])
    folder = tmp_path / "in" / "out"

    with Reader(forged) as reader:
        export(reader, form, folder)

    assert {"forged.duckdb", "in"} == {path.name for path in tmp_path.iterdir()}
    assert [folder] == [*folder.parent.iterdir()]
    if form in {"beancount", "hledger"}:
        for path in folder.glob(f"*.{form}"):
            lines = path.read_text("utf-8").split("\n")
            starts = ("plugin", "include", 'option "insert', "account Assets\n", "=")
            assert [] == [line for line in lines if line.startswith(starts)]
            assert all(line.isprintable() for line in lines)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("update transfer set debit = 2147483647 where seq = 0", "account 2147483647, which is not there"),
        ("update transfer set credit = -1 where seq = 0", "account -1, which is not there"),
        ("update transfer set lot = 3000000000 where lot = 0", None),
        ("update transfer set lot = 77 where seq = (select max(seq) from transfer where lot = 0)", "lot"),
        ("alter table transfer alter lot type double", None),
        (
            "alter table txn alter order_id drop not null; update txn set order_id = null",
            "NULL as its order_id",
        ),
        (
            "alter table account alter path drop not null; update account set path = null where id = 0",
            "NULL as",
        ),
        ("update account set path = 'Assets' where id = 0", "'Assets' is no path of an account"),
        ("update account set path = 'x\nplugin \"a\":b' where id = 0", "is no path of an account"),
        ("update account set path = 'Equity:' where id = 0", "'Equity:' is no path of an account"),
        ("update account set commodity = 9 where id = 0", "that is not there"),
        ("update account set instrument = 9 where id = 30", "that is not there"),
        ("update account set id = 999 where id = 3", "the numbers of the table account are not 0, 1, 2"),
        ("delete from commodity", "that is not there"),
        ("update commodity set currency = 7 where id = 1", "NULL as its currency_number"),
        ("update commodity set symbol = 'x\ninclude a' where id = 1", "give a printable text"),
        ("update txn set id = 9 where id = 2", "the numbers of the table txn are not 0, 1, 2"),
        ("update txn set timestamp = 'infinity' where id = 2", "has the time 'infinity'"),
    ],
)
@pytest.mark.parametrize("form", ["beancount", "hledger"])
def test_a_damaged_journal_ends_in_a_sentence(
    books: Path, tmp_path: Path, form: str, change: str, sentence: str | None
) -> None:
    damaged = tmp_path / "damaged.duckdb"
    damaged.write_bytes(books.read_bytes())
    with duckdb.connect(str(damaged)) as connection:
        for statement in change.split("; "):
            connection.execute(statement)

    with Reader(damaged) as reader:
        if sentence is None:
            export(reader, form, tmp_path / "out")
            return
        with pytest.raises(LedgerError, match=sentence) as refusal:
            export(reader, form, tmp_path / "out")

    assert "verify the journal" in str(refusal.value) or "printable" in sentence
    assert [] == [*(tmp_path / "out").iterdir()]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("alter table transfer alter lot type double", "lot in lots is DOUBLE, not BIGINT"),
        ("update transfer set lot = 3000000000 where lot = 0", None),
        ("update account set instrument = 9 where instrument >= 0", "which is not there|that is not there"),
        ("update txn set timestamp = 'infinity'", "infinity|no day"),
        ("alter table account alter instrument drop not null; update account set instrument = null", "."),
        ("alter table txn alter timestamp drop not null; update txn set timestamp = null", "."),
    ],
)
@pytest.mark.parametrize("form", ["beancount", "hledger"])
def test_a_damaged_journal_in_place_ends_in_a_sentence(
    books: Path, tmp_path: Path, form: str, change: str, sentence: str | None
) -> None:
    damaged = tmp_path / "damaged.duckdb"
    damaged.write_bytes(books.read_bytes())
    with duckdb.connect(str(damaged)) as connection:
        for statement in change.split("; "):
            connection.execute(statement)

    with Reader.in_place(damaged) as reader:
        if sentence is None:
            export(reader, form, tmp_path / "out")
            return
        with pytest.raises(LedgerError, match=sentence):
            export(reader, form, tmp_path / "out")


def test_a_lot_that_was_never_opened_is_refused() -> None:
    numbers = np.arange(2)
    lots = Lots(numbers, numbers.astype("M8[D]"), numbers.astype(np.int32), numbers.astype(np.int8))

    assert 1 == lots[1].instrument
    with pytest.raises(ExportFailed, match="a transfer names lot 2, which was never opened"):
        lots[2]


def test_an_error_of_duckdb_is_explained_by_the_path_of_the_journal(tmp_path: Path) -> None:
    path = tmp_path / "books.duckdb"

    with pytest.raises(LedgerError, match=r"books\.duckdb: planted"), output.explain_damage(path):
        raise duckdb.ConversionException("planted")
