"""Anchors: what was noted of a journal outside its file, and is held against the file later.

The seals show that a file is consistent. Its author can seal other rows from the start, or cut off the last
blocks, and the file is consistent again. Only something noted elsewhere shows that.
"""

import re
from collections.abc import Sequence
from typing import Protocol

from attrs import frozen

from tieout.ledger.errors import InvalidAnchor

DIGITS = 64
"""Number of hex digits in a digest, and in an anchor."""


class Witness(Protocol):
    """A note of a file that lies outside it.

    Both methods take digests after each number of blocks, from none to all: *heads* are those of the chain,
    *files* those of the head and the provenance.
    """

    def fault(self, heads: Sequence[str], files: Sequence[str]) -> tuple[int, str] | None:
        """Return the block from which the file differs and how it differs. None where it does not."""

    def agreement(self, head: str) -> str:
        """Return what a file of this *head* without a fault has in common with the note."""


@frozen
class Anchor:
    """A digest that was printed at the end of a run: of its head, or of the whole file."""

    digest: str

    def fault(self, heads: Sequence[str], files: Sequence[str]) -> tuple[int, str] | None:
        """Look for the digest among those of the file. See `Witness`."""
        for digests, name in ((heads, "head"), (files, "file digest")):
            if self.digest in digests:
                block = digests.index(self.digest)
                after = len(heads) - 1 - block
                if not after:
                    return None
                return block, f"the anchor is the {name} before it; {after} blocks were added after it"
        return len(heads) - 1, (
            f"missing or replaced: the chain ends at {heads[-1][:16]}, the file digest is {files[-1][:16]}"
            f" and the anchor is {self.digest[:16]}; the tail was cut off, the chain was rewritten or the"
            " provenance was changed"
        )

    def agreement(self, head: str) -> str:
        """Say which digest of a file with this *head* the anchor is."""
        if self.digest == head:
            return "the anchor is the head digest, which does not cover the provenance"
        return "the anchor is the file digest, which covers the head and the provenance"


def parse(text: str) -> Anchor:
    """Read an anchor. Raises `InvalidAnchor` unless it is a whole digest."""
    digest = text.strip().lower()
    if not re.fullmatch("[0-9a-f]+", digest):
        raise InvalidAnchor(
            f"the anchor {text[:80]!r} is not hexadecimal; give the head digest or the file digest as it was"
            " printed at the end of the run"
        )
    if len(digest) != DIGITS:
        why = ": two files that share so few can be searched for" if len(digest) < DIGITS else ""
        raise InvalidAnchor(
            f"the anchor has {len(digest)} hex digits and not {DIGITS}{why}; give the whole digest as it was"
            " printed at the end of the run"
        )
    return Anchor(digest)
