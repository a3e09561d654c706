"""strace as the witness: its options, and what its log says of files, processes and networks."""

import os
import re
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from attrs import frozen

from tieout.validation.evidence.author.worker import END, MARKER

_CALLS = "%file,%process,%network,io_uring_setup,open_by_handle_at"
_WHOLE = re.compile(r"(\d+) +(\w+)\((.*)\) += (.*)$")
_BEGUN = re.compile(r"(\d+) +(\w+)\((.*?) *<unfinished \.\.\.>$")
_RESUMED = re.compile(r"(\d+) +<\.\.\. (\w+) resumed>(.*)\) += (.*)$")
_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"')
_FOLDER = re.compile(r"(?:AT_FDCWD|\d+)<((?:[^>\\]|\\.)*)>")
_RESULT = re.compile(r"\d+<((?:[^>\\]|\\.)*)>")
_ESCAPE = re.compile(rb"\\(?:([0-7]{1,3})|x([0-9a-f]{2})|(.))")
_LETTERS = {b"n": b"\n", b"t": b"\t", b"r": b"\r", b"v": b"\v", b"f": b"\f", b"a": b"\a", b"b": b"\b"}


class NoWitness(Exception):
    """strace is not installed, or may not trace."""


@frozen
class Event:
    """A system call: its *name*, *arguments* as logged, the *paths* that it names, and whether it succeeded.

    *section* is the number of the call of a command, -1 before the first.
    """

    section: int
    name: str
    arguments: str
    paths: tuple[str, ...]
    succeeded: bool


def command(log: Path) -> list[str]:
    """Return the command that traces another one and all of its children into *log*."""
    strace = shutil.which("strace")
    if strace is None:
        raise NoWitness("strace is not installed: install the package strace")
    options = ["-f", "--seccomp-bpf", "-qq", "-y", "-s", "8192", "-e", f"trace={_CALLS}", "-e", "signal=none"]
    return [strace, *options, "-o", str(log), "--"]


def events(log: Path) -> Iterator[Event]:
    """Read the log of one traced process and its children."""
    with log.open(encoding="utf-8", errors="surrogateescape") as lines:
        yield from parsed(lines)


def parsed(lines: Iterable[str]) -> Iterator[Event]:
    """Read the lines of a log. A call that never returned counts as one that did not succeed."""
    section = -1
    begun: dict[str, tuple[str, str]] = {}
    for line in lines:
        text = line.rstrip("\n")
        if match := _BEGUN.match(text):
            begun[match[1]] = (match[2], match[3])
            continue
        if match := _RESUMED.match(text):
            name, start = begun.pop(match[1], (match[2], ""))
            arguments, result = start + match[3], match[4]
        elif match := _WHOLE.match(text):
            _, name, arguments, result = match.groups()
        else:
            continue
        if f'"{MARKER}' in arguments:
            place = arguments.partition(MARKER)[2].partition('"')[0]
            section = section + 1 if place == END else int(place)
            continue
        yield _event(section, name, arguments, result)
    for name, arguments in begun.values():
        yield _event(section, name, arguments, "?")


def _event(section: int, name: str, arguments: str, result: str) -> Event:
    succeeded = not result.startswith(("-1 ", "?"))
    strings = [decoded(text) for text in _STRING.findall(arguments)]
    folders = [decoded(text) for text in _FOLDER.findall(arguments)]
    paths = [os.path.normpath(Path(folders[0] if folders else "") / text) for text in strings]
    if name.startswith(("open", "creat")):
        # An open file has its real path, with links followed.
        opened = _RESULT.match(result)
        paths = [decoded(opened[1])] if opened else paths[:1]
    if name.startswith(("symlink", "execve")):
        paths = paths[-1:] if name.startswith("symlink") else paths[:1]
    return Event(section, name, arguments, tuple(paths), succeeded)


def decoded(text: str) -> str:
    """Return a text that strace has escaped."""

    def character(match: re.Match[bytes]) -> bytes:
        octal, hexadecimal, letter = match.groups()
        if octal:
            return bytes([int(octal, 8) & 0xFF])
        return bytes([int(hexadecimal, 16)]) if hexadecimal else _LETTERS.get(letter, letter)

    return os.fsdecode(_ESCAPE.sub(character, os.fsencode(text)))
