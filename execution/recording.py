"""The journal of a run: new, resumed, or written again beside a file and compared with it."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from attrs import Attribute, field, frozen

from tieout.execution.errors import InvalidSetting, StrategyFailed
from tieout.execution.records import RECORDS
from tieout.execution.replay.reperformance import Reperformance, RunRecord, explain_divergence
from tieout.execution.result import Result
from tieout.ledger.books.layout import Layout
from tieout.ledger.errors import ReplayDiverged
from tieout.ledger.file.claim import Claim
from tieout.ledger.file.creation import Consent
from tieout.ledger.file.run import Run
from tieout.ledger.interruption import Interruptible, uninterrupted
from tieout.ledger.journal import Journal

Perform = Callable[[Journal], None]
"""A function that performs a run into an empty journal, up to the rows of its last block."""


@frozen(kw_only=True)
class Recording:
    """Settings of the journal of a run. They change no fill and no balance.

    A block closes after *block_bars* bars, 0 for no limit. By default that is 5,000 for a `Strategy`, and no
    limit for a program. A block also closes once it holds *block_transfers*. An interrupted run loses its
    open block at most.

    *describe* is stored with the description of the run: notes, or where its data come from. It may add to
    the description, and must not contradict it.
    """

    block_bars: int | None = field(default=None)
    block_transfers: int = 2_000_000
    describe: Mapping[str, Any] = field(factory=dict)

    @block_bars.validator
    def _require_count(self, _: "Attribute[int | None]", value: object) -> None:
        if value is not None and (type(value) is not int or value < 0):
            raise InvalidSetting(f"block_bars is a whole number of zero or more, not {value!r}")

    @describe.validator
    def _require_mapping(self, _: "Attribute[Mapping[str, Any]]", value: object) -> None:
        if not isinstance(value, Mapping):
            raise InvalidSetting(f'describe is a mapping such as {{"study": "first"}}, not {value!r}')


def record(
    path: Path | None,
    layout: Layout,
    run: Run,
    perform: Perform,
    currency: str,
    overwrite: Consent | None = None,
) -> Result:
    """Perform *run* into the journal of *path*, or into one in memory.

    A journal that *path* holds already is compared block by block, and continued where it ends. Raises
    `InputChanged` where it holds another run. With *overwrite*, a journal is replaced once the first block of
    this run is sealed. Where the strategy fails, the journal is closed at that bar. After any other error the
    sealed blocks stay, and the open one is discarded.
    """
    results: list[Result] = []
    try:
        with uninterrupted() as interruptible:
            begin = partial(_open, layout=layout, run=run, overwrite=overwrite)
            results.append(_record(path, begin, perform, currency, interruptible))
        return results[0]
    except BaseException:
        # Ctrl-C that came after the end. A file that stays open could not be written again in this process.
        for result in results:
            result.close()
        raise


def _record(
    path: Path | None,
    begin: Callable[[Claim | None], Journal],
    perform: Perform,
    currency: str,
    interruptible: Interruptible,
) -> Result:
    # The claim lasts until the result is open, so that no other run comes between.
    with nullcontext() if path is None else Claim(path) as claim:
        journal = begin(claim)
        try:
            with _explained_divergence():
                with interruptible():
                    perform(journal)
                return Result.of(journal, currency)
        except StrategyFailed as failure:
            raise _closed(journal, failure) from failure.__cause__
        except BaseException:
            # Sealed here, the open block would end at a bar where no other run's block ends.
            journal.discard()
            raise


def repeat(recorded: RunRecord, layout: Layout, causes: list[str], perform: Perform) -> Reperformance:
    """Perform a run into a temporary journal, and compare its blocks with the *recorded* ones.

    *causes* name the inputs that differ from the recorded ones.
    """
    failure = ""
    with TemporaryDirectory(prefix="tieout-") as folder:
        again = Path(folder) / "again.duckdb"
        # From the recorded genesis, so that a difference shows in the block where it begins.
        journal = Journal.create(again, layout, recorded.run, [RECORDS])
        try:
            with _explained_divergence():
                perform(journal)
        except StrategyFailed as error:
            failure = str(error)
        except BaseException:
            journal.discard()
            raise
        journal.close()
        return Reperformance.of(recorded, again, causes, failure)


def _open(claim: Claim | None, layout: Layout, run: Run, overwrite: Consent | None) -> Journal:
    if claim is None or overwrite is not None:
        return Journal.create(claim, layout, run, [RECORDS], overwrite=overwrite)
    with explain_divergence(claim.path, run):
        return Journal.replay(claim, layout, run, [RECORDS])


def _closed(journal: Journal, failure: StrategyFailed) -> StrategyFailed:
    """Close the journal of a run that its strategy ended. Return the error, with the state of the file."""
    if journal.store.has_yet_to_replace:
        journal.discard()
        return StrategyFailed(f"{failure}; no block was sealed, and the journal that was there is unchanged")
    try:
        journal.close()
    except ReplayDiverged:
        return StrategyFailed(f"{failure}; an earlier run came further, and its journal is unchanged")
    return StrategyFailed(f"{failure}; the journal is closed there")


@contextmanager
def _explained_divergence() -> Iterator[None]:
    """Add to a divergence its likely cause, as nothing in the recorded description differs."""
    try:
        yield
    except ReplayDiverged as error:
        raise ReplayDiverged(
            f"{error}, though its description is the same: the strategy depends on more than that, such as"
            " the clock or chance, or the run in the file was ended by an error"
        ) from error
