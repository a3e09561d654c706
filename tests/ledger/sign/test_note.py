"""Signed notes: those of other programs, and every way in which one is refused."""

from base64 import b64encode
from pathlib import Path

import pytest

from tests.ledger.sign import vectors
from tieout.ledger.errors import InvalidNote
from tieout.ledger.sign import keys, note
from tieout.ledger.sign.keys import PrivateKey

JANE = PrivateKey("example.com/jane", bytes(range(32)))
NOTE = note.sign("one\ntwo\n", JANE)


def refusal(data: str | bytes, key: str = vectors.PETER) -> str:
    with pytest.raises(InvalidNote) as refused:
        note.read(data if isinstance(data, bytes) else data.encode(), keys.read_public(key), "a.note")
    assert str(refused.value).startswith("a.note")
    return str(refused.value)


def text(data: str, key: str = vectors.PETER) -> str:
    return note.read(data.encode(), keys.read_public(key), "a.note").text


def test_notes_of_other_programs_verify() -> None:
    assert vectors.TEXT == text(f"{vectors.TEXT}\n{vectors.BY_PETER}")
    assert vectors.TEXT == text(f"{vectors.TEXT}\n{vectors.BY_ENOCH}", vectors.ENOCH)
    assert vectors.FOO_TEXT == text(vectors.FOO_NOTE, vectors.FOO)
    assert vectors.GO_TEXT == text(vectors.GO_NOTE, vectors.GO)


def test_a_note_is_the_one_that_another_program_makes_with_the_same_key(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text(vectors.PETER_PRIVATE)
    path.chmod(0o600)

    assert f"{vectors.TEXT}\n{vectors.BY_PETER}" == note.sign(vectors.TEXT, keys.read_private(path))


def test_the_last_empty_line_ends_the_text() -> None:
    longer = "one\n\n\ntwo\n"

    assert longer == text(note.sign(longer, JANE), str(JANE.public))
    assert "has no text, empty line and signature" in refusal(NOTE.replace("\n\n", "\n"), str(JANE.public))


def test_signatures_of_other_keys_are_ignored_and_listed() -> None:
    both = f"{vectors.TEXT}\n{vectors.BY_PETER}{vectors.BY_ENOCH}{vectors.BY_ENOCH}"

    for key, other in ((vectors.PETER, "'EnochRoot' (key id af0cfe78)"), (vectors.ENOCH, "'PeterNeumann'")):
        signed = note.read(both.encode(), keys.read_public(key), "a.note")
        assert vectors.TEXT == signed.text
        assert 1 == len(signed.others)
        assert other in signed.others[0]


def test_a_signature_of_another_key_may_be_of_any_kind_and_length() -> None:
    line = f"— example.com/witness {b64encode(bytes(5_000)).decode()}\n"
    names = [f"— other{number} AAAAAAA=\n" for number in range(15)]

    signed = note.read((NOTE + line + "".join(names)).encode(), JANE.public, "a.note")
    assert 16 == len(signed.others)
    assert "'other3' (key id 00000000) and 11 more" in note.in_words(signed.others)


def test_every_signature_of_the_key_has_to_be_right() -> None:
    whole = f"{vectors.TEXT}\n{vectors.BY_PETER}"
    wrong = vectors.BY_PETER.replace("ZJku", "ZJkv")

    assert vectors.TEXT == text(whole + vectors.BY_PETER)
    for data in (whole + wrong, f"{vectors.TEXT}\n{wrong}{vectors.BY_PETER}", f"{vectors.TEXT}\n{wrong}"):
        assert "is not that of this text, which was altered" in refusal(data)


def test_a_signature_of_another_length_is_wrong() -> None:
    for length in (0, 1, 63, 65, 128):
        line = f"— {JANE.name} {b64encode(JANE.public.id + bytes(length)).decode()}\n"
        problem = "is not that of this text" if length else "is cut off or damaged"
        assert problem in refusal(f"one\n\n{line}", str(JANE.public))


def test_a_note_with_any_byte_altered_is_refused() -> None:
    data = NOTE.encode()
    for place in range(len(data)):
        for changed in (data[place] ^ 1, data[place] ^ 0x20, data[place] ^ 0x80):
            refusal(data[:place] + bytes([changed]) + data[place + 1 :], str(JANE.public))


def test_a_note_cut_off_anywhere_is_refused() -> None:
    for length in range(len(NOTE.encode())):
        refusal(NOTE.encode()[:length], str(JANE.public))
        refusal(NOTE.encode()[-length:] if length else b"", str(JANE.public))


def test_a_note_of_another_key_names_those_that_signed_it() -> None:
    namesake = PrivateKey(JANE.name, bytes(32)).public

    assert "'PeterNeumann' (key id c74f20a3), but with 'example.com/jane' (key id" in refusal(NOTE)
    assert (
        f"(key id {namesake.id.hex()}), but with 'example.com/jane' (key id {JANE.public.id.hex()})"
        in refusal(NOTE, str(namesake))
    )


def test_the_same_key_under_another_name_is_another_key() -> None:
    alias = PrivateKey("example.com/jean", bytes(range(32))).public

    assert JANE.public.raw == alias.raw
    assert "is not signed with this key, 'example.com/jean'" in refusal(NOTE, str(alias))


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (NOTE.replace("\n", "\r\n"), "has line endings of Windows (CRLF)"),
        (NOTE.replace("one", "one\r"), "has line endings of Windows (CRLF)"),
        (NOTE.encode("utf-16"), "is not UTF-8 at byte 0"),
        (NOTE.encode().replace(b"two", b"\xff"), "is not UTF-8 at byte 4"),
        (NOTE.replace("one", "o\x1bne"), r"has the control character '\x1b'"),
        (NOTE.replace("one", "o\x00ne"), r"has the control character '\x00'"),
        (NOTE.removesuffix("\n"), "does not end with a line break and was cut off"),
        (NOTE.removesuffix("=\n") + "\n", "the base64 of the signature of 'example.com/jane' is cut off"),
        (NOTE.replace("— ", "- "), "is no signature"),
        (NOTE.replace("example.com", "example com"), "is cut off or damaged"),
        (NOTE.replace("example.com", "example+com"), "is no signature"),
        (NOTE.replace("example.com", "example\u00a0com"), "is no signature"),
        (NOTE + "More text.\n", "the line 'More text.' is no signature"),
        (NOTE + "— other AAAA\n", "the base64 of the signature of 'other' is cut off"),
        (NOTE + "\n", "has no text, empty line and signature"),
        ("one\ntwo\n", "has no text, empty line and signature"),
        ("", "does not end with a line break"),
        ("\n", "has no text, empty line and signature"),
        (NOTE + NOTE.split("\n\n")[1] * 3_000, "has more than 262,144 bytes"),
    ],
)
def test_what_is_no_signed_note_is_refused_with_the_reason(data: str | bytes, problem: str) -> None:
    assert problem in refusal(data, str(JANE.public))
    assert "one\ntwo\n" == text(NOTE, str(JANE.public))
