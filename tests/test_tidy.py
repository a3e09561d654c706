"""The house rules, kept by a machine.

A rule is a function from a source to its findings. Every rule is shown a planted fault first,
because a rule that finds nothing anywhere looks just like a tidy house; then it is put to every
file we have. Folders that do not exist yet have no files and break no rule.
"""

import ast
import re
from collections.abc import Callable, Iterator
from functools import cached_property
from itertools import chain
from pathlib import Path, PurePosixPath

import attrs
import pytest

ROOT = Path(__file__).parent.parent

# Which rooms a room may import from, besides itself.
MAY_IMPORT: dict[str, set[str]] = {
    "ledger": set(),
    "execution": {"ledger"},
    "strategies": {"execution"},
    "validation": {"ledger", "execution", "strategies"},
    "tests": {"ledger", "execution", "strategies", "validation"},
}
# A second opinion is worth nothing if it shares code with the first: these import nothing of ours.
ALONE = {"tests/oracle.py", "tests/market_oracle.py", "validation/manual_loop.py"}

FUNCTION_LINES = 60
MODULE_LINES = 600
# "path" or "path:function", and why it is better long.
LONG_ON_PURPOSE: dict[str, str] = {}

FOLDERS = (*MAY_IMPORT, "docs", ".ci", ".github")
TEXT = {".py", ".sql", ".md", ".toml", ".yml"}
# Character classes keep the patterns from finding themselves.
TO_DO = r"\b(T[O]DO|F[I]XME|X[X]X|H[A]CK)\b"
LEFTOVER = r"_v\d+$|_old$|archived|^debug_"
BARE_MARK = r"#\s*type:\s*ignore(?!\[)|#\s*noqa(?!:\s*[A-Z])"
ELSEWHERE = r"(?<![\w.])/(home|root|Users|work|tmp|mnt|opt|srv)/|pypi[.]|python[h]osted|index[-]url"
COMPILERS = {"apart", "entry", "kernel", "leaf", "part", "routine"}
SKIP = r"pytest\.(mark\.)?(skip|skipif|xfail)"

TextNode = ast.Constant | ast.JoinedStr
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@attrs.frozen(slots=False)
class Source:
    path: PurePosixPath
    text: str

    @cached_property
    def nodes(self) -> list[ast.AST]:
        return list(ast.walk(ast.parse(self.text))) if self.path.suffix == ".py" else []

    @property
    def room(self) -> str:
        return self.path.parts[0]

    @property
    def definitions(self) -> Iterator[Definition]:
        return (node for node in self.nodes if isinstance(node, Definition))

    def lines_with(self, pattern: str) -> Iterator[str]:
        for number, line in enumerate(self.text.splitlines(), 1):
            if found := re.search(pattern, line):
                yield f"line {number}: {found[0]}"


Rule = Callable[[Source], Iterator[str]]


def read(path: Path) -> Source:
    return Source(PurePosixPath(path.relative_to(ROOT).as_posix()), path.read_text("utf-8"))


def sources() -> list[Source]:
    paths = chain(ROOT.iterdir(), *((ROOT / folder).rglob("*") for folder in FOLDERS))
    kept = (p for p in paths if p.suffix in TEXT or p.name == "Makefile" or p.parent.name == ".ci")
    return [read(path) for path in sorted(kept) if path.is_file()]


def imports(source: Source) -> Iterator[str]:
    for node in source.nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield source.room if node.level else (node.module or "").split(".")[0]


def arrows_point_one_way(source: Source) -> Iterator[str]:
    allowed = MAY_IMPORT.get(source.room, set()) | {source.room}
    allowed = set() if str(source.path) in ALONE else allowed
    yield from (f"imports {room}" for room in imports(source) if room in MAY_IMPORT.keys() - allowed)


def length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from `def` to the end, the docstring not counted."""
    first = function.body[0]
    documented = ast.get_docstring(function) is not None
    docstring = (first.end_lineno or 0) - first.lineno + 1 if documented else 0
    return (function.end_lineno or 0) - function.lineno + 1 - docstring


def too_long(source: Source) -> Iterator[str]:
    if source.path.suffix == ".py" and source.text.count("\n") > MODULE_LINES:
        yield str(source.path)
    for node in source.definitions:
        if not isinstance(node, ast.ClassDef) and length(node) > FUNCTION_LINES:
            yield f"{source.path}:{node.name}"


def code_fits_on_a_screen(source: Source) -> Iterator[str]:
    yield from (f"{name} is too long" for name in too_long(source) if name not in LONG_ON_PURPOSE)


def nothing_is_left_to_do(source: Source) -> Iterator[str]:
    yield from source.lines_with(TO_DO)


def git_is_the_archive(source: Source) -> Iterator[str]:
    written = (n.id for n in source.nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store))
    folders = source.path.with_suffix("").parts
    for name in chain(folders, (node.name for node in source.definitions), written):
        if re.search(LEFTOVER, name):
            yield f"the name {name}"


def only_faces_print(source: Source) -> Iterator[str]:
    if source.room in {"ledger", "execution"} and source.path.stem not in {"cli", "summary"}:
        for node in source.nodes:
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "print":
                yield f"line {node.lineno}: print"


def no_error_is_swallowed(source: Source) -> Iterator[str]:
    for node in source.nodes:
        if isinstance(node, ast.ExceptHandler):
            silent = all(ast.unparse(statement) in {"pass", "..."} for statement in node.body)
            if node.type is None or silent:
                yield f"line {node.lineno}: names no error or does nothing about it"


def skipped_tests_say_why(source: Source) -> Iterator[str]:
    calls = {id(node.func): node for node in source.nodes if isinstance(node, ast.Call)}
    for node in source.nodes:
        if isinstance(node, ast.Attribute) and re.fullmatch(SKIP, ast.unparse(node)):
            call = calls.get(id(node))
            # A condition may be the first argument of these; only a text is a reason.
            texts = [a for a in call.args if isinstance(a, TextNode)] if call else []
            named = [k for k in call.keywords if k.arg == "reason"] if call else []
            if not texts and not named:
                yield f"line {node.lineno}: {ast.unparse(node)} without a reason"


def exemptions_name_what_they_exempt(source: Source) -> Iterator[str]:
    yield from source.lines_with(BARE_MARK)


def nothing_points_at_one_machine(source: Source) -> Iterator[str]:
    yield from source.lines_with(ELSEWHERE)


def created(source: Source) -> list[str]:
    return re.findall(r"create or replace (?:view|macro) (\w+)", source.text)


def sql_begins_with_a_sentence(source: Source) -> Iterator[str]:
    if source.path.suffix == ".sql" and not source.text.startswith("-- "):
        yield "does not begin with a comment"


def a_view_is_named_for_its_file(source: Source) -> Iterator[str]:
    if source.path.match("views/*.sql") and created(source) != [source.path.stem]:
        yield f"creates {created(source)}"


def a_check_counts_what_it_examined(source: Source) -> Iterator[str]:
    if source.path.match("checks/*.sql"):
        wanted = {f"check_{source.path.stem}", f"examined_{source.path.stem}"}
        yield from (f"does not create {name}" for name in sorted(wanted - {*created(source)}))


def public(parent: ast.AST) -> Iterator[Definition]:
    """What others may use of a module or class."""
    if isinstance(parent, ast.Module | ast.ClassDef):
        named = (node for node in parent.body if isinstance(node, Definition))
        yield from (node for node in named if not node.name.startswith("_"))


def the_ledger_explains_itself(source: Source) -> Iterator[str]:
    if source.room == "ledger":
        for node in chain.from_iterable(map(public, source.nodes)):
            if ast.get_docstring(node) is None:
                yield f"{node.name} has no docstring"


def kernels_are_seen_to_change(source: Source) -> Iterator[str]:
    """The cache of kernels is named after the modules that import from one called compiled, and no others."""
    named = (node.module or "" for node in source.nodes if isinstance(node, ast.ImportFrom))
    if source.path.name != "compiled.py" and not any(name.endswith("compiled") for name in named):
        for node in source.definitions:
            if COMPILERS & {ast.unparse(by).partition("(")[0] for by in node.decorator_list}:
                yield f"{node.name} is compiled, and nothing is imported from a module called compiled"


LONG_FUNCTION = "def f():\n" + "    x = 1\n" * FUNCTION_LINES
PLANTED: list[tuple[Rule, str, str]] = [
    (arrows_point_one_way, "ledger/a.py", "import execution.step"),
    (arrows_point_one_way, "ledger/a.py", "from tests.oracle import Oracle"),
    (arrows_point_one_way, "execution/a.py", "def f():\n    from strategies import Top25"),
    (arrows_point_one_way, "strategies/a.py", "from ledger import Journal"),
    (arrows_point_one_way, "tests/oracle.py", "from . import naive"),
    (arrows_point_one_way, "validation/manual_loop.py", "import ledger"),
    (code_fits_on_a_screen, "ledger/a.py", LONG_FUNCTION),
    (code_fits_on_a_screen, "ledger/a.py", "x = 1\n" * (MODULE_LINES + 1)),
    (nothing_is_left_to_do, "ledger/a.sql", "-- T" + "ODO: the rest"),
    (git_is_the_archive, "ledger/journal_v2.py", ""),
    (git_is_the_archive, "validation/archived/a.py", ""),
    (git_is_the_archive, "ledger/a.py", "debug_rows = 1"),
    (git_is_the_archive, "ledger/a.py", "def post_old(): ..."),
    (only_faces_print, "ledger/a.py", "print(1)"),
    (no_error_is_swallowed, "ledger/a.py", "try:\n    f()\nexcept:\n    g()"),
    (no_error_is_swallowed, "ledger/a.py", "try:\n    f()\nexcept OSError:\n    pass"),
    (skipped_tests_say_why, "tests/a.py", "@pytest.mark.skip\ndef test_a(): ..."),
    (skipped_tests_say_why, "tests/a.py", "@pytest.mark.skipif(f())\ndef test_a(): ..."),
    (skipped_tests_say_why, "tests/a.py", "pytest.skip()"),
    (exemptions_name_what_they_exempt, "ledger/a.py", "f()  # no" + "qa"),
    (exemptions_name_what_they_exempt, "ledger/a.py", "f()  # type: " + "ignore"),
    (nothing_points_at_one_machine, "Makefile", "cp a /ho" + "me/me/a"),
    (nothing_points_at_one_machine, "pyproject.toml", "https://pypi" + ".org/simple"),
    (sql_begins_with_a_sentence, "ledger/schema.sql", "create table a (id integer);"),
    (a_view_is_named_for_its_file, "ledger/views/a.sql", "create or replace view b as select 1"),
    (a_view_is_named_for_its_file, "ledger/views/a.sql", "-- Nothing."),
    (a_check_counts_what_it_examined, "ledger/checks/a.sql", "create or replace view check_a as"),
    (kernels_are_seen_to_change, "execution/a.py", "from execution.b import leaf\n@leaf\ndef f(): ..."),
    (kernels_are_seen_to_change, "execution/a.py", "@apart(routine, g)\ndef f(): ..."),
    (the_ledger_explains_itself, "ledger/a.py", "class A:\n    def f(self): ..."),
]
RULES = list(dict.fromkeys(rule for rule, _, _ in PLANTED))


@pytest.mark.parametrize(("rule", "path", "text"), PLANTED)
def test_a_planted_fault_is_found(rule: Rule, path: str, text: str) -> None:
    findings = list(rule(Source(PurePosixPath(path), text)))

    assert findings


@pytest.mark.parametrize("rule", RULES)
def test_the_house_is_tidy(rule: Rule) -> None:
    findings = [f"{source.path}: {finding}" for source in sources() for finding in rule(source)]

    assert [] == findings


def test_an_exception_is_kept_only_while_it_is_needed() -> None:
    needed = {name for source in sources() for name in too_long(source)}

    assert set() == LONG_ON_PURPOSE.keys() - needed
