"""Specs, fills, queries, file names and bytes of a hostile author."""

import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from shutil import copy
from socket import AF_UNIX, socket
from typing import Any

from tieout.validation.evidence.author import texts
from tieout.validation.evidence.author.base import SPEC
from tieout.validation.evidence.author.inputs import Input, Study

_DEEP = 20_000
_HEADERS = 12_288
"""Bytes of a file of DuckDB before its first block."""
_PATHS = ("prices.csv", "swing.py")
"""Files beside a spec that it names."""


def kinds(study: Study) -> dict[str, list[Input]]:
    """List the inputs by kind."""
    makers: dict[str, Callable[[Study], Iterator[Input]]] = {
        "spec": specs,
        "code that a spec names": code_that_a_spec_names,
        "path that a spec names": paths_that_a_spec_names,
        "fills": fills,
        "query": queries,
        "file name": file_names,
        "bytes": files_of_other_bytes,
        "what is no file": what_is_no_file,
    }
    return {kind: list(make(study)) for kind, make in makers.items()}


def _toml(text: str) -> str:
    """Return a text as a string of TOML, without the help of the code under test."""
    return '"' + "".join(c if " " <= c <= "~" and c not in '"\\' else f"\\U{ord(c):08x}" for c in text) + '"'


def _spec(study: Study, kind: str, name: str, content: str | bytes, *names: str) -> Input:
    def write(folder: Path) -> Path:
        copy(study.folder / "prices.csv", folder)
        copy(study.folder / "swing.py", folder)
        path = folder / "study.toml"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return Input(kind, name, write, names=(*_PATHS, *names))


def specs(study: Study) -> Iterator[Input]:
    """Write specs that are nested deep, enormous, or not TOML."""
    contents: dict[str, str | bytes] = {
        "deep list": SPEC + "x = " + "[" * _DEEP + "]" * _DEEP,
        "deep table": SPEC.replace("{ count = 2 }", "{a=" * _DEEP + "1" + "}" * _DEEP),
        "deep key": SPEC + ".".join("a" * _DEEP) + " = 1\n",
        "deep header": SPEC + "[" + ".".join("a" * _DEEP) + "]\n",
        "huge integer": SPEC.replace("count = 2", "count = " + "9" * 5_000),
        "huge seed": SPEC + "seed = " + "9" * 5_000 + "\n",
        "huge decimal": SPEC.replace('"10000"', '"' + "9" * 100_000 + '"'),
        "huge exponent": SPEC.replace('"10000"', '"1e999999999"'),
        "negative exponent": SPEC.replace('"10000"', '"1e-999999999"'),
        "infinity": SPEC.replace('"10000"', "inf"),
        "byte order mark": b"\xef\xbb\xbf" + SPEC.encode(),
        "UTF-16": SPEC.encode("utf-16"),
        "NUL": SPEC + "\x00",
        "escape codes": SPEC + _toml(texts.ESCAPES[0]) + " = 1\n",
        "escape codes in a value": SPEC + f"relief = {_toml(texts.ESCAPES[0])}\n",
        "huge key": SPEC + "k" * 1_000_000 + " = 1\n",
        "many keys": SPEC + "".join(f"k{n} = 1\n" for n in range(20_000)),
        "many dots": SPEC + "." * 100_000,
        "many quotes": SPEC + '"' * 100_000,
        "many spaces": SPEC + "a" + " " * 200_000 + "=1",
        "formula as currency": SPEC + f"currency = {_toml(texts.FORMULAS[0])}\n",
        "directive as currency": SPEC + f"currency = {_toml(texts.DIRECTIVES[0])}\n",
        "block of no bars": SPEC.replace("block_bars = 4", "block_bars = 0"),
        "block of many bars": SPEC.replace("block_bars = 4", "block_bars = 9223372036854775807"),
        "window": SPEC.replace('"prices.csv"', '"prices.csv"\nwindow = 9223372036854775807'),
        "generated of negative size": _generated("days = -5, symbols = -7"),
        "generated of text": _generated('seed = "x"'),
        "NUL in the name of a journal": SPEC + 'journal = "\\u0000"\n',
    }
    for name, content in contents.items():
        yield _spec(study, "spec", name, content)
    for text in (*texts.ESCAPES, *texts.DIRECTIVES):
        content = SPEC + f"[instruments.by_symbol.{_toml(text)}]\nscale = 2\n"
        yield _spec(study, "spec", f"symbol {text[:30]!r}", content)


def _generated(parameters: str) -> str:
    return SPEC.replace(
        'path = "prices.csv"',
        f'generated = "tieout.strategies.universe:generate"\nparameters = {{ {parameters} }}',
    )


def code_that_a_spec_names(study: Study) -> Iterator[Input]:
    """Name other objects as the strategy, or as the function that generates the bars.

    To run a spec is to run the code that it names. A name that does not name a strategy runs nothing else.
    """
    for name in texts.modules(study.bait):
        module = name.partition(":")[0]
        names = (module, f"{module}.py") if ":" in name else ()
        content = SPEC.replace('"swing.py:Swing"', _toml(name))
        yield _spec(study, "code that a spec names", f"strategy = {name[:50]!r}", content, *names)
        content = SPEC.replace('path = "prices.csv"', f"generated = {_toml(name)}")
        yield _spec(study, "code that a spec names", f"generated = {name[:50]!r}", content, *names)


def paths_that_a_spec_names(study: Study) -> Iterator[Input]:
    """Name other files as the bars, the features, the program and the journal."""
    for name in texts.paths(study.bait):
        quoted = _toml(name)
        yield _spec(
            study,
            "path that a spec names",
            f"bars = {name[:50]!r}",
            SPEC.replace('"prices.csv"', quoted),
            name,
        )
        yield _spec(
            study,
            "path that a spec names",
            f"features = {name[:50]!r}",
            SPEC + f"[[features]]\npath = {quoted}\n",
            name,
        )
        if name.startswith(("/etc", "/proc")):
            continue  # a command that fails might replace it
        yield _spec(
            study, "path that a spec names", f"journal = {name[:50]!r}", SPEC + f"journal = {quoted}\n", name
        )


def fills(study: Study) -> Iterator[Input]:
    """Write files of fills with hostile symbols, numbers, times, columns and shapes."""
    header, day = "timestamp,symbol,quantity,price,fee", "2024-03-04T00:00:00"

    def file(name: str, content: str | bytes, suffix: str = "csv", text: str = "transfer") -> Input:
        def write(folder: Path) -> Path:
            path = folder / f"fills.{suffix}"
            path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "replace"))
            return path

        return Input("fills", name, write, text)

    for text in (*texts.FORMULAS, *texts.ESCAPES, *texts.DIRECTIVES, *texts.statements(study.bait)):
        cell = '"' + text.replace('"', '""') + '"'
        yield file(f"symbol {text[:40]!r}", f"{header}\n{day},{cell},1,10,0\n", text=text)
        yield file(f"column {text[:40]!r}", f"{header},{cell}\n{day},A,1,10,0,1\n", text=text)
        yield file(f"number {text[:40]!r}", f"{header}\n{day},A,{cell},10,0\n", text=text)
    for number in (
        "1e308",
        "-1e308",
        "9" * 400,
        "nan",
        "inf",
        "5e-324",
        "0x10",
        "1_000",
        "9223372036854775808",
    ):
        yield file(f"quantity {number[:20]}", f"{header}\n{day},A,{number},10,0\n")
        yield file(f"price {number[:20]}", f"{header}\n{day},A,1,{number},0\n")
    for time in ("99999-01-01", "-1", "9223372036854775807", "2024-02-30", "1e30", ""):
        yield file(f"time {time}", f"{header}\n{time},A,1,10,0\n")
    shapes: dict[str, str | bytes] = {
        "empty": "",
        "only a header": header,
        "only line breaks": "\n" * 100_000,
        "open quotation mark": f'{header}\n"{day},A,1,10,0\n' * 100,
        "a million columns": ",".join(f"c{n}" for n in range(100_000)) + "\n1\n",
        "a column twice": f"{header},{header}\n{day},A,1,10,0,{day},A,1,10,0\n",
        "NUL": f"{header}\n\x00\n",
        "UTF-16": f"{header}\n{day},A,1,10,0\n".encode("utf-16"),
        "byte order mark": b"\xef\xbb\xbf" + f"{header}\n{day},A,1,10,0\n".encode(),
        "not UTF-8": b"timestamp,symbol\n\xff\xfe\x80,\xc0\n",
        "gzip": b"\x1f\x8b\x08\x00" + bytes(100),
        "zstd": b"\x28\xb5\x2f\xfd" + bytes(100),
    }
    for name, content in shapes.items():
        yield file(name, content)
        yield file(f"{name}, as Parquet", content, "parquet")


def queries(study: Study) -> Iterator[Input]:
    """Give queries that are not for the journal."""
    for query in texts.queries(study.bait):

        def write(folder: Path) -> Path:
            return Path(copy(study.journal, folder / "books.duckdb"))

        yield Input("query", query[:60], write, query=query)


def file_names(study: Study) -> Iterator[Input]:
    """Give hostile names to the file of a journal."""
    names = (
        "x'; copy (select 1) to 'planted.csv'; --.duckdb",
        'x" as y; --.duckdb',
        "a\nb.duckdb",
        "a\x1b[2J.duckdb",
        "\u202ebdkcud.x",
        "=1+1.duckdb",
        "-rf.duckdb",
        "--help",
        "%s{0}$HOME~.duckdb",
        "x?access_mode=read_write",
        "x.duckdb;attach",
        "*.duckdb",
        "[a-z].duckdb",
        "sqlite:x.db",
        ":memory:",
        "md:x",
        "s3:x",
        "x.csv",
        "x.parquet",
        "x.toml",
        "x.json",
        "x.duckdb.wal",
        "CON",
        "e\u0301\u00e9.duckdb",
        "a" * 200 + ".duckdb",
        "\ud800.duckdb",
    )
    for name in names:

        def write(folder: Path, name: str = name) -> Path:
            path = folder / os.fsdecode(name.encode("utf-8", "surrogatepass"))
            copy(study.journal, path)
            return path

        yield Input("file name", repr(name[:40]), write, text=name.replace("\ud800", "?"))


def files_of_other_bytes(study: Study) -> Iterator[Input]:
    """Write files that are no journal, or only a part of one."""
    contents: dict[str, Callable[[bytes], bytes]] = {
        "empty": lambda _: b"",
        "one byte": lambda _: bytes(1),
        "cut": lambda whole: whole[: len(whole) // 2],
        "header only": lambda whole: whole[:_HEADERS],
        "turned": lambda whole: whole[::-1],
        "SQLite": lambda _: b"SQLite format 3\x00" + bytes(4_096),
        "Parquet": lambda _: b"PAR1" + bytes(100) + b"PAR1",
        "CSV": lambda _: b"a,b\n=1+1,2\n",
        "Python": lambda _: b"open('planted','w')\n",
        "pickle": lambda _: b"cos\nsystem\n(S'true'\ntR.",
        "zeros": lambda _: bytes(100_000),
        "a journal": lambda whole: whole,
        "SQL": lambda _: b"attach 'planted.duckdb'; " * 100,
    }
    for name, change in contents.items():
        yield _bytes(study, name, change)
        yield _bytes(study, f"a journal, as its WAL: {name}", lambda whole: whole, change)
    for place in range(0, _HEADERS, 1_024):
        yield _bytes(study, f"16 bytes at {place}", partial(_overwritten, place))


def _overwritten(place: int, whole: bytes) -> bytes:
    return whole[:place] + b"\xff" * 16 + whole[place + 16 :]


def _bytes(
    study: Study, name: str, change: Callable[[bytes], bytes], wal: Callable[[bytes], bytes] | None = None
) -> Input:
    def write(folder: Path) -> Path:
        path, whole = folder / "books.duckdb", study.journal.read_bytes()
        path.write_bytes(change(whole))
        if wal is not None:
            (folder / "books.duckdb.wal").write_bytes(wal(whole))
        return path

    return Input("bytes", name, write)


def what_is_no_file(study: Study) -> Iterator[Input]:
    """Give folders, pipes, sockets and links in the place of a file."""

    def folder_(folder: Path) -> Path:
        (folder / "books.duckdb").mkdir()
        return folder / "books.duckdb"

    def missing(folder: Path) -> Path:
        return folder / "nowhere" / "books.duckdb"

    def link_to_bait(folder: Path) -> Path:
        (folder / "books.duckdb").symlink_to(study.bait / "secret.csv")
        return folder / "books.duckdb"

    def circle(folder: Path) -> Path:
        (folder / "books.duckdb").symlink_to(folder / "books.duckdb")
        return folder / "books.duckdb"

    def pipe(folder: Path) -> Path:
        os.mkfifo(folder / "books.duckdb")
        return folder / "books.duckdb"

    def listening(folder: Path) -> Path:
        with socket(AF_UNIX) as place:
            here = Path.cwd()
            os.chdir(folder)
            place.bind("books.duckdb")
            os.chdir(here)
        return folder / "books.duckdb"

    makers: dict[str, Any] = {
        "folder": folder_,
        "missing": missing,
        "circle of links": circle,
        "socket": listening,
    }
    for name, write in makers.items():
        yield Input("what is no file", name, write)
    yield Input("what is no file", "pipe", pipe, only=("verify",))
    yield Input(
        "what is no file", "link to another file", link_to_bait, names=(str(study.bait / "secret.csv"),)
    )
