"""The house rules, kept by a machine.

A rule is a function from a source to its findings. Every rule has to find a planted fault first, because a
rule that finds nothing anywhere looks just like a tidy house. Then it is applied to every file. Folders that
do not exist yet have no files and break no rule.
"""

import ast
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from fnmatch import fnmatch
from functools import cache, cached_property
from graphlib import CycleError, TopologicalSorter
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import TypeGuard

import attrs
import pytest

from tieout.ledger.product import product_files
from tieout.validation.evidence import prose

ROOT = Path(__file__).parent.parent

# The door is `tieout` itself: the public names of the rooms, which are imported at their first use.
DOOR = "tieout"
# Which rooms a room may import from, besides itself.
MAY_IMPORT: dict[str, set[str]] = {
    "ledger": set(),
    "execution": {"ledger"},
    "strategies": {"execution", DOOR},
    "validation": {"ledger", "execution", "strategies", DOOR},
    "tests": {"ledger", "execution", "strategies", "validation", DOOR},
    DOOR: {"ledger", "execution"},
}
# A second opinion is worth nothing if it shares code with the first: these import nothing of the product.
ALONE = {"tests/support/oracle.py", "tests/support/market_oracle.py", "validation/evidence/manual_loop.py"}

FUNCTION_LINES = 60
MODULE_LINES = 600
# "path" or "path:function", and why it is better long.
LONG_ON_PURPOSE: dict[str, str] = {}

FOLDERS = ("tests", "docs", ".ci", ".github")
TEXT = {".py", ".sql", ".md", ".toml", ".yml"}
# Character classes keep the patterns from finding themselves.
TO_DO = r"\b(T[O]DO|F[I]XME|X[X]X|H[A]CK)\b"
LEFTOVER = r"_v\d+$|_old$|archived|^debug_"
BARE_MARK = r"#\s*type:\s*ignore(?!\[)|#\s*noqa(?!:\s*[A-Z])"
ELSEWHERE = r"(?<![\w.])/(home|root|Users|work|tmp|mnt|opt|srv)/|pypi[.]|python[h]osted|index[-]url"
# Decorators without a dot in their name that make a definition known to others.
REGISTERS = {"intrinsic", "kind", "overload"}
COMPILERS = {"entry", "inlined", "merged", "separate", "shared"}
# Functions that print, and the modules that may call them.
PRINTS = (
    r"print|(typer|click)\.s?echo|(.*\.)?([cC]onsole|Console\(.*\))\.print"
    r"|sys\.std(out|err)\.write(lines)?|traceback\.print_\w+"
)
TERMINAL = ("ledger/terminal.py", "ledger/show/tables.py")
# The part of validation that users run on the files of others. The rest measures and proves.
PRODUCT_OF_VALIDATION = (
    "validation/cli.py",
    "validation/audit/*",
    "validation/compare/*",
    "validation/foreign/*",
)
SKIP = r"pytest\.(mark\.)?(skip|skipif|xfail)"
# The files in which the rules of words hold.
PLAIN = (
    *("ledger/*", "execution/*", "strategies/*", "tests/ledger/*", "tests/execution/*", "tests/strategies/*"),
    *("pyproject.toml", "tests/support/*"),
    ".ci/*",
    "tests/conftest.py",
    "tests/test_*",
    "tests/validation/*",
    "validation/*",
)
# Words and phrases for which there is a plainer one. Between two words of a phrase a line may end.
OUT = (
    *("n[o]body", "s[o]mebody", "wh[o]ever", "wh[a]tever", "an[e]w", "of [o]urs", "as it [i]s", "is t[o]ld"),
    *("comes out oth[e]rwise", "let go o[f]", "a pers[o]n", "what it is o[f]"),
)
# "path:name", and why that name is a participle or a pronoun.
PARTICIPLES_ON_PURPOSE: dict[str, str] = {}
# The files whose top-level names are all used somewhere.
USED = (*("ledger/*", "execution/*", "strategies/*", "tieout/*", "validation/*"),)
# "path:name", and why a name stands there that nothing uses.
UNUSED_ON_PURPOSE: dict[str, str] = {}

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
            if match := re.search(pattern, line):
                yield f"line {number}: {match[0]}"

    def is_one_of(self, patterns: Iterable[str]) -> bool:
        return any(fnmatch(str(self.path), pattern) for pattern in patterns)


Rule = Callable[[Source], Iterator[str]]


def read(path: Path) -> Source:
    return Source(PurePosixPath(path.relative_to(ROOT).as_posix()), path.read_text("utf-8"))


@cache
def sources() -> list[Source]:
    product = chain(*(product_files(suffix=suffix).values() for suffix in TEXT))
    paths = chain(ROOT.iterdir(), (ROOT / DOOR).glob("*"), *((ROOT / f).rglob("*") for f in FOLDERS), product)
    texts = (p for p in paths if p.suffix in TEXT or p.name == "Makefile" or p.parent.name == ".ci")
    return [read(path) for path in sorted({*texts}) if path.is_file()]


def modules(source: Source) -> Iterator[str]:
    """List the modules that a source imports, in its own words; each name of a ``from`` counts as one."""
    for node in source.nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = f"{DOOR}.{source.room}" if node.level else node.module
            yield from (f"{module}.{alias.name}" for alias in node.names)


def imports(source: Source) -> Iterator[str]:
    """List the rooms that a source imports from, and `DOOR` for its public names."""
    for module in modules(source):
        first, room, *_ = (*module.split("."), "")
        yield room if first == DOOR and room in MAY_IMPORT else first


def arrows_point_one_way(source: Source) -> Iterator[str]:
    allowed = MAY_IMPORT.get(source.room, set()) | {source.room}
    allowed = set() if str(source.path) in ALONE else allowed
    yield from (f"imports {room}" for room in imports(source) if room in MAY_IMPORT.keys() - allowed)


def rooms_are_imported_through_the_door(source: Source) -> Iterator[str]:
    """A folder of the same name beside a user's script would be imported in place of a bare name."""
    bare = MAY_IMPORT.keys() - {DOOR, "tests"}
    rooms = (module.split(".")[0] for module in modules(source))
    yield from (f"imports {room} by its bare name" for room in rooms if room in bare)
    yield from source.lines_with(rf"-m ({'|'.join(sorted(bare))})\b")


def length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Count the lines from `def` to the end, without the docstring."""
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
    variables = (n.id for n in source.nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store))
    folders = source.path.with_suffix("").parts
    for name in chain(folders, (node.name for node in source.definitions), variables):
        if re.search(LEFTOVER, name):
            yield f"the name {name}"


def one_module_writes_to_the_terminal(source: Source) -> Iterator[str]:
    """Look for text that reaches a terminal by another way than `say`, which shows it on one line."""
    is_product = source.room in {"ledger", "execution", "strategies"}
    if (is_product or source.is_one_of(PRODUCT_OF_VALIDATION)) and not source.is_one_of(TERMINAL):
        for node in source.nodes:
            if isinstance(node, ast.Call) and re.fullmatch(PRINTS, name := ast.unparse(node.func)):
                yield f"line {node.lineno}: {name}"


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
            reasons = [k for k in call.keywords if k.arg == "reason"] if call else []
            if not texts and not reasons:
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
        views = {f"check_{source.path.stem}", f"examined_{source.path.stem}"}
        yield from (f"does not create {name}" for name in sorted(views - {*created(source)}))


def public(parent: ast.AST) -> Iterator[Definition]:
    """List the public definitions of a module or class."""
    if isinstance(parent, ast.Module | ast.ClassDef):
        members = (node for node in parent.body if isinstance(node, Definition))
        yield from (node for node in members if not node.name.startswith("_"))


def the_ledger_explains_itself(source: Source) -> Iterator[str]:
    if source.room == "ledger":
        for node in chain.from_iterable(map(public, source.nodes)):
            if ast.get_docstring(node) is None:
                yield f"{node.name} has no docstring"


def kernels_are_seen_to_change(source: Source) -> Iterator[str]:
    """The cache of kernels is named after the modules that import from one called compiled, and no others."""
    homes = (node.module or "" for node in source.nodes if isinstance(node, ast.ImportFrom))
    if source.path.name != "compiled.py" and not any(name.endswith("compiled") for name in homes):
        for node in source.definitions:
            if COMPILERS & {ast.unparse(by).partition("(")[0] for by in node.decorator_list}:
                yield f"{node.name} is compiled, and nothing is imported from a module called compiled"


def a_docstring_begins_with_a_verb_or_a_noun(source: Source) -> Iterator[str]:
    if source.is_one_of(PLAIN):
        for line, text in prose.docstrings(source.nodes):
            if prose.first_word(text) in prose.QUESTIONS:
                yield f"line {line}: a docstring begins with {prose.first_word(text)!r}"


def words_are_plain(source: Source) -> Iterator[str]:
    """Look for the words that are `OUT` in docstrings, comments, texts and names."""
    if source.is_one_of(PLAIN):
        phrases = (phrase.replace(" ", r"(?:[\s_#|]|--)+") for phrase in OUT)
        pattern = rf"(?<![A-Za-z])({'|'.join(phrases)})(?![A-Za-z])"
        for match in re.finditer(pattern, source.text, re.IGNORECASE):
            line = source.text.count("\n", 0, match.start()) + 1
            yield f"line {line}: {' '.join(match[0].split())!r}"


def a_name_says_of_what(source: Source) -> Iterator[str]:
    """Look for participles and pronouns among the names that a source gives, its file's included."""
    if source.is_one_of(PLAIN):
        if prose.is_participle(source.path.stem.removeprefix("test_")):
            yield f"the file is called {source.path.stem}"
        for line, name in prose.names(source.nodes):
            if prose.is_participle(name) and f"{source.path}:{name}" not in PARTICIPLES_ON_PURPOSE:
                yield f"line {line}: the name {name}"


PLAIN_FILE = "tests/support/a.py"
QUESTIONS = (
    '"""What this is for."""',
    'def f():\n    """Whether it rains."""',
    'class A:\n    def f(self):\n        """How it is sold."""',
)
OUTMODED = (
    "# N" + "obody reads this.",
    'raise ValueError("wh' + 'atever comes")',
    "-- A file o" + "f\n-- ours.",
    "def test_the_books_as_" + "it_is(): ...",
    "f(an" + "ew=True)",
)
PARTICIPLES = (
    "found = 1",
    "def told(): ...",
    "class Given: ...",
    "def f(*, wanted): ...",
    "a.own = 1",
    "for seen in a: ...",
    "self._known: int = 1",
    "f(lambda said: 1)",
)
UNSEEN_KERNELS = (
    *(f"from tieout.execution.b import {name}\n@{name}\ndef f(): ..." for name in sorted(COMPILERS)),
    "@separate(shared, g)\ndef f(): ...",
)
LONG_FUNCTION = "def f():\n" + "    x = 1\n" * FUNCTION_LINES
PRINTED = (
    "print(1)",
    "typer.echo(1)",
    "Console().print(1)",
    "console.print(1)",
    "sys.stderr.write(a)",
    "traceback.print_exc()",
)
PLANTED: list[tuple[Rule, str, str]] = [
    (arrows_point_one_way, "ledger/a.py", "import tieout.execution.engine"),
    (arrows_point_one_way, "ledger/a.py", "from tests.support.oracle import Oracle"),
    (arrows_point_one_way, "ledger/a.py", "from tieout import Backtest"),
    (arrows_point_one_way, "execution/a.py", "def f():\n    from tieout.strategies.top import Top"),
    (arrows_point_one_way, "strategies/a.py", "from tieout.ledger.journal import Journal"),
    (arrows_point_one_way, "tests/support/oracle.py", "from . import naive"),
    (arrows_point_one_way, "validation/evidence/manual_loop.py", "import tieout.ledger"),
    (rooms_are_imported_through_the_door, "execution/a.py", "from ledger import Journal"),
    (rooms_are_imported_through_the_door, "tests/a.py", "import strategies.top"),
    (rooms_are_imported_through_the_door, "Makefile", "python -m " + "validation.bench"),
    (code_fits_on_a_screen, "ledger/a.py", LONG_FUNCTION),
    (code_fits_on_a_screen, "ledger/a.py", "x = 1\n" * (MODULE_LINES + 1)),
    (nothing_is_left_to_do, "ledger/a.sql", "-- T" + "ODO: the rest"),
    (git_is_the_archive, "ledger/journal_v2.py", ""),
    (git_is_the_archive, "validation/archived/a.py", ""),
    (git_is_the_archive, "ledger/a.py", "debug_rows = 1"),
    (git_is_the_archive, "ledger/a.py", "def post_old(): ..."),
    *((one_module_writes_to_the_terminal, "ledger/cli.py", text) for text in PRINTED),
    (one_module_writes_to_the_terminal, "validation/audit/report.py", "print(1)"),
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
    *((kernels_are_seen_to_change, "execution/a.py", text) for text in UNSEEN_KERNELS),
    (the_ledger_explains_itself, "ledger/a.py", "class A:\n    def f(self): ..."),
    *((a_docstring_begins_with_a_verb_or_a_noun, PLAIN_FILE, text) for text in QUESTIONS),
    *((words_are_plain, PLAIN_FILE, text) for text in OUTMODED),
    *((a_name_says_of_what, PLAIN_FILE, text) for text in PARTICIPLES),
    (a_name_says_of_what, "tests/support/shown.py", ""),
    (a_name_says_of_what, "tests/test_found.py", ""),
]
RULES = list(dict.fromkeys(rule for rule, _, _ in PLANTED))


@pytest.mark.parametrize(("rule", "path", "text"), PLANTED)
def test_a_planted_fault_is_found(rule: Rule, path: str, text: str) -> None:
    assert [*rule(Source(PurePosixPath(path), text))]


@pytest.mark.parametrize("rule", RULES)
def test_the_house_is_tidy(rule: Rule) -> None:
    findings = [f"{source.path}: {finding}" for source in sources() for finding in rule(source)]

    assert [] == findings


def folder(module: str) -> str:
    """Return the folder of a room that a module lies in, or the module where it lies in none."""
    return ".".join(module.split(".")[:3])


def arrows() -> dict[str, set[str]]:
    """Return the modules of the product that each module of the product imports."""
    files = product_files()
    return {
        module: ({*names} | {name.rpartition(".")[0] for name in names}) & {*files} - {module}
        for module, path in files.items()
        for names in [[*modules(read(path.resolve()))]]
    }


def circle(graph: dict[str, set[str]]) -> list[str]:
    """Return one circle in *graph*; empty where there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_a_circle_is_found() -> None:
    assert {"a", "b"} == {*circle({"a": {"b"}, "b": {"a"}, "c": {"a"}})}


def test_no_module_imports_itself_by_way_of_others() -> None:
    assert [] == circle(arrows())


def test_no_folder_imports_itself_by_way_of_others() -> None:
    folders: dict[str, set[str]] = {}
    for module, names in arrows().items():
        folders.setdefault(folder(module), set()).update({folder(name) for name in names} - {folder(module)})

    assert [] == circle(folders)


def top_level(source: Source) -> Iterator[str]:
    """List the names that a module of the product defines, except those that a decorator registers."""
    module = source.nodes[0] if source.nodes else ast.Module([], [])
    for node in module.body if isinstance(module, ast.Module) else ():
        if isinstance(node, Definition):
            decorators = {ast.unparse(by).partition("(")[0] for by in node.decorator_list}
            if not any("." in name or name in REGISTERS for name in decorators):
                yield node.name
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            yield from (child.id for child in ast.walk(node) if is_stored(child))


def is_stored(node: ast.AST) -> TypeGuard[ast.Name]:
    return isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)


def unused(every: Sequence[Source]) -> list[str]:
    """List the top-level names of the product that occur once in all sources: where they are defined."""
    words = Counter(chain.from_iterable(re.findall(r"\w+", source.text) for source in every))
    return [
        f"{source.path}:{name}"
        for source in every
        if source.is_one_of(USED)
        for name in top_level(source)
        if words[name] == 1 and not name.startswith("__")
    ]


def test_a_name_that_nothing_uses_is_found() -> None:
    module = (
        "def f(): ...\nclass A: ...\nB: int = 1\n_C, d = 1, 2\n@app.command()\ndef run(): ...\n__all__ = []"
    )
    first, second = PurePosixPath("ledger/a.py"), PurePosixPath("tests/a.py")

    names = unused([Source(first, module), Source(second, "from a import f, d\ndef g(): ...")])

    assert ["ledger/a.py:A", "ledger/a.py:B", "ledger/a.py:_C"] == names


def test_every_name_is_used() -> None:
    assert [] == sorted({*unused(sources())} - UNUSED_ON_PURPOSE.keys())


def test_an_exception_stands_only_while_it_is_needed() -> None:
    every = sources()
    participles = {f"{s.path}:{name}" for s in every for _, name in prose.names(s.nodes)}

    assert set() == LONG_ON_PURPOSE.keys() - {name for source in every for name in too_long(source)}
    assert set() == UNUSED_ON_PURPOSE.keys() - {*unused(every)}
    assert set() == PARTICIPLES_ON_PURPOSE.keys() - participles
