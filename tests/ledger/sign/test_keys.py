"""Keys: their text, their files, and what is refused."""

import base64
import hashlib
import os
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tests.ledger.sign import vectors
from tieout.ledger.errors import InvalidKey
from tieout.ledger.sign import keys
from tieout.ledger.sign.keys import PublicKey

PUBLISHED = [vectors.PETER, vectors.ENOCH, vectors.FOO, vectors.GO]


def line(name: str, raw: bytes, kind: int = 1) -> str:
    """Return a verifier key whose id is right."""
    whole = bytes([kind]) + raw
    identity = hashlib.sha256(f"{name}\n".encode() + whole).digest()[:4].hex()
    return f"{name}+{identity}+{base64.b64encode(whole).decode()}"


def mangled(text: str) -> list[str]:
    """Return every proper part of *text*, and *text* with each character replaced by the next."""
    length = len(text)
    parts = [text[i:j] for i in range(length) for j in range(i + 1, length + 1) if j - i < length]
    return parts + [text[:i] + chr(ord(text[i]) + 1) + text[i + 1 :] for i in range(length)]


@pytest.mark.parametrize("text", PUBLISHED)
def test_keys_of_other_programs_are_read_and_written_the_same(text: str, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(f"{text}\n")

    assert text == str(keys.read_public(text))
    assert text == str(keys.read_public(f" {text}\n"))
    assert text == str(keys.read_public(str(tmp_path / "key")))


def test_no_mangled_public_key_is_read() -> None:
    for text in mangled(vectors.PETER):
        with pytest.raises(InvalidKey):
            keys.read_public(text)


def test_the_private_key_of_another_program_is_read_and_no_mangled_one(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text(vectors.PETER_PRIVATE)
    path.chmod(0o600)

    assert vectors.PETER == str(keys.read_private(path).public)
    assert vectors.PETER_PRIVATE == keys.read_private(path).line()
    for text in mangled(vectors.PETER_PRIVATE):
        path.write_text(text)
        if text.strip() != vectors.PETER_PRIVATE:
            with pytest.raises(InvalidKey):
                keys.read_private(path)


def test_a_new_pair_lies_in_two_files_and_the_private_one_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "jane.key"
    before = os.umask(0)
    try:
        key = keys.create(path, "example.com/jane")
    finally:
        os.umask(before)

    assert 0o600 == path.stat().st_mode & 0o777
    assert key.line() == keys.read_private(path).line()
    assert key.public == keys.read_public(str(tmp_path / "jane.key.pub"))
    assert key.public.has_signed(b"text", key.sign(b"text"))
    assert key.line() != keys.create(tmp_path / "other.key", "example.com/jane").line()


@pytest.mark.parametrize("name", ["jane.key", "jane.key.pub"])
@pytest.mark.parametrize("kind", ["file", "link", "dangling"])
def test_no_key_is_written_over_anything(tmp_path: Path, name: str, kind: str) -> None:
    path = tmp_path / name
    target = tmp_path / "target"
    if kind == "link":
        target.write_text("mine")
    if kind == "file":
        path.write_text("mine")
    else:
        path.symlink_to(target)

    with pytest.raises(InvalidKey, match=r"exists and is not overwritten.*name another file"):
        keys.create(tmp_path / "jane.key", "jane")
    assert {path, target} >= set(tmp_path.iterdir())
    assert kind == "dangling" or path.read_text() == "mine"
    keys.create(tmp_path / "another.key", "jane")


@pytest.mark.parametrize(
    "name", ["", "jane doe", "jane+doe", "jane\u00a0doe", "jane\n", "j\u202eane", "jane\x1b"]
)
def test_a_name_that_no_note_can_have_makes_no_key(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidKey, match="without spaces and plus signs"):
        keys.create(tmp_path / "key", name)
    assert [] == [*tmp_path.iterdir()]
    with pytest.raises(InvalidKey):
        keys.read_public(line(name, bytes(range(32))))


def test_a_private_key_that_others_may_read_is_not_used_until_they_may_not(tmp_path: Path) -> None:
    path = tmp_path / "key"
    keys.create(path, "jane")
    for mode in (0o640, 0o604, 0o620):
        path.chmod(mode)
        with pytest.raises(InvalidKey, match=f"run `chmod 600 {path}`"):
            keys.read_private(path)
    path.chmod(0o600)

    assert "jane" == keys.read_private(path).name


def test_a_private_key_in_the_place_of_a_public_one_is_refused_and_not_shown(tmp_path: Path) -> None:
    path = tmp_path / "key"
    secret = keys.create(path, "jane").line()
    for source in (str(path), secret, secret[:-1]):
        with pytest.raises(InvalidKey, match="keep it secret") as refusal:
            keys.read_public(source)
        assert secret[30:] not in str(refusal.value)
    public = tmp_path / "key.pub"
    public.chmod(0o600)
    with pytest.raises(InvalidKey, match="is no private key"):
        keys.read_private(public)
    assert secret[30:] not in repr(keys.read_private(path))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (line("jane", bytes(range(32)), kind=4), "its type is 4, and only keys of type 1"),
        (line("jane", bytes(range(31))), "the key has 31 bytes and not 32"),
        (line("jane", bytes(range(33))), "the key has 33 bytes and not 32"),
        ("jane+00000000+" + line("jane", bytes(range(32))).split("+")[2], "and not 00000000; copy the whole"),
        (line("jane", bytes(range(32))).upper(), "is neither a key nor a file with one"),
        ("nowhere.pub", "is neither a key nor a file with one (No such file or directory)"),
        ("no\x00where", "is neither a key nor a file with one"),
        (".", "is neither a key nor a file with one (Is a directory)"),
    ],
)
def test_a_key_that_cannot_be_read_is_refused_with_the_reason(text: str, problem: str) -> None:
    with pytest.raises(InvalidKey) as refusal:
        keys.read_public(text)
    assert problem in str(refusal.value)


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xfe", b"a\nb\n", b"a" * 5000, vectors.PETER.encode() + b"\nmore"]
)
def test_a_file_that_is_not_one_line_with_a_key_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "key"
    path.write_bytes(content)

    with pytest.raises(InvalidKey, match=r"a public key is a line NAME\+ID\+KEY"):
        keys.read_public(str(path))


def forgery(raw: bytes) -> bool:
    """Look for a text that *raw* verifies with a signature made without a private key."""
    nothing = b"\x01" + bytes(63)
    for number in range(200):
        try:
            Ed25519PublicKey.from_public_bytes(raw).verify(nothing, b"%d" % number)
        except InvalidSignature:
            continue
        return True
    return False


def test_a_key_in_whose_name_anyone_can_sign_is_refused() -> None:
    weak = [point[:-1] + bytes([point[-1] | sign]) for point in keys._SMALL_ORDER for sign in (0, 0x80)]

    # Those of these encodings that the library decodes at all have to be forgeable, or the list is wrong.
    assert 8 <= sum(map(forgery, weak))
    assert not forgery(keys.read_public(vectors.PETER).raw)
    for raw in weak:
        with pytest.raises(InvalidKey, match="anyone can sign in the name of this key"):
            keys.read_public(str(PublicKey("jane", raw)))
