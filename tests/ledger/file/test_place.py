"""Paths of journals, and the files that lie there."""

from pathlib import Path

import pytest

from tieout.ledger.errors import FileReplaced, LedgerError, WriteFailed
from tieout.ledger.file.place import Identity, is_there, real_path
from tieout.ledger.file.reader import Reader


def test_the_identity_of_a_file_is_that_of_no_other(tmp_path: Path) -> None:
    path, other = tmp_path / "books.duckdb", tmp_path / "other.duckdb"
    assert Identity.of(path) is None
    with pytest.raises(FileReplaced, match="was removed or replaced while it was written"):
        Identity.of_new(path)
    path.write_bytes(b"1")
    identity = Identity.of(path)
    assert identity is not None
    identity.require(path)
    other.write_bytes(b"1")
    other.replace(path)

    with pytest.raises(FileReplaced, match="run again"):
        identity.require(path)


def test_a_name_that_is_too_long_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(WriteFailed, match="name too long; choose another name"):
        is_there(tmp_path / ("n" * 300))


def test_a_circle_of_links_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "books.duckdb"
    path.symlink_to(path)

    assert path.name == real_path(path).name
    with pytest.raises(LedgerError, match=r"books\.duckdb"):
        Reader(path)
