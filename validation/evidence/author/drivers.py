"""The drivers of the commands: each gives an input to one command, and says what that names.

Every registered command has a driver. A test fails for one without.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import typer
from attrs import frozen

from tieout.ledger.application import application
from tieout.ledger.export import FORMATS
from tieout.ledger.sign.keys import public_path
from tieout.validation.evidence.author.base import KEY
from tieout.validation.evidence.author.inputs import Input

SUBJECTS = ("order", "fill", "transaction")
FORMS = ("table", "csv", "json")
DEMO_SHARE, BENCH_SHARE = 40, 10
"""One input in so many goes to the command. It takes seconds, and reads no file of others."""


@frozen
class Place:
    """The places of one input: its file, a folder for what commands write, and the honest study."""

    path: Path
    output: Path
    study: Path
    views: tuple[str, ...]
    tables: tuple[str, ...]


@frozen
class Invocation:
    """One call of a command. *reads* and *writes* are the files and folders that it names."""

    command: str
    arguments: tuple[str, ...]
    reads: tuple[str, ...]
    writes: tuple[str, ...] = ()


Driver = Callable[[Input, Place, int], list[Invocation]]


def _read(command: str, place: Place, *options: str, writes: tuple[Path, ...] = ()) -> list[Invocation]:
    path = str(place.path)
    return [Invocation(command, (path, *options), (path,), tuple(map(str, writes)))]


def _verify(item: Input, place: Place, turn: int) -> list[Invocation]:
    if turn % 7 == 0:
        return _read("verify", place, "--anchor", item.text)
    if turn % 7 > 1:
        return _read("verify", place)
    # The file is given as a note as well.
    path, key = str(place.path), str(public_path(place.study / KEY))
    return [Invocation("verify", (path, "--signed", path, "--pub", key), (path, key))]


def _sign(item: Input, place: Place, turn: int) -> list[Invocation]:
    path, key, note = str(place.path), str(place.study / KEY), str(place.output / "signed.note")
    if turn % 5 == 0:
        new = str(place.output / "new.key")
        options = ("--key", new, "--new-key", f"--origin={item.text}", "--output", note)
        return _read("sign", place, *options, writes=(place.output,))
    return [Invocation("sign", (path, "--key", key, "--output", note), (path, key), (note,))]


def _show(item: Input, place: Place, turn: int) -> list[Invocation]:
    view = item.text if turn % 3 == 0 else place.views[turn % len(place.views)]
    form = ["--format", FORMS[turn % len(FORMS)]]
    return _read("show", place, *form, *(["--at", item.text] if turn % 11 == 0 else []), "--", view)


def _sql(item: Input, place: Place, turn: int) -> list[Invocation]:
    query = (
        item.query if turn % 2 or item.kind == "query" else f"from {place.tables[turn % len(place.tables)]}"
    )
    unverified = ["--unverified"] if turn % 4 == 0 else []
    return _read("sql", place, "--format", FORMS[turn % len(FORMS)], *unverified, "--", query)


def _trace(item: Input, place: Place, turn: int) -> list[Invocation]:
    del item
    unverified = ["--unverified"] if turn % 4 == 1 else []
    return _read("trace", place, f"--{SUBJECTS[turn % len(SUBJECTS)]}", "1", *unverified)


def _export(item: Input, place: Place, turn: int) -> list[Invocation]:
    del item
    form = list(FORMATS)[turn % len(FORMATS)]
    output = place.output / form
    unverified = ["--unverified"] if turn % 8 >= 4 else []
    return _read("export", place, "--format", form, "--output", str(output), *unverified, writes=(output,))


def _doctor(item: Input, place: Place, turn: int) -> list[Invocation]:
    del item, turn
    # It copies a damaged file to a name beside it, and cuts the WAL.
    names = (str(place.path), f"{place.path}.damaged-1", f"{place.path}.wal")
    return _read("doctor", place, writes=tuple(map(Path, names)))


def _run(item: Input, place: Place, turn: int) -> list[Invocation]:
    folder = place.path.parent
    paths = tuple(_below(folder, name) for name in item.names)
    path = str(place.path)
    if turn % 2 and item.names:
        # Without the option the journal goes where the spec says.
        writes = (*paths, str(place.path.with_suffix(".duckdb")))
        return [Invocation("run", (path,), (path, *paths), writes)]
    journal = str(place.output / "run.duckdb")
    return [Invocation("run", (path, "--journal", journal), (path, *paths), (journal,))]


def _below(folder: Path, name: str) -> str:
    return str(folder / name.replace("\x00", ""))


def _reperform(item: Input, place: Place, turn: int) -> list[Invocation]:
    del item
    if turn % 4 == 0:
        return _read("reperform", place)
    path, study = str(place.path), str(place.study)
    return [Invocation("reperform", (path, "--data-dir", study), (path, study))]


def _compare(item: Input, place: Place, turn: int) -> list[Invocation]:
    path, study = str(place.path), str(place.study)
    engine = ("--against", ("vectorbt", "backtrader")[turn % 2])
    if item.names:
        paths = tuple(_below(place.path.parent, name) for name in item.names)
        return [Invocation("compare", (path, *engine), (path, *paths))]
    return [Invocation("compare", (path, *engine, "--data-dir", study), (path, study))]


def _demo(item: Input, place: Place, turn: int) -> list[Invocation]:
    del item
    if turn % DEMO_SHARE:
        return []
    # It comes last: it may take the place of an earlier journal of that name.
    return _read("demo", place, writes=(place.path,))


def _bench(item: Input, place: Place, turn: int) -> list[Invocation]:
    del place
    if turn % BENCH_SHARE:
        return []
    return [Invocation("bench", ("--only", f"x{item.text}"), ())]


def _audit(item: Input, place: Place, turn: int) -> list[Invocation]:
    role = ("fills", "prices", "claims", "flows")[0 if item.kind == "fills" else turn % 4]
    files = {name: str(place.study / f"{name}.csv") for name in ("fills", "prices", "claims")}
    files |= {role: str(place.path)}
    journal = str(place.output / "audit.duckdb")
    options = ["--journal", journal] if turn % 2 else []
    if turn % 3 == 0:
        options += ["--columns", f"fills.price={item.text}"]
    arguments = [part for name, file in files.items() for part in (f"--{name}", file)]
    return [Invocation("audit", (*arguments, *options), tuple(files.values()), (journal,))]


DRIVERS: Mapping[str, Driver] = {
    "verify": _verify,
    "sign": _sign,
    "show": _show,
    "sql": _sql,
    "trace": _trace,
    "export": _export,
    "doctor": _doctor,
    "run": _run,
    "reperform": _reperform,
    "compare": _compare,
    "bench": _bench,
    "audit": _audit,
    "demo": _demo,
}
"""The driver of each command, in the order of the calls."""


def registered() -> list[str]:
    """Return the names of all commands."""
    command: Any = typer.main.get_command(application())
    return list(command.commands)


def invocations(item: Input, place: Place, turn: int) -> list[Invocation]:
    """Give an input to every command. *turn* chooses views, tables and formats."""
    return [call for name in item.only or DRIVERS for call in DRIVERS[name](item, place, turn)]
