"""Text on its way out: any text is one line, one cell, one string."""

import csv
import html.parser
import io
import json
import re
import tomllib
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.support.text import HOSTILE, restored
from tieout.ledger.text import (
    beancount_string,
    file_name,
    hledger_text,
    html_text,
    json_text,
    line,
    spreadsheet_cell,
    toml_string,
    without_controls,
)

TEXTS = st.text() | st.text(st.sampled_from([*"\\x1bu202eU0", *"=+-@'\t\r\n \x1b\x7f\x9b\u202e\ud800"]))


# --- terminals -----------------------------------------------------------------------------------


@given(TEXTS)
@example("\x1b]0;title\x07")
@example("\r\nno check failed")
@example("\x85\u2028\u2029\x0b\x0c\x1c")
@example("\u2066\u2067\u2068\u2069\u200e\u200f\u061c")
@example("\u3164\u115f\ufe0f\U000e0041")
def test_a_line_has_no_character_that_a_terminal_acts_on(text: str) -> None:
    printed = line(text)

    assert printed.isprintable()
    assert 1 == len(f"{printed}.".splitlines())
    assert {unicodedata.category(c) for c in printed}.isdisjoint({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
    assert {unicodedata.bidirectional(c) for c in printed}.isdisjoint({"R", "AL", "AN"})
    assert all(byte >= 0x20 and byte != 0x7F for byte in printed.encode())


@given(TEXTS)
def test_a_line_may_be_passed_again(text: str) -> None:
    assert line(text) == line(line(text))


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("Ünïted, 東京 €5 — naïve", "Ünïted, 東京 €5 — naïve"),
        ("C:\\runs\\user", "C:\\runs\\user"),
        ("a\x1b[2Jb", "a\\x1b[2Jb"),
        ("a\x9b31mb", "a\\x9b31mb"),
        ("gain \u202e000,1", "gain \\u202e000,1"),
        ("debit \u05d0", "debit \\u05d0"),
        ("\u0301a", "\\u0301a"),
        ("a\u0301", "a\u0301"),
        ("\ud83d", "\\ud83d"),
        ("\U000e0001", "\\U000e0001"),
        ("\xa0", "\\xa0"),
        (5, "5"),
    ],
)
def test_a_line_shows_what_it_does_not_send(text: str, printed: str) -> None:
    assert printed == line(text)


# --- spreadsheets --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=HYPERLINK(1)", "'=HYPERLINK(1)"),
        ("+1+cmd", "'+1+cmd"),
        ("-1+cmd", "'-1+cmd"),
        ("@SUM(1)", "'@SUM(1)"),
        ("\t=1", "'\t=1"),
        ("\r=1", "'\\x0d=1"),
        ("\n=1", "'\n=1"),
        ("  =1", "'  =1"),
        ("\ufeff=1", "'\ufeff=1"),
        ("\uff1d1", "'\uff1d1"),
        ("\uff0b1", "'\uff0b1"),
        ("\uff0d1", "'\uff0d1"),
        ("\uff20A", "'\uff20A"),
        ("'=1", "''=1"),
        ("'tis", "'tis"),
        ("-5", "-5"),
        ("+5.25", "+5.25"),
        ("-1e-7", "-1e-7"),
        ("-.5", "-.5"),
        ("-\uff15", "'-\uff15"),
        ("-5\n", "'-5\n"),
        ("a=b", "a=b"),
        ("two\nlines", "two\nlines"),
        ("red \x1b[31m", "red \\x1b[31m"),
        ("\\x1b", "\\x5cx1b"),
        ("", ""),
    ],
)
def test_a_cell_is_no_formula(text: str, cell: str) -> None:
    assert cell == spreadsheet_cell(text)


@given(TEXTS)
def test_a_cell_can_be_read_back_from_csv(text: str) -> None:
    stream = io.StringIO(newline="")
    csv.writer(stream).writerow([spreadsheet_cell(text), "end"])

    ((cell, end),) = csv.reader(io.StringIO(stream.getvalue(), newline=""))

    before = re.sub(
        r"^'('*(?:[\t\r\n]|\\x0d|[\s\u200b-\u200f\u2060\ufeff]*[=+\-@\u2212\ufe62\ufe63\ufe66\ufe6b\uff0b\uff0d\uff1d\uff20]))",
        r"\1",
        cell,
    )
    assert "end" == end
    assert text in {restored(cell), restored(before)}
    assert not re.match("[=+@\t\r\uff0b\uff0d\uff1d\uff20]", cell) or re.fullmatch(
        r"[+-]?[\d.]+([eE][+-]?\d+)?", cell
    )
    assert re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", cell) is None


@given(TEXTS)
def test_text_without_controls_can_be_restored(text: str) -> None:
    assert text == restored(without_controls(text))


# --- books of other programs ---------------------------------------------------------------------


@given(TEXTS)
def test_a_string_of_beancount_is_on_one_line_and_ends_where_it_ends(text: str) -> None:
    string = beancount_string(text)

    assert string.isprintable() or re.search("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", string) is None
    assert re.fullmatch(r'"(?:[^"\\\n]|\\.)*"', string)


@given(TEXTS)
def test_a_description_of_hledger_is_printable_and_can_be_read_back(text: str) -> None:
    description = hledger_text(text)

    assert description.isprintable()
    assert ";" not in description
    assert description.strip() == description
    assert text == re.sub(r"\\([0-9A-F]+)Z", lambda match: chr(int(match[1], 16)), description)


# --- documents -----------------------------------------------------------------------------------


@given(TEXTS)
def test_json_is_ascii_without_controls_and_exact(text: str) -> None:
    document = json_text({text: [text]})

    assert document.isascii()
    assert document.isprintable()
    assert {text: [text]} == json.loads(document)


class Words(html.parser.HTMLParser):
    """The text of a page, and its tags."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.tags = "", [""]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(f"{tag} {attrs}")

    def handle_data(self, data: str) -> None:
        self.words += data


@given(TEXTS)
@example("<script>alert(1)</script>")
@example("\" onload='x' &lt;")
def test_html_is_text_and_no_tag(text: str) -> None:
    page = Words()
    page.feed(f'<p title="{html_text(text)}">{html_text(text)}</p>')
    page.close()

    assert ["", f"p {[('title', without_controls(text))]}"] == page.tags
    assert without_controls(text) == page.words


@given(TEXTS)
def test_a_string_of_toml_is_the_text(text: str) -> None:
    (value,) = tomllib.loads(f"a = {toml_string(text)}").values()

    surrogates = re.compile("[\ud800-\udfff]")
    assert surrogates.sub(lambda match: f"\\u{ord(match[0]):04x}", text) == value
    assert "\n" not in toml_string(text)


# --- files ---------------------------------------------------------------------------------------


@given(st.lists(TEXTS | st.sampled_from(["..", ".", "", "con", "a/b", "A" * 300, "A" * 301]), unique=True))
def test_names_of_files_stay_in_their_folder_and_apart(texts: list[str]) -> None:
    names = [file_name(text) for text in texts]

    assert len(names) == len({*names})
    for name in names:
        assert re.fullmatch(r"[A-Za-z0-9_%~-][A-Za-z0-9_.%~-]*", name)
        assert len(name) <= 120


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("trial_balance.csv", "trial_balance.csv"),
        ("../outside", "%2E.%2Foutside"),
        ("nul.csv", "%6Eul.csv"),
        ("communal.csv", "communal.csv"),
        ("", "%"),
        ("%", "%25"),
    ],
)
def test_a_name_of_a_file_has_no_separator(text: str, name: str) -> None:
    assert name == file_name(text)


@pytest.mark.parametrize("text", HOSTILE)
def test_no_hostile_text_leaves_in_any_form(text: str) -> None:
    for form in (
        line,
        spreadsheet_cell,
        beancount_string,
        hledger_text,
        json_text,
        html_text,
        toml_string,
        file_name,
    ):
        assert not re.search(
            "[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", form(text)
        )
