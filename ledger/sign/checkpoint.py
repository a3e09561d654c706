"""The text that is signed of a journal: a checkpoint, with the digest of the file in a fourth line.

    example.com/jane                                        origin
    12                                                      number of sealed blocks
    CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=            head digest
    file digest 5c2dd0fcb9…                                 digest of the head and the provenance

Where a log has the root of a Merkle tree, a journal has the digest of its last block. Everything that a root
is good for here it does: a file whose rows before that block differ has another.
"""

import re
from base64 import b64encode
from collections.abc import Sequence

from attrs import frozen

from tieout.ledger.errors import InvalidNote, UnsoundJournal
from tieout.ledger.file.verify import Outcome, Report
from tieout.ledger.sign import note
from tieout.ledger.sign.keys import PrivateKey, PublicKey, decoded

DIGEST_BYTES = 32
FILE_DIGEST = "file digest "
"""The beginning of the fourth line."""
_LINES = ("origin", "size", "root", "file digest")
_SIZE = "0|[1-9][0-9]{0,17}"


@frozen
class Checkpoint:
    """A signed statement of a journal's blocks, head and provenance. It is a `Witness` of the file."""

    origin: str
    size: int
    root: str
    file_digest: str
    signer: PublicKey
    others: Sequence[str] = ()

    def fault(self, heads: Sequence[str], files: Sequence[str]) -> tuple[int, str] | None:
        """Compare the file with what was signed. See `Witness`."""
        blocks = len(heads) - 1
        if self.size > blocks:
            return blocks, (
                f"missing: the signed note is of {self.size} blocks and the file has {blocks}; the tail was"
                " cut off, or the note is of another file"
            )
        if heads[self.size] != self.root:
            return self.size - 1, (
                "the signed note is of another file, or the chain was rewritten:"
                f" after {self.size} blocks the digest is {heads[self.size][:16]}, signed is {self.root[:16]}"
            )
        if files[self.size] != self.file_digest:
            return -1, (
                "its provenance is not the one that was signed: the file digest at the signed head is"
                f" {files[self.size][:16]}, signed is {self.file_digest[:16]}"
            )
        if self.size < blocks:
            return (
                self.size,
                f"the signed note ends before it; {blocks - self.size} blocks were added after it",
            )
        return None

    def agreement(self, head: str) -> str:  # noqa: ARG002  as `Witness` has it
        """Say who signed what of the file, and which signatures were ignored."""
        others = f"; ignored, because of other keys: {note.in_words([*self.others])}" if self.others else ""
        return (
            f"signed by {self.signer.name} (key id {self.signer.id.hex()}): {self.size} blocks, the head"
            f" digest and the file digest; origin {self.origin}{others}"
        )


def sign(report: Report, key: PrivateKey, origin: str) -> str:
    """Return the signed note of a file that was verified. Raises `UnsoundJournal` where a check failed."""
    if not report.ok:
        passing = (Outcome.OK, Outcome.NOT_APPLICABLE)
        failures = [result.name for result in report.results if result.outcome not in passing]
        raise UnsoundJournal(
            f"the journal is not signed, because it does not verify ({', '.join(failures)});"
            " see `tieout verify`"
        )
    if not is_origin(origin):
        raise InvalidNote(
            f"the origin {origin!r} is empty or has characters that are not printable; give a plain line"
        )
    root = b64encode(bytes.fromhex(report.head)).decode()
    return note.sign(f"{origin}\n{report.blocks}\n{root}\n{FILE_DIGEST}{report.file_digest}\n", key)


def read(data: bytes, key: PublicKey, where: str) -> Checkpoint:
    """Read the note of a journal. Raises `InvalidNote` unless *key* has signed it.

    *where* names the note in the message.
    """
    signed = note.read(data, key, where)
    lines = signed.text.removesuffix("\n").split("\n")
    if len(lines) < len(_LINES) or not is_origin(lines[0]) or not re.fullmatch(_SIZE, lines[1]):
        raise _not_of_a_journal(where, f"its text is not {', '.join(_LINES)} on one line each")
    origin, size, root, line, *others = lines
    head = decoded(root)
    if head is None or len(head) != DIGEST_BYTES:
        raise _not_of_a_journal(where, "its third line is not the base64 of a digest")
    digest = line.removeprefix(FILE_DIGEST)
    if not line.startswith(FILE_DIGEST) or not re.fullmatch("[0-9a-f]{64}", digest):
        raise _not_of_a_journal(where, f"its fourth line is not {FILE_DIGEST!r} and 64 hex digits")
    if others:
        raise _not_of_a_journal(where, f"this tieout does not know what its line {others[0][:80]!r} means")
    return Checkpoint(origin, int(size), head.hex(), digest, key, signed.others)


def is_origin(text: str) -> bool:
    """Check whether a line can be the origin of a checkpoint."""
    return bool(text.strip()) and text.isprintable()


def _not_of_a_journal(where: str, why: str) -> InvalidNote:
    return InvalidNote(f"{where} is signed but is no note of a journal: {why}; give the one of `tieout sign`")
