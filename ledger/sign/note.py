"""Signed notes: text, an empty line, and a line for each signature (https://c2sp.org/signed-note).

Nothing in the text counts before a signature of it is verified.
"""

from base64 import b64encode

from attrs import frozen

from tieout.ledger.errors import InvalidNote
from tieout.ledger.sign.keys import ID_BYTES, PrivateKey, PublicKey, decoded

LARGEST_NOTE = 256 * 1024
"""Bytes that a note may have: 16 signatures of any kind in use fit."""
OTHERS_LISTED = 5
_DASH = "\N{EM DASH} "


@frozen
class Note:
    """The text of a note whose signature is verified, and the other signatures, which are not."""

    text: str
    others: list[str]


def sign(text: str, key: PrivateKey) -> str:
    """Return the note of *text*, which ends with a line break."""
    signature = b64encode(key.public.id + key.sign(text.encode())).decode()
    return f"{text}\n{_DASH}{key.name} {signature}\n"


def read(data: bytes, key: PublicKey, where: str) -> Note:
    """Return the text of a note that *key* has signed.

    Signatures of other keys are listed and ignored. Raises `InvalidNote` where no signature is of this key,
    or one of them is wrong. *where* names the note in the message.
    """
    lines = _lines(data, where)
    end = len(lines) - 1 - lines[::-1].index("") if "" in lines else -1
    if end < 1 or end == len(lines) - 1:
        raise InvalidNote(
            f"{where} is no signed note: it has no text, empty line and signature; get it again"
        )
    text = "".join(f"{line}\n" for line in lines[:end])
    signatures = [_signature(line, where) for line in lines[end + 1 :]]
    matches = [
        signature for name, identity, signature in signatures if (name, identity) == (key.name, key.id)
    ]
    others = [(name, identity) for name, identity, _ in signatures if (name, identity) != (key.name, key.id)]
    in_text = [f"{name!r} (key id {identity.hex()})" for name, identity in dict.fromkeys(others)]
    if not matches:
        raise InvalidNote(
            f"{where} is not signed with this key, {key.name!r} (key id {key.id.hex()}), but with"
            f" {in_words(in_text)}; give the public key of its signer"
        )
    if not all(key.has_signed(text.encode(), signature) for signature in matches):
        raise InvalidNote(
            f"{where}: the signature of {key.name!r} is not that of this text, which was altered;"
            " get the note again from its signer"
        )
    return Note(text, in_text)


def in_words(others: list[str]) -> str:
    """List signatures, the first of them in full."""
    more = len(others) - OTHERS_LISTED
    return ", ".join(others[:OTHERS_LISTED]) + (f" and {more} more" if more > 0 else "")


def _lines(data: bytes, where: str) -> list[str]:
    """Split a note into lines. Raises `InvalidNote` where it has bytes that no note has."""
    if len(data) > LARGEST_NOTE:
        raise InvalidNote(f"{where} has more than {LARGEST_NOTE:,} bytes and is no signed note; get it again")
    if b"\r" in data:
        raise InvalidNote(
            f"{where} has line endings of Windows (CRLF), and a signed note has none; get it again as a file"
            " that no program converts"
        )
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise InvalidNote(
            f"{where} is not UTF-8 at byte {error.start} and is no signed note; get it again as a file that"
            " no program converts"
        ) from error
    if control := sorted({character for character in text if character < " " and character != "\n"}):
        raise InvalidNote(
            f"{where} has the control character {control[0]!r} and is no signed note; get it again"
        )
    if not text.endswith("\n"):
        raise InvalidNote(f"{where} does not end with a line break and was cut off; get it again")
    return text.removesuffix("\n").split("\n")


def _signature(line: str, where: str) -> tuple[str, bytes, bytes]:
    """Return the name, the key id and the signature of a line."""
    name, _, text = line.removeprefix(_DASH).partition(" ")
    raw = decoded(text)
    if not line.startswith(_DASH) or not name or "+" in name or any(map(str.isspace, name)):
        raise InvalidNote(
            f"{where}: the line {line[:80]!r} is no signature (a dash, a name and base64); get the note again"
        )
    if raw is None or len(raw) <= ID_BYTES:
        raise InvalidNote(
            f"{where}: the base64 of the signature of {name[:80]!r} is cut off or damaged; get the note again"
        )
    return name, raw[:ID_BYTES], raw[ID_BYTES:]
