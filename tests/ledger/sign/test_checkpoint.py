"""Signed journals, by the command and below it."""

import shutil
from base64 import b64encode
from pathlib import Path
from typing import NamedTuple

import duckdb
import pytest
from typer.testing import CliRunner, Result

from tests.ledger.sign import vectors
from tieout import Journal, currency, deposit
from tieout.ledger.application import application
from tieout.ledger.errors import InvalidKey, InvalidNote, UnsoundJournal
from tieout.ledger.file.reader import Reader
from tieout.ledger.file.run import Run
from tieout.ledger.file.verify import Report, verify
from tieout.ledger.sign import checkpoint, keys, note
from tieout.ledger.sign.keys import PrivateKey

JANE = PrivateKey("example.com/jane", bytes(range(32)))


class Folder(NamedTuple):
    """A signed journal of three blocks, its note and the keys."""

    run: Path
    note: Path
    key: Path
    pub: Path


def tieout(*arguments: str | Path) -> Result:
    return CliRunner().invoke(application(), [str(argument) for argument in arguments])


def printed(*arguments: str | Path) -> str:
    result = tieout(*arguments)

    assert (0, "") == (result.exit_code, result.stderr)
    return result.stdout


def refusal(*arguments: str | Path) -> str:
    result = tieout(*arguments)

    assert 2 == result.exit_code
    return " ".join(result.stderr.replace("│", " ").split())


def finding(*arguments: str | Path) -> str:
    """Return what `verify` prints about a file that differs from its note."""
    result = tieout(*arguments)

    assert (1, "") == (result.exit_code, result.stderr)
    assert "signed by" not in result.stdout
    return " ".join(result.stdout.split())


def deposits(path: Path, days: int) -> Path:
    with Journal.create(path, [currency("USD")]) as journal:
        deposit_daily(journal, 1, days)
    return path


def deposit_daily(journal: Journal, first: int, last: int) -> None:
    for day in range(first, last + 1):
        journal.post(f"2024-03-{day:02}", deposit, "USD", "100")
        journal.commit()


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    run, key = deposits(tmp_path / "run.duckdb", 3), tmp_path / "jane.key"
    printed("sign", run, "--key", key, "--new-key", "--origin", JANE.name)
    return Folder(run, tmp_path / "run.duckdb.note", key, tmp_path / "jane.key.pub")


def report_of(path: Path) -> Report:
    with Reader(path) as reader:
        return verify(reader)


# --- signing -----------------------------------------------------------------------------------------


def test_a_signed_journal_agrees_with_its_note(folder: Folder) -> None:
    result = printed("verify", folder.run, "--signed", folder.note, "--pub", folder.pub)
    key = keys.read_public(folder.pub.read_text())
    report = report_of(folder.run)

    assert (
        f"signed by example.com/jane (key id {key.id.hex()}): 3 blocks, the head digest and the file digest;"
        " origin example.com/jane"
    ) in result.splitlines()
    assert folder.note.read_text().splitlines()[:4] == [
        "example.com/jane",
        "3",
        b64encode(bytes.fromhex(report.head)).decode(),
        f"file digest {report.file_digest}",
    ]
    assert result == printed("verify", folder.run, "--signed", folder.note, "--pub", str(key))


def test_a_new_key_says_where_it_lies_what_to_keep_and_what_to_hand_on(tmp_path: Path) -> None:
    key = tmp_path / "jane.key"
    lines = printed("sign", "--key", key, "--new-key", "--origin", "jane").splitlines()

    assert f"{key}: the private key. Keep it secret" in lines[0]
    assert f"{key}.pub: the public key. Hand it on" in lines[1]
    assert f"public key {(tmp_path / 'jane.key.pub').read_text().strip()}" == lines[2]
    assert key.read_text().strip()[-20:] not in "".join(lines)
    run = deposits(tmp_path / "run.duckdb", 1)
    assert lines[2] in printed("sign", run, "--key", key).splitlines()


def test_the_origin_and_the_file_of_the_note_can_be_chosen(folder: Folder, tmp_path: Path) -> None:
    other = tmp_path / "fund.note"
    printed("sign", folder.run, "--key", folder.key, "--origin", "The fund of Jane", "--output", other)

    assert "The fund of Jane" == other.read_text().splitlines()[0]
    assert "origin The fund of Jane" in printed("verify", folder.run, "--signed", other, "--pub", folder.pub)


@pytest.mark.parametrize("origin", ["", "  ", "a\nb", "a\x1b[2J", "a\u202eb"])
def test_an_origin_that_is_no_plain_line_is_refused(folder: Folder, tmp_path: Path, origin: str) -> None:
    output = tmp_path / "other.note"

    assert "give a plain line" in refusal(
        "sign", folder.run, "--key", folder.key, "--origin", origin, "--output", output
    )
    assert not output.exists()


def test_a_journal_that_fails_a_check_is_not_signed(folder: Folder, tmp_path: Path) -> None:
    with duckdb.connect(str(folder.run)) as connection:
        connection.execute("update transfer set amount = amount + 1 where seq = 1")
    output = tmp_path / "other.note"
    result = tieout("sign", folder.run, "--key", folder.key, "--output", output)

    assert 1 == result.exit_code
    assert f"{folder.run}: the journal is not signed, because it does not verify (seals" in result.stderr
    assert not output.exists()
    assert "FAILED" in finding("verify", folder.run, "--signed", folder.note, "--pub", folder.pub)
    with pytest.raises(UnsoundJournal):
        checkpoint.sign(report_of(folder.run), JANE, "jane")


@pytest.mark.parametrize("kind", ["file", "link", "dangling"])
def test_a_note_is_written_over_nothing(folder: Folder, tmp_path: Path, kind: str) -> None:
    output, target = tmp_path / "taken.note", tmp_path / "target"
    if kind == "link":
        target.write_text("mine")
    if kind == "file":
        output.write_text("mine")
    else:
        output.symlink_to(target)

    assert "exists and is not overwritten; name another file with --output" in refusal(
        "sign", folder.run, "--key", folder.key, "--output", output
    )
    assert kind == "dangling" or output.read_text() == "mine"
    assert target.exists() == (kind == "link")
    printed("sign", folder.run, "--key", folder.key, "--output", tmp_path / "free.note")


def test_options_that_lack_their_other_half_are_refused(folder: Folder) -> None:
    head = report_of(folder.run).head

    assert "name the journal to sign, or make a key" in refusal("sign", "--key", folder.key)
    assert "--new-key needs --origin" in refusal("sign", folder.run, "--key", "new.key", "--new-key")
    assert "--signed needs --pub" in refusal("verify", folder.run, "--signed", folder.note)
    assert "--pub needs --signed" in refusal("verify", folder.run, "--pub", folder.pub)
    assert "the note has both digests" in refusal(
        "verify", folder.run, "--signed", folder.note, "--pub", folder.pub, "--anchor", head
    )
    assert "exists and is not overwritten; sign with the key that is there" in refusal(
        "sign", folder.run, "--key", folder.key, "--new-key", "--origin", "jane"
    )


# --- a note against a file --------------------------------------------------------------------------


def test_blocks_added_after_the_note_are_counted(folder: Folder) -> None:
    with Journal.open(folder.run) as journal:
        deposit_daily(journal, 4, 5)

    assert "block 3: the signed note ends before it; 2 blocks were added after it" in finding(
        "verify", folder.run, "--signed", folder.note, "--pub", folder.pub
    )
    folder.note.unlink()
    printed("sign", folder.run, "--key", folder.key)
    printed("verify", folder.run, "--signed", folder.note, "--pub", folder.pub)


def test_blocks_that_the_note_has_and_the_file_has_not_are_missing(folder: Folder, tmp_path: Path) -> None:
    shorter = deposits(tmp_path / "shorter.duckdb", 2)

    assert (
        "block 2: missing: the signed note is of 3 blocks and the file has 2; the tail was cut off"
        in finding("verify", shorter, "--signed", folder.note, "--pub", folder.pub)
    )


def test_a_note_of_another_file_does_not_fit(folder: Folder, tmp_path: Path) -> None:
    other = tmp_path / "other.duckdb"
    with Journal.create(other, [currency("USD")]) as journal:
        deposit_daily(journal, 2, 5)

    assert (
        "block 2: the signed note is of another file, or the chain was rewritten: after 3 blocks"
        in finding("verify", other, "--signed", folder.note, "--pub", folder.pub)
    )


def test_a_note_binds_the_provenance(folder: Folder, tmp_path: Path) -> None:
    copy = tmp_path / "copy.duckdb"
    shutil.copy(folder.run, copy)
    with duckdb.connect(str(copy)) as connection:
        connection.execute("update provenance set created = '1999-12-31T00:00:00+00:00'")

    assert report_of(folder.run).head == report_of(copy).head
    assert "run: its provenance is not the one that was signed" in finding(
        "verify", copy, "--signed", folder.note, "--pub", folder.pub
    )


def test_a_journal_without_blocks_can_be_signed(tmp_path: Path) -> None:
    run, key = tmp_path / "run.duckdb", tmp_path / "key"
    Journal.create(run, [currency("USD")]).discard()
    other = tmp_path / "other.duckdb"
    Journal.create(other, [currency("EUR")], run=Run(seed=2)).discard()
    printed("sign", run, "--key", key, "--new-key", "--origin", "jane")

    assert "0 blocks" in printed("verify", run, "--signed", f"{run}.note", "--pub", f"{key}.pub")
    assert "run: the signed note is of another file" in finding(
        "verify", other, "--signed", f"{run}.note", "--pub", f"{key}.pub"
    )


def test_signatures_of_others_are_ignored_and_counted(folder: Folder) -> None:
    text = folder.note.read_text()
    folder.note.write_text(text + note.sign(text.split("\n\n")[0] + "\n", JANE).split("\n\n")[1])

    assert f"; ignored, because of other keys: {JANE.name!r} (key id {JANE.public.id.hex()})" in printed(
        "verify", folder.run, "--signed", folder.note, "--pub", folder.pub
    )
    printed("verify", folder.run, "--signed", folder.note, "--pub", str(JANE.public))


# --- notes that are refused -------------------------------------------------------------------------


def test_a_wrong_key_or_an_altered_note_is_refused_before_the_file_is_read(folder: Folder) -> None:
    text = folder.note.read_text()
    missing = folder.run.with_name("missing.duckdb")

    assert "is not signed with this key" in refusal(
        "verify", missing, "--signed", folder.note, "--pub", str(JANE.public)
    )
    folder.note.write_text(text.replace("\n3\n", "\n4\n"))
    assert "was altered; get the note again" in refusal(
        "verify", missing, "--signed", folder.note, "--pub", folder.pub
    )
    folder.note.write_text(text)
    assert "missing.duckdb: there is no such file" in refusal(
        "verify", missing, "--signed", folder.note, "--pub", folder.pub
    )


def test_a_note_that_is_not_there_or_without_end_is_refused(folder: Folder) -> None:
    for path, problem in (("none.note", "No such file"), (folder.run.parent, "Is a directory")):
        assert problem in refusal("verify", folder.run, "--signed", path, "--pub", folder.pub)
    with folder.note.open("wb") as file:
        file.truncate(1 << 40)
    assert "has more than 262,144 bytes" in refusal(
        "verify", folder.run, "--signed", folder.note, "--pub", folder.pub
    )


ROOT = b64encode(bytes(32)).decode()
DIGEST = "file digest " + "0" * 64


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (f"jane\n3\n{ROOT}\n", "its text is not origin, size, root, file digest"),
        (f"jane\n\n3\n{ROOT}\n{DIGEST}\n", "its text is not"),
        (f"\n3\n{ROOT}\n{DIGEST}\n", "its text is not"),
        (f"j\u202eane\n3\n{ROOT}\n{DIGEST}\n", "its text is not"),
        (f"jane\n03\n{ROOT}\n{DIGEST}\n", "its text is not"),
        (f"jane\n-3\n{ROOT}\n{DIGEST}\n", "its text is not"),
        (f"jane\n\u0663\n{ROOT}\n{DIGEST}\n", "its text is not"),
        (f"jane\n{10**18}\n{ROOT}\n{DIGEST}\n", "its text is not"),
        (f"jane\n3\n{ROOT[:-1]}\n{DIGEST}\n", "its third line is not the base64 of a digest"),
        (f"jane\n3\n{b64encode(bytes(31)).decode()}\n{DIGEST}\n", "its third line is not"),
        (f"jane\n3\n{ROOT}\nfile digest 00\n", "its fourth line is not 'file digest ' and 64 hex digits"),
        (f"jane\n3\n{ROOT}\n{'0' * 64}\n", "its fourth line is not"),
        (f"jane\n3\n{ROOT}\n{DIGEST}\nvoid\n", "does not know what its line 'void' means"),
        (f"jane\n3\n{ROOT}\n{DIGEST}\n\nvoid\n", "does not know what its line '' means"),
    ],
)
def test_signed_text_that_is_not_of_a_journal_is_refused(text: str, problem: str) -> None:
    with pytest.raises(InvalidNote) as refused:
        checkpoint.read(note.sign(text, JANE).encode(), JANE.public, "a.note")
    assert problem in str(refused.value)
    assert "give the one of `tieout sign`" in str(refused.value)


def test_a_checkpoint_of_a_log_is_verified_and_is_no_note_of_a_journal() -> None:
    key = keys.read_public(vectors.GO)

    assert vectors.GO_TEXT == note.read(vectors.GO_NOTE.encode(), key, "a.note").text
    with pytest.raises(InvalidNote, match="is signed but is no note of a journal"):
        checkpoint.read(vectors.GO_NOTE.encode(), key, "a.note")


def test_the_first_lines_are_those_of_a_checkpoint_of_a_log() -> None:
    """The same parser reads the origin, size and root that another program signed."""
    signed = checkpoint.read(note.sign(f"{vectors.GO_TEXT}{DIGEST}\n", JANE).encode(), JANE.public, "a.note")

    assert ("go.sum database tree", 30_055_305) == (signed.origin, signed.size)
    assert "9977e045c2746c6d23dc23dd2b08065ad5330546d7ebbb1a64646616e2461ac3" == signed.root


def test_a_note_that_another_process_has_just_written_is_kept(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def exist(path: Path, *_: object) -> None:
        raise FileExistsError(17, "File exists", str(path))

    monkeypatch.setattr(keys, "write_new", exist)

    other = folder.run.with_name("other.note")
    assert "exists" in refusal("sign", folder.run, "--key", folder.key, "--output", other)
    with pytest.raises(InvalidKey, match="exists and is not overwritten"):
        keys.create(folder.run.with_name("new.key"), "example.com/jane")
