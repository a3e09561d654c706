"""The closed list of checks over a journal's file.

First the seals: is the file what was written? Then every check of every room, in SQL: is what was written
right? A check is two views, `check_NAME` with the rows that must not exist and `examined_NAME` with how much
there was to look at; where that is nothing, the check is not applicable.
"""

import re
from collections.abc import Callable
from enum import Enum

import numpy as np
from attrs import field, frozen

from tieout.ledger.errors import DamagedFile
from tieout.ledger.file import chain, seal
from tieout.ledger.file.database import explained
from tieout.ledger.file.reader import Reader

SHOWN = 5
"""How many findings of one check are told in full."""


class Outcome(Enum):
    """How a check ended."""

    OK = "ok"
    FAILED = "FAILED"
    NOT_APPLICABLE = "not applicable"


@frozen
class Result:
    """One check: its name, what it means in a sentence, how much it examined and what it found."""

    name: str
    title: str
    outcome: Outcome
    examined: int
    findings: list[str] = field(factory=list)


@frozen
class Report:
    """All checks of a file, and the digests that identify it.

    *head* is the digest of the last seal; kept elsewhere, it is the anchor that shows a cut tail.
    *file_digest* covers the head and the provenance.
    """

    results: list[Result]
    head: str
    file_digest: str
    blocks: int

    @property
    def ok(self) -> bool:
        """Whether no check failed."""
        return all(result.outcome is not Outcome.FAILED for result in self.results)


def verify(
    reader: Reader,
    anchor: str | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> Report:
    """Check a file; *anchor* is a head digest noted earlier, 16 hex digits of it or more.

    *progress* is called with the name of what is being done, how far it is and of how much.
    """
    results = [_seals(reader, anchor, progress)]
    checks = [(name, sql) for schema in reader.schemas for name, sql in schema.checks.items()]
    for number, (name, sql) in enumerate(checks):
        if progress is not None:
            progress(name, number, len(checks))
        results.append(_check(reader, name, sql))
    sealed = chain.seals(reader)
    head = sealed[-1].digest if sealed else chain.genesis(reader).hex()
    return Report(results, head, file_digest(reader, head), len(sealed))


def file_digest(reader: Reader, head: str) -> str:
    """The digest of a file as it stands: of its head and of where it was made."""
    row = reader.connection.execute("from provenance").fetchnumpy()
    provenance = {name: np.ma.getdata(values) for name, values in row.items()}
    return seal.digest(bytes.fromhex(head), [("provenance", provenance)]).hex()


def _seals(reader: Reader, anchor: str | None, progress: Callable[[str, int, int], None] | None) -> Result:
    def step(done: int, of: int) -> None:
        if progress is not None:
            progress("seals", done, of)

    with explained(reader.path, DamagedFile):
        findings = [str(departure) for departure in chain.broken(reader, anchor, step)]
        blocks = len(chain.seals(reader))
    return Result(
        "seals",
        "every block has the digest that it was sealed with, and the chain is whole",
        Outcome.FAILED if findings else Outcome.OK,
        blocks,
        findings,
    )


def _check(reader: Reader, name: str, sql: str) -> Result:
    """Run one check. A file so damaged that the query cannot be answered has failed it."""
    title = sql.split(":", 1)[1].split(".\n", maxsplit=1)[0].replace("\n--", "").strip()
    run = reader.connection.execute
    try:
        with explained(reader.path, DamagedFile):
            ((examined,),) = run(f'select rows from "examined_{name}"').fetchall()  # noqa: S608  our own names
            rows = run(f'select subject, actual, expected from "check_{name}"').fetchall()  # noqa: S608
            rows.sort(key=_in_order_of_numbers)
    except DamagedFile as error:
        return Result(name, title, Outcome.FAILED, 0, [str(error)])
    findings = [f"{subject}: {actual}; expected: {expected}" for subject, actual, expected in rows[:SHOWN]]
    if len(rows) > SHOWN:
        findings.append(f"and {len(rows) - SHOWN} more")
    if rows:
        return Result(name, title, Outcome.FAILED, examined, findings)
    return Result(name, title, Outcome.OK if examined else Outcome.NOT_APPLICABLE, examined)


def _in_order_of_numbers(row: tuple[str, ...]) -> list[list[str | int]]:
    """A key that puts `transaction 9` before `transaction 10`: the findings told are the same each time."""
    parts = [re.split(r"(\d+)", text) for text in row]
    return [[int(part) if part.isdecimal() else part for part in text] for text in parts]
