"""Counts of names and sentences in a checkout, to be compared between two of them.

    python -m tieout.validation.evidence.prose [FOLDER]

Counted are docstrings by their first word, names that are participles or pronouns, top-level names that more
than three modules define, and the words of each sentence in README and docs. The sources are read and not
imported, so that the folder may hold any commit.
"""

import ast
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

ROOMS = ("tieout", "ledger", "execution", "strategies", "validation", "tests", ".ci")

QUESTIONS = frozenset({"how", "that", "what", "when", "where", "whether", "who", "whose"})
"""First words of a docstring that neither says what a function does nor names what it returns."""

COUNTED_QUESTIONS = ("what", "whether", "that")

PARTICIPLES = frozenset(
    (
        "asked",
        "came",
        "did",
        "done",
        "found",
        "gave",
        "given",
        "gone",
        "kept",
        "known",
        "made",
        "meant",
        "mine",
        "named",
        "ought",
        "ours",
        "own",
        "owned",
        "put",
        "said",
        "seen",
        "sent",
        "shown",
        "taken",
        "theirs",
        "told",
        "wanted",
        "whose",
        "written",
    )
)
"""Participles and pronouns that do not say of what. Trading terms such as held and filled are none."""

MANY_MODULES = 3

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def docstrings(nodes: Sequence[ast.AST]) -> Iterator[tuple[int, str]]:
    """Yield the line and text of each docstring."""
    for node in nodes:
        if isinstance(node, Definition | ast.Module):
            text = ast.get_docstring(node)
            if text is not None:
                yield node.body[0].lineno, text


def first_word(text: str) -> str:
    """Return the first word of *text* in lower case, empty where it begins with no letter."""
    match = re.match(r"[A-Za-z]+", text)
    return match[0].lower() if match else ""


def names(nodes: Sequence[ast.AST]) -> Iterator[tuple[int, str]]:
    """Yield the line and name of each function, class, argument, assigned variable and assigned attribute."""
    for node in nodes:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield node.lineno, name
            case ast.arg(arg=name) | ast.Name(id=name, ctx=ast.Store()):
                yield node.lineno, name
            case ast.Attribute(attr=name, ctx=ast.Store()):
                yield node.lineno, name


def is_participle(name: str) -> bool:
    """Check whether a name, underscores aside, is a participle or a pronoun."""
    return name.strip("_").lower() in PARTICIPLES


def without_code(page: str) -> str:
    """Return Markdown without code, comments and the targets of links. Code inside a line is one word."""
    page = re.sub(r"^( *)```.*?^\1```$", "", page, flags=re.DOTALL | re.MULTILINE)
    page = re.sub(r"<!--.*?-->", "", page, flags=re.DOTALL)
    page = re.sub(r"`+[^`]*`+", "CODE", page)
    page = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", page)
    return "\n".join(line for line in page.splitlines() if not re.match(r" {4}|\t", line))


def sentences(page: str) -> Iterator[str]:
    """Yield the sentences of a page. Tables and headings have none. An item of a list is a paragraph."""
    lines = (line for line in without_code(page).splitlines() if not re.match(r" *(\||#)", line))
    text = "\n".join(re.sub(r"^ *([-*]|\d+\.) ", "\n\n", line) for line in lines)
    for paragraph in re.split(r"\n\s*\n", text):
        for sentence in re.split(r"(?<=[.!?])[\"')*_]*\s+", " ".join(paragraph.split())):
            if re.search(r"\w", sentence):
                yield sentence


def words(sentence: str) -> int:
    """Count the words of a sentence."""
    return len(re.findall(r"\S*\w\S*", sentence))


def lengths(markdown: str) -> list[int]:
    """List the number of words of each sentence of a page, the shortest first."""
    return sorted(map(words, sentences(markdown)))


def ninetieth(values: Sequence[int]) -> int:
    """Return the 90th percentile of sorted *values*: the least that nine in ten do not exceed."""
    return values[-(-len(values) * 9 // 10) - 1]


def modules(folder: Path) -> Iterator[Path]:
    """Yield the Python files of a checkout. Links between its folders are not followed."""
    for room in ROOMS:
        yield from sorted((folder / room).rglob("*.py"))


def pages(folder: Path) -> list[Path]:
    """List README and docs of a checkout."""
    return [
        path for path in (folder / "README.md", *sorted((folder / "docs").glob("*.md"))) if path.is_file()
    ]


def table_of_names(folder: Path) -> Table:
    """Return one row for each count of the sources, and a column for each folder."""
    counts: Counter[tuple[str, str]] = Counter()
    homes: dict[str, set[Path]] = {}
    for path in modules(folder):
        room = path.relative_to(folder).parts[0]
        tree = ast.parse(path.read_text("utf-8"))
        nodes = [*ast.walk(tree)]
        for _, text in docstrings(nodes):
            counts["docstrings", room] += 1
            counts[f"docstrings: {first_word(text)}", room] += 1
            counts["docstrings: any of the eight", room] += first_word(text) in QUESTIONS
        for _, name in names(nodes):
            counts["names", room] += 1
            counts["names: participles and pronouns", room] += is_participle(name)
        for node in tree.body:
            if isinstance(node, Definition):
                homes.setdefault(node.name, set()).add(path)
    rows = [
        "docstrings",
        *(f"docstrings: {word}" for word in COUNTED_QUESTIONS),
        "docstrings: any of the eight",
    ]
    rows += ["names", "names: participles and pronouns"]
    table = Table("", *ROOMS, "all")
    for row in rows:
        figures = [counts[row, room] for room in ROOMS]
        table.add_row(row, *map(str, figures), str(sum(figures)))
    shared = {name: paths for name, paths in homes.items() if len(paths) > MANY_MODULES}
    figures = [
        sum(any(path.is_relative_to(folder / room) for path in paths) for paths in shared.values())
        for room in ROOMS
    ]
    table.add_row(
        f"top-level names in more than {MANY_MODULES} modules", *map(str, figures), str(len(shared))
    )
    return table


def table_of_pages(folder: Path) -> Table:
    """Return one row for each page: sentences, median and 90th percentile of their words, semicolons."""
    table = Table("page", "sentences", "median", "90th percentile", "longest", "semicolons")
    every: list[int] = []
    semicolons = 0
    for path in pages(folder):
        text = path.read_text("utf-8")
        counts, here = lengths(text), sum(sentence.count(";") for sentence in sentences(text))
        figures = (len(counts), median(counts), ninetieth(counts), counts[-1], here)
        table.add_row(str(path.relative_to(folder)), *(f"{figure:g}" for figure in figures))
        every += counts
        semicolons += here
    every.sort()
    figures = (len(every), median(every), ninetieth(every), every[-1], semicolons)
    table.add_row("all", *(f"{figure:g}" for figure in figures))
    return table


def main(arguments: Sequence[str] = ()) -> int:
    """Print the counts of a folder, by default the current one. Return the exit status."""
    folder = Path(arguments[0] if arguments else ".").resolve()
    console = Console(width=120)
    if not pages(folder) or not [*modules(folder)]:
        console.print(f"{folder} is not a checkout: it has no README.md or no sources")
        return 2
    console.print(table_of_names(folder), table_of_pages(folder))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
