"""Ed25519 keys with a name, each one line of text.

A public key is `NAME+ID+KEY` as in https://c2sp.org/signed-note. A private key is `PRIVATE+KEY+NAME+ID+KEY`
as in Go's package `golang.org/x/mod/sumdb/note`. KEY is the base64 of the byte 1, for Ed25519, and 32 bytes.
ID is 8 hex digits of the SHA-256 of the name, a line break, the byte 1 and the public key.

No message shows a private key. `cryptography` is imported when a key is first used, because it takes as long
as a small command.
"""

import base64
import binascii
import hashlib
import os
import re
from pathlib import Path

from attrs import field, frozen

from tieout.ledger.errors import InvalidKey

ID_BYTES = 4
KEY_BYTES = 32
LARGEST_KEY_FILE = 4096
"""Bytes that a file with one key may have."""
PRIVATE = "PRIVATE+KEY+"
PUBLIC_SUFFIX = ".pub"
_ED25519 = b"\x01"
# The points of small order, without the bit of the sign, in every encoding that is read. For a key among them
# a signature can be made without any private key.
_SMALL_ORDER = frozenset(
    map(
        bytes.fromhex,
        (
            "00" * 32,
            "01" + "00" * 31,
            "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
            "ec" + "ff" * 30 + "7f",
            "ed" + "ff" * 30 + "7f",
            "ee" + "ff" * 30 + "7f",
        ),
    )
)


@frozen
class PublicKey:
    """A name and the 32 bytes that verify what was signed in it."""

    name: str
    raw: bytes

    @property
    def id(self) -> bytes:
        """The 4 bytes that tell keys of one name apart."""
        return hashlib.sha256(self.name.encode() + b"\n" + _ED25519 + self.raw).digest()[:ID_BYTES]

    def __str__(self) -> str:
        return f"{self.name}+{self.id.hex()}+{_encoded(self.raw)}"

    def has_signed(self, text: bytes, signature: bytes) -> bool:
        """Check a signature of *text*."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, text)
        except InvalidSignature:
            return False
        return True


@frozen
class PrivateKey:
    """A name and the 32 bytes that sign in it."""

    name: str
    _seed: bytes = field(repr=False)

    @property
    def public(self) -> PublicKey:
        """The public key of the pair."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        key = Ed25519PrivateKey.from_private_bytes(self._seed)
        return PublicKey(self.name, key.public_key().public_bytes_raw())

    def line(self) -> str:
        """Return the line of the key, which is secret."""
        return f"{PRIVATE}{self.name}+{self.public.id.hex()}+{_encoded(self._seed)}"

    def sign(self, text: bytes) -> bytes:
        """Return the signature of *text*."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return Ed25519PrivateKey.from_private_bytes(self._seed).sign(text)


def is_name(text: str) -> bool:
    """Check whether a key may have this name: printable, without spaces and plus signs."""
    return bool(text) and text.isprintable() and not set(text) & set(" +")


def create(path: Path, name: str) -> PrivateKey:
    """Make a new pair of keys: the private one at *path*, the public one beside it with the suffix .pub."""
    if not is_name(name):
        raise InvalidKey(
            f"a key cannot have the name {name!r}; take one without spaces and plus signs, such as"
            " example.com/jane"
        )
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = PrivateKey(name, Ed25519PrivateKey.generate().private_bytes_raw())
    present = [file for file in (path, public_path(path)) if os.path.lexists(file)]
    try:
        if not present:
            write_new(path, f"{key.line()}\n", 0o600)
            write_new(public_path(path), f"{key.public}\n")
            return key
    except FileExistsError as error:
        # Another process was faster. The line of the public key is printed with each signature.
        present = [Path(error.filename)]
    raise InvalidKey(
        f"{present[0]} exists and is not overwritten; sign with the key that is there, or name another file"
    )


def public_path(path: Path) -> Path:
    """Return the path of the public key that belongs to the private one at *path*."""
    return path.with_name(path.name + PUBLIC_SUFFIX)


def read_private(path: Path) -> PrivateKey:
    """Read a private key from its file. Raises `InvalidKey`, also where others may read the file."""
    line = _line(path)
    mode = path.stat().st_mode
    if os.name == "posix" and mode & 0o077:
        raise InvalidKey(
            f"{path} may be read by other users, who could sign in this name; run `chmod 600 {path}`, or make"
            " a new key if they had access"
        )
    if not line.startswith(PRIVATE):
        raise InvalidKey(
            f"{path} does not begin with {PRIVATE} and is no private key; give the file that --new-key made"
        )
    name, identity, raw = _parts(line.removeprefix(PRIVATE), str(path))
    key = PrivateKey(name, raw)
    if key.public.id.hex() != identity:
        raise InvalidKey(f"{path}: the name and the key do not belong together; restore the file from a copy")
    return key


def read_public(source: str) -> PublicKey:
    """Read a public key: its line, or the path of a file with that line alone. Raises `InvalidKey`."""
    line = source.strip()
    is_line = line.startswith(PRIVATE) or re.fullmatch(r"[^+\s]+\+[0-9a-f]{8}\+[A-Za-z0-9+/=]+", line)
    if not is_line:
        line = _line(Path(source))
    if line.startswith(PRIVATE):
        raise InvalidKey(
            "the public key is needed and this is a private one; keep it secret, and give the line of the"
            f" file with the suffix {PUBLIC_SUFFIX}"
        )
    where = "the public key" if is_line else source
    name, identity, raw = _parts(line, where)
    key = PublicKey(name, raw)
    if key.id.hex() != identity:
        raise InvalidKey(f"{where}: its id is {key.id.hex()} and not {identity}; copy the whole line again")
    if _is_of_small_order(raw):
        raise InvalidKey(
            f"{where}: anyone can sign in the name of this key; ask for a key that was made at random"
        )
    return key


def decoded(text: str) -> bytes | None:
    """Decode base64 in its one canonical form. None where it is not."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return data if base64.b64encode(data).decode() == text else None


def write_new(path: Path, text: str, mode: int = 0o644) -> None:
    """Write a new file. Raises `FileExistsError` where there is anything at *path*, links included."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(text.encode())
        file.flush()
        os.fsync(file.fileno())


def _encoded(raw: bytes) -> str:
    return base64.b64encode(_ED25519 + raw).decode()


def _line(path: Path) -> str:
    """Read a file of one line."""
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST_KEY_FILE + 1)
        text = data.decode().strip()
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "not text"
        raise InvalidKey(
            f"{str(path)[:200]!r} is neither a key nor a file with one ({why}); a public key is a line"
            " NAME+ID+KEY"
        ) from error
    if len(data) > LARGEST_KEY_FILE or len(text.splitlines()) != 1:
        raise InvalidKey(f"{path} is not one line with a key; a public key is a line NAME+ID+KEY")
    return text


def _parts(line: str, where: str) -> tuple[str, str, bytes]:
    """Return name, id and key of a line."""
    name, _, rest = line.partition("+")
    identity, _, text = rest.partition("+")
    raw = decoded(text)
    if not is_name(name) or not re.fullmatch("[0-9a-f]{8}", identity) or not raw:
        raise InvalidKey(f"{where} is not a key NAME+ID+KEY on one line; copy the whole line again")
    if raw[:1] != _ED25519:
        raise InvalidKey(
            f"{where}: its type is {raw[0]}, and only keys of type 1 (Ed25519) are read; ask for one of these"
        )
    if len(raw) != 1 + KEY_BYTES:
        raise InvalidKey(
            f"{where}: the key has {len(raw) - 1} bytes and not {KEY_BYTES}; copy the whole line again"
        )
    return name, identity, raw[1:]


def _is_of_small_order(raw: bytes) -> bool:
    return raw[:-1] + bytes([raw[-1] & 0x7F]) in _SMALL_ORDER
