"""The closed list of checks over a journal's file.

The seals come first: is the file as it was written? Then come the checks of every package, in SQL: are the
entries correct? A check is two views. `check_NAME` has the rows that must not exist, and `examined_NAME` the
number of rows examined. A check that examined no rows is not applicable.
"""

import re
from collections.abc import Callable
from enum import Enum

from attrs import field, frozen

from tieout.ledger.errors import DamagedFile, TimeLimitReached
from tieout.ledger.file import chain
from tieout.ledger.file.anchor import Witness
from tieout.ledger.file.database import explain_errors
from tieout.ledger.file.limits import default_limit, time_limit
from tieout.ledger.file.reader import Reader

FINDINGS_IN_FULL = 5
"""Number of findings of one check that are listed in full."""

# Three dots in "0, 1, 2, ..." end no sentence.
_SENTENCE_END = re.compile(r"(?<!\.)\.\s")


class Outcome(Enum):
    """The outcome of a check."""

    OK = "ok"
    FAILED = "FAILED"
    NOT_APPLICABLE = "not applicable"
    NOT_EXAMINED = "NOT EXAMINED"


class Opinion(Enum):
    """The opinion on a file, in the words of auditors."""

    UNQUALIFIED = "unqualified"
    ADVERSE = "adverse"
    DISCLAIMER = "disclaimer"


@frozen
class Result:
    """One check: its name, its meaning in a sentence, the number of rows examined, and its findings."""

    name: str
    title: str
    outcome: Outcome
    examined: int
    findings: list[str] = field(factory=list)


@frozen
class Report:
    """All checks of a file, and the digests that identify it.

    *head* is the digest of the last seal. *file_digest* covers it and the provenance. Noted elsewhere, either
    is the anchor that reveals a tail cut off. *gaps* name what could not be examined. *wal* is the name of
    the WAL that was read with the file, empty where there was none.
    """

    results: list[Result]
    head: str
    file_digest: str
    blocks: int
    gaps: list[str]
    wal: str

    @property
    def opinion(self) -> Opinion:
        """The opinion: adverse where a check failed, a disclaimer where a part could not be examined."""
        if any(result.outcome is Outcome.FAILED for result in self.results):
            return Opinion.ADVERSE
        return Opinion.DISCLAIMER if self.gaps else Opinion.UNQUALIFIED

    @property
    def ok(self) -> bool:
        """Check whether everything was examined and no check failed."""
        return self.opinion is Opinion.UNQUALIFIED

    @property
    def is_sealed(self) -> bool:
        """Check whether the file is as it was sealed, and as it was noted elsewhere."""
        return self.results[0].outcome is not Outcome.FAILED


def verify(
    reader: Reader,
    anchor: Witness | None = None,
    progress: Callable[[str, int, int], None] | None = None,
    *,
    show: Callable[[Result], None] | None = None,
    limit: float | None = None,
) -> Report:
    """Check a file against itself, and against *anchor* where something was noted of it elsewhere.

    *progress* is called with the name of a step, the parts of it that are finished, and all its parts. *show*
    is called with each result at once. A check may take *limit* seconds, by default by the size of the file.
    """
    limit = default_limit(reader.path) if limit is None else limit
    results: list[Result] = []

    def add(result: Result) -> None:
        results.append(result)
        if show is not None:
            show(result)

    add(_seals(reader, anchor, progress))
    checks = [(name, sql) for schema in reader.schemas for name, sql in schema.checks.items()]
    gaps = [*reader.gaps]
    for number, (name, sql) in enumerate(checks):
        if progress is not None:
            progress(name, number, len(checks))
        try:
            with time_limit(reader.path, limit, reader.tables):
                result = _check(reader, name, sql)
        except TimeLimitReached as error:
            gaps.append(f"the check {name} did not end: {error}")
            result = Result(name, _title(sql), Outcome.NOT_EXAMINED, 0)
        add(result)
    seals = chain.seals(reader)
    head = seals[-1].digest if seals else chain.genesis(reader).hex()
    (file_digest,) = chain.file_digests(reader, [head])
    return Report(results, head, file_digest, len(seals), gaps, reader.wal)


def _seals(
    reader: Reader, anchor: Witness | None, progress: Callable[[str, int, int], None] | None
) -> Result:
    def step(number: int, count: int) -> None:
        if progress is not None:
            progress("seals", number, count)

    with explain_errors(reader.path, DamagedFile):
        findings = [str(departure) for departure in chain.departures(reader, anchor, step)]
        blocks = len(chain.seals(reader))
    return Result(
        "seals",
        "every block has its sealed digest, and the chain is whole",
        Outcome.FAILED if findings else Outcome.OK,
        blocks,
        findings,
    )


def _check(reader: Reader, name: str, sql: str) -> Result:
    """Run one check. It fails where damage to the file keeps the query from being answered."""
    title = _title(sql)
    query = f'select subject, actual, expected from "check_{name}"'  # noqa: S608  a name of a check
    try:
        with explain_errors(reader.path, DamagedFile):
            ((examined,),) = reader.execute(f'select rows from "examined_{name}"').fetchall()  # noqa: S608
            rows = reader.execute(query).fetchall()
            # A row of a forged file may have no number, so a finding may have no text.
            rows = [tuple("NULL" if text is None else text for text in row) for row in rows]
            rows.sort(key=_natural_sort_key)
    except DamagedFile as error:
        return Result(name, title, Outcome.FAILED, 0, [str(error)])
    findings = [
        f"{subject}: {actual}; expected: {expected}" for subject, actual, expected in rows[:FINDINGS_IN_FULL]
    ]
    if len(rows) > FINDINGS_IN_FULL:
        findings.append(f"and {len(rows) - FINDINGS_IN_FULL} more")
    if rows:
        return Result(name, title, Outcome.FAILED, examined, findings)
    return Result(name, title, Outcome.OK if examined else Outcome.NOT_APPLICABLE, examined)


def _title(sql: str) -> str:
    """Return the meaning of a check: the first sentence of its file, after the name."""
    return _SENTENCE_END.split(sql.split(":", 1)[1].replace("\n--", ""), maxsplit=1)[0].strip()


def _natural_sort_key(row: tuple[str, ...]) -> list[list[str | int]]:
    """Return a sort key that puts `transaction 9` before `transaction 10`.

    Every run of a check then lists the same findings in full.
    """
    parts = [re.split(r"(\d+)", text) for text in row]
    return [[int(part) if part.isdecimal() else part for part in text] for text in parts]
