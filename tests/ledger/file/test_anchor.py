"""Anchors: whole digests, of the head or of the file, against the digests of a file."""

import hashlib

import pytest

from tieout.ledger.errors import InvalidAnchor
from tieout.ledger.file.anchor import parse


def digests(word: str) -> list[str]:
    return [hashlib.sha256(f"{word}{block}".encode()).hexdigest() for block in range(4)]


HEADS, FILES = digests("head"), digests("file")


@pytest.mark.parametrize("digest", [HEADS[-1], FILES[-1]])
def test_the_last_digest_of_head_or_file_is_an_anchor(digest: str) -> None:
    assert parse(digest).fault(HEADS, FILES) is None
    assert parse(f" {digest.upper()}\n").fault(HEADS, FILES) is None


def test_an_anchor_says_which_digest_it_is() -> None:
    assert "is the head digest, which does not cover" in parse(HEADS[-1]).agreement(HEADS[-1])
    assert "is the file digest, which covers" in parse(FILES[-1]).agreement(HEADS[-1])


@pytest.mark.parametrize("block", range(3))
def test_an_earlier_digest_counts_the_blocks_that_were_added(block: int) -> None:
    added = f"{3 - block} blocks were added after it"

    assert (block, f"the anchor is the head before it; {added}") == parse(HEADS[block]).fault(HEADS, FILES)
    assert (block, f"the anchor is the file digest before it; {added}") == parse(FILES[block]).fault(
        HEADS, FILES
    )


def test_a_digest_of_another_file_names_what_may_have_happened() -> None:
    block, fault = parse("ab" * 32).fault(HEADS, FILES) or (0, "")

    assert 3 == block
    for words in ("the tail was cut off", "the chain was rewritten", "the provenance was changed"):
        assert words in fault


@pytest.mark.parametrize("digits", [1, 15, 16, 32, 63])
def test_a_part_of_a_digest_is_no_anchor(digits: int) -> None:
    with pytest.raises(
        InvalidAnchor, match=f"has {digits} hex digits and not 64: two files that share so few"
    ):
        parse(HEADS[-1][:digits])


@pytest.mark.parametrize(
    "text", ["", " ", "0x" + "0" * 62, HEADS[0][:63] + "g", "\u0661" * 64, HEADS[0] + " 0"]
)
def test_what_is_not_hexadecimal_is_no_anchor(text: str) -> None:
    with pytest.raises(InvalidAnchor, match="is not hexadecimal; give the head digest or the file digest"):
        parse(text)


def test_more_than_a_digest_is_no_anchor() -> None:
    with pytest.raises(InvalidAnchor, match="has 65 hex digits and not 64; give the whole digest"):
        parse(HEADS[0] + "0")
