"""The rules of prose, for the README and the docs. Each rule is shown a planted fault first."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tieout.validation.evidence.commands import page as reference_of_commands
from tieout.validation.evidence.prose import sentences, without_code, words

ROOT = Path(__file__).parent.parent

# Words in a sentence: nine of ten have fewer than the first, and none has more than the second.
USUAL, LONGEST = 30, 45
# Character classes keep the patterns from finding themselves.
WORDS_THAT_ARE_OUT = (
    *("n[o]body", "s[o]mebody", "wh[o]ever", "wh[a]tever", "an[e]w", "a p[e]rson"),
    *("of [o]urs", "as it [i]s", "c[o]mes out otherwise", "is t[o]ld", "let g[o] of", "what it is [o]f"),
)
# The part of a page that is written by hand: its first heading, and the heading that follows it.
WRITTEN_BY_HAND = {"docs/validation.md": ("# How the rules differ", "# Differences that")}
# Pages whose text is written elsewhere, and where.
WRITTEN_ELSEWHERE = {"docs/benchmarks.md": "validation/bench"}

Rule = Callable[[str], Iterator[str]]


def lengths(page: str) -> list[tuple[int, str]]:
    """The number of words of each sentence with the sentence, the shortest first."""
    return sorted((words(sentence), sentence) for sentence in sentences(page))


def sentences_are_short(page: str) -> Iterator[str]:
    counts = lengths(page)
    yield from (f"{count} words: {sentence}" for count, sentence in counts if count > LONGEST)
    if counts and counts[9 * len(counts) // 10][0] >= USUAL:
        above = [sentence for count, sentence in counts if count >= USUAL]
        yield f"{len(above)} of {len(counts)} sentences have {USUAL} words or more: {above}"


def a_semicolon_is_code(page: str) -> Iterator[str]:
    yield from (f"a semicolon: {line}" for line in without_code(page).splitlines() if ";" in line)


def words_are_plain(page: str) -> Iterator[str]:
    text = " ".join(without_code(page).split())
    for word in WORDS_THAT_ARE_OUT:
        yield from (f"the words: {match[0]}" for match in re.finditer(rf"(?i)\b{word}\b", text))


PLANTED: list[tuple[Rule, str]] = [
    (sentences_are_short, "word " * (LONGEST + 1) + "end."),
    (sentences_are_short, ("word " * USUAL + "end. ") * 2 + "Short. " * 8),
    (sentences_are_short, "- one\n- " + "word " * (LONGEST + 1)),
    (sentences_are_short, "1. One.\n   " + "`code` " * (LONGEST + 1)),
    (a_semicolon_is_code, "A clause; another."),
    (a_semicolon_is_code, "| a table; a cell |"),
    (a_semicolon_is_code, "# A heading; more\n\n```\na;\n```\n"),
    (words_are_plain, "N" + "obody reads it."),
    (words_are_plain, "It c" + "omes\nout otherwise."),
    (words_are_plain, "| a table | of" + " ours |"),
]
RULES = list(dict.fromkeys(rule for rule, _ in PLANTED))


def test_what_is_not_prose_is_left_out() -> None:
    code = "```\n" + "a; " * 50 + "\n```\n"
    page = (
        f"# A heading\n\n{code}\n    indented; code\n\n| a | table |\n\nOne `a; b`, [two](c;d).\n- Three.\n"
    )

    assert ["One CODE, two.", "Three."] == list(sentences(page))
    assert [] == [finding for rule in RULES for finding in rule(page)]


@pytest.mark.parametrize(("rule", "page"), PLANTED)
def test_a_planted_fault_is_found(rule: Rule, page: str) -> None:
    assert list(rule(page))


def prose(path: Path) -> str:
    """The text of a page that is written by hand."""
    text, name = path.read_text(encoding="utf-8"), path.relative_to(ROOT).as_posix()
    if name in WRITTEN_BY_HAND:
        first, after = WRITTEN_BY_HAND[name]
        text = text[text.index(f"\n{first}") : text.index(f"\n{after}")]
    return text


PAGES = [
    path
    for path in sorted(page for folder in ("", "docs", ".github") for page in (ROOT / folder).glob("*.md"))
    if path.relative_to(ROOT).as_posix() not in WRITTEN_ELSEWHERE
]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
@pytest.mark.parametrize("rule", RULES)
def test_the_prose_is_plain(rule: Rule, path: Path) -> None:
    assert [] == list(rule(prose(path)))


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_link_leads_to_a_file(path: Path) -> None:
    targets = re.findall(r"\]\((?!https?:)([^)#\s]+)", path.read_text(encoding="utf-8"))

    assert [] == [target for target in targets if not (path.parent / target).exists()]


def test_the_reference_of_commands_is_current() -> None:
    """The head of the page has the command that writes it."""
    assert reference_of_commands() == (ROOT / "docs/cli.md").read_text(encoding="utf-8")
