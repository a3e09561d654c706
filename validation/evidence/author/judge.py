"""The judge: which events, outputs and ends of a call go beyond what it names."""

import csv
import math
import os
import re
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from pathlib import Path

from attrs import frozen

from tieout.execution.kernels.compiled import FOLDER
from tieout.ledger.file import doctor
from tieout.ledger.product import product_files
from tieout.validation.evidence.author.drivers import Invocation
from tieout.validation.evidence.author.strace import Event
from tieout.validation.evidence.author.texts import CANARY

_OPENS = {"open", "openat", "openat2", "creat", "open_by_handle_at"}
_CHANGES = re.compile(
    r"mkdir|rmdir|unlink|rename|link|symlink|mknod|chmod|fchmod|chown|lchown|fchown|truncate|utime|futimes"
    r"|setxattr|lsetxattr|removexattr|lremovexattr|mount|umount|chroot|pivot_root|swapon|acct"
)
_NETWORK = {
    "connect",
    "bind",
    "listen",
    "accept",
    "accept4",
    "sendto",
    "sendmsg",
    "sendmmsg",
    "io_uring_setup",
}
_WRITES = ("O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC", "O_APPEND")
_CODE = (".py", ".pyc", ".so", ".pth")
_COMPANIONS = re.compile(
    r"\.wal(?:\.checkpoint|\.recovery|\.new)?|\.damaged-\d+(?:\.wal.*)?|\.partial.*|\.part"
)
_CLAIMS = re.compile(r"\.lock|\.[0-9a-f]{32}\.new(?:\.wal.*)?")
"""The hidden files of a claim on a path, after its name."""
_SYSTEM = re.compile(
    r"/dev/(?:null|urandom|random|tty)"
    r"|/proc/(?:self|\d+|self/task/\d+)/(?:maps|stat|status|cgroup|mountinfo|fd|task|comm|mounts|exe|cmdline)"
    r"|/proc/(?:cpuinfo|meminfo|stat|mounts|filesystems|version|sys/vm/\w+|sys/kernel/\w+)"
    r"|/sys/(?:fs/cgroup|devices/system|kernel/mm)(?:/.*)?"
    r"|/etc/(?:ld\.so\.cache|ld\.so\.preload|localtime|timezone|os-release|passwd|group|nsswitch\.conf)"
    r"|/etc/locale\.alias|/var/tmp/polars-[^/]*/spill|.*/openssl\.cnf|.*/python3[.\d]*\._pth|.*/pybuilddir\.txt"
    r"|/etc/(?:mime\.types|ssl/openssl\.cnf|malloc\.conf|debian_version|lsb-release|terminfo/.*)"
    r"|/(?:usr/)?(?:local/)?lib(?:64|exec)?/.*"
    r"|/usr/share/(?:zoneinfo|locale|terminfo|mime)(?:/.*)?"
)
"""Files that Python and the C library need. No input may add to them."""
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_DIRECTIVE = re.compile(
    r'^\s*(?:(?:plugin|include|pushtag|poptag|comment|end comment|alias)\b|option\s+"insert_pythonpath")'
)


@frozen
class Violation:
    """Something of a *kind* that a call did and that it was not asked for."""

    kind: str
    text: str


@frozen
class Allowed:
    """The places of every call: folders of programs to read, and a folder of temporary files to write."""

    readable: tuple[str, ...]
    writable: tuple[str, ...]

    @classmethod
    def here(cls, temporary: Path) -> "Allowed":
        """Return what this interpreter and this installation need."""
        paths = sysconfig.get_paths()
        programs = [paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")]
        base = sysconfig.get_paths(vars={"base": sys.base_prefix, "platbase": sys.base_prefix})
        programs += [base[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")]
        programs += [sys.executable, f"{sys.prefix}/pyvenv.cfg", f"{sys.prefix}/bin/pyvenv.cfg"]
        programs += [str(Path(sys.executable).parent), f"{sys.base_prefix}/lib"]
        programs += [str(path) for path in product_files("tieout").values()]
        programs += [str(_home()), *(folder for folder in sys.path if Path(folder).is_absolute())]
        writable = [str(temporary), str(FOLDER), str(FOLDER.parent)]
        return cls(tuple(_both(programs)), tuple(_both(writable)))


def _home() -> Path:
    """Return the folder of the installed product, or of its checkout."""
    return Path(doctor.__file__).resolve().parents[2]


def _both(paths: Iterable[str]) -> Iterator[str]:
    """Yield each path as named, and with its links followed."""
    for path in paths:
        yield os.path.normpath(path)
        yield os.path.realpath(path)


def judged(events: Iterable[Event], call: Invocation, allowed: Allowed) -> list[Violation]:
    """List the violations among the events of one call."""
    return list(dict.fromkeys(v for event in events if (v := _violation(event, call, allowed)) is not None))


def _violation(event: Event, call: Invocation, allowed: Allowed) -> Violation | None:
    if event.name.startswith("execve"):
        return (
            None
            if _is_of_doctor(event, call)
            else Violation("execve", f"{event.name} {event.arguments[:300]}")
        )
    if event.name in _NETWORK:
        return Violation("connect", f"{event.name} {event.arguments[:300]}")
    if event.name in _OPENS:
        return _of_open(event, call, allowed)
    if event.name.startswith("mkdir") and (not event.succeeded or _holds(event.paths, call.writes)):
        return None  # a folder that is there already, or that a file needs which may be written
    if _CHANGES.match(event.name):
        paths = [path for path in event.paths if not _may_write(path, call, allowed)]
        return Violation("write", f"{event.name} {paths[0]}") if paths else None
    return None


def _of_open(event: Event, call: Invocation, allowed: Allowed) -> Violation | None:
    (path,) = event.paths or ("",)
    tried = "" if event.succeeded else "tried: "
    if any(flag in event.arguments for flag in _WRITES) or event.name == "creat":
        return None if _may_write(path, call, allowed) else Violation("write", f"{tried}{path}")
    if "O_DIRECTORY" in event.arguments and path in {*_both(str(Path(name).parent) for name in call.reads)}:
        return None  # the files beside a file that was named are listed
    if _may_read(path, call, allowed):
        return None
    return Violation("import" if path.endswith(_CODE) else "read", f"{tried}{path}")


def _is_of_doctor(event: Event, call: Invocation) -> bool:
    """Check whether a process is the one that doctor starts: this interpreter, its own text, and the file."""
    look = doctor._LOOK.partition(";")[2].strip()  # noqa: SLF001  what it starts is named exactly
    return (
        call.command == "doctor"
        and event.paths[:1] == (sys.executable,)
        and look in event.arguments.replace("\\", "")
    )


def _may_read(path: str, call: Invocation, allowed: Allowed) -> bool:
    return (
        _SYSTEM.fullmatch(path) is not None
        or _is_named(path, call.reads)
        or _is_below(path, allowed.readable)
        or _may_write(path, call, allowed)
    )


def _may_write(path: str, call: Invocation, allowed: Allowed) -> bool:
    return path == os.devnull or _is_named(path, call.writes) or _is_below(path, allowed.writable)


def _is_named(path: str, names: Iterable[str]) -> bool:
    """Check whether a path is one that a call names, lies below one, or is a companion of one."""
    for name in _both(names):
        if path == name or path.startswith(f"{name}/"):
            return True
        if path.startswith(name) and _COMPANIONS.fullmatch(path[len(name) :]):
            return True
        if "?" in name and path == name.replace("?", ".wal?", 1):
            return True  # DuckDB takes the rest of such a name for options
        hidden = str(Path(name).with_name(f".{Path(name).name}"))
        if path.startswith(hidden) and _CLAIMS.fullmatch(path[len(hidden) :]):
            return True
    return False


def _holds(folders: Iterable[str], names: Iterable[str]) -> bool:
    """Check whether each of some folders is one above a path that a call names."""
    every = [*_both(names)]
    return all(any(name.startswith(f"{folder}/") for name in every) for folder in folders)


def _is_below(path: str, folders: Iterable[str]) -> bool:
    return any(path == folder or path.startswith(f"{folder.rstrip('/')}/") for folder in folders)


# --- what a call printed and wrote --------------------------------------------------------------------


def of_output(output: str, *, may_leak: bool = False) -> list[Violation]:
    """List the violations in what a call printed."""
    violations = []
    if match := _CONTROL.search(output):
        around = output[max(0, match.start() - 20) : match.end() + 20]
        violations.append(Violation("terminal", f"{match[0]!r} in {around!r}"))
    if not may_leak and CANARY in output:
        violations.append(Violation("leak", "the contents of a file that was not named are printed"))
    return violations


def of_files(folder: Path) -> list[Violation]:
    """List the violations in the files of an export."""
    violations = []
    for path in sorted(folder.rglob("*")) if folder.is_dir() else []:
        if not path.is_file() or path.is_symlink():
            continue
        content = path.read_bytes()
        if CANARY.encode() in content:
            violations.append(Violation("leak", f"{path.name} has the contents of a file that was not named"))
        text = content.decode("utf-8", "replace")
        if path.suffix in {".beancount", ".hledger", ".journal"}:
            lines = re.split("[\n\r\x0b\x0c\x85\u2028\u2029]", text)
            violations += [
                Violation("directive", f"{path.name}: {x[:80]!r}") for x in lines if _DIRECTIVE.match(x)
            ]
        if path.suffix == ".csv":
            violations += [Violation("formula", f"{path.name}: {cell[:80]!r}") for cell in _formulas(text)]
    return violations


def _formulas(text: str) -> Iterator[str]:
    for row in csv.reader(text.splitlines(keepends=True)):
        yield from (cell for cell in row if cell[:1] in {*"=+-@\t\r"} and not _is_number(cell))


def _is_number(cell: str) -> bool:
    try:
        return math.isfinite(float(cell)) and cell == cell.strip()
    except ValueError:
        return False
