"""The command `tieout compare`: a run's orders in another engine, and every difference."""

from importlib.metadata import PackageNotFoundError
from pathlib import Path

import numpy as np

from tieout.execution.replay.reperformance import RunRecord, differences
from tieout.execution.spec.assembly import assemble
from tieout.execution.spec.journal import spec_of
from tieout.execution.spec.reading import read
from tieout.execution.spec.sources import Folders
from tieout.ledger.file.reader import Reader
from tieout.validation.compare.differences import Comparison
from tieout.validation.compare.render import show
from tieout.validation.engines import registry
from tieout.validation.foreign.native import NativeRun
from tieout.validation.foreign.requests import CannotCompare


def run(source: Path, engine: str, folder: Path | None) -> bool:
    """Give the orders of a run to *engine*, print every difference, and return whether there is none.

    *source* is a spec or a journal. Without its package the engine is the imitation, and the output says so.
    Raises `CannotCompare` for a run that the engine cannot take.
    """
    adapter = registry.adapter(engine)
    version = installed_version(engine)
    tieout_run = load_run(source, folder)
    perform = adapter.by_package if version else adapter.by_imitation
    try:
        outcome = perform(tieout_run)
    except ValueError as error:
        raise CannotCompare(f"{adapter.name} does not take this run: {error}") from error
    comparison = Comparison(engine, tieout_run, outcome)
    imitation = adapter.imitation_version
    notes = [] if version else [f"{engine} is not installed: compared with our imitation of {imitation}"]
    show(comparison, f"{source} against {adapter.name} {version or imitation}", *notes)
    return not comparison.differences


def installed_version(engine: str) -> str | None:
    """Return the version of an engine's package, or None if it is not installed."""
    try:
        return registry.adapter(engine).version()
    except PackageNotFoundError:
        return None


def load_run(source: Path, folder: Path | None) -> NativeRun:
    """Run a spec in memory, or read the run that a journal records.

    Raises `CannotCompare` for a journal that was changed after it was sealed, whose inputs have changed, or
    that ends before its bars do.
    """
    if source.suffix == ".toml":
        backtest = assemble(read(source))
        with backtest.run() as result:
            return NativeRun.of(backtest, result.journal)
    places = (folder,) if folder is not None else (Path(), source.parent)
    with Reader(source) as reader:
        backtest = assemble(spec_of(reader, Folders(places)))
        sealed = RunRecord.read(source)
        if causes := differences(sealed, backtest.description()):
            raise CannotCompare(
                f"{source} does not match its inputs: {'; '.join(causes)}; restore the inputs, or run the"
                " backtest again"
            )
        if sealed.seal_faults:
            raise CannotCompare(f"{source} was changed after it was sealed: {'; '.join(sealed.seal_faults)}")
        stated = reader.columns("statement", ("timestamp",))["timestamp"].astype("M8[ns]").view(np.int64)
        if not stated.size or stated[-1] < backtest.bars.timestamp[-1]:
            raise CannotCompare(f"the run in {source} ended before its bars do; complete it first")
        return NativeRun.of(backtest, reader)
