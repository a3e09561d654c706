"""The command `tieout compare`: a run's orders in another engine, and every difference."""

from collections.abc import Callable
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import numpy as np

from tieout.execution.console import assemble_recorded
from tieout.execution.replay.reperformance import differences
from tieout.execution.spec.assembly import assemble
from tieout.execution.spec.reading import read
from tieout.ledger.file.reader import Reader
from tieout.validation.compare.differences import Comparison
from tieout.validation.compare.render import show
from tieout.validation.engines import registry
from tieout.validation.engines.interface import Adapter
from tieout.validation.foreign.native import NativeRun
from tieout.validation.foreign.outcome import Outcome
from tieout.validation.foreign.requests import CannotCompare

SPEC = "describe the run in a spec (docs/spec.md) and compare that: tieout compare SPEC.toml --against ENGINE"
"""The remedy for a journal that does not record all of its run."""


def run(source: Path, engine: str, data_dir: Path | None, *, may_run_other: bool = False) -> bool:
    """Give the orders of a run to *engine*, print every difference, and return whether there is none.

    *source* is a spec, or a journal with its files in *data_dir*. A journal with broken seals is a
    difference. The code that it names is not run unless it is the recorded one, or *may_run_other*. Without
    its package the engine is the imitation, and the output says so.
    Raises `CannotCompare` for a run that the engine cannot take, and for an engine with neither.
    """
    adapter = registry.adapter(engine)
    perform, version, *notes = _implementation(engine, adapter)
    tieout_run = load_run(source, data_dir, may_run_other=may_run_other)
    if tieout_run is None:
        return False
    try:
        outcome = perform(tieout_run)
    except ValueError as error:
        raise CannotCompare(f"{adapter.name} does not take this run: {error}") from error
    comparison = Comparison(engine, tieout_run, outcome)
    show(comparison, f"{source} against {adapter.name} {version}", *notes)
    return not comparison.differences


def _implementation(
    engine: str, adapter: Adapter
) -> tuple[Callable[[NativeRun], Outcome], str, *tuple[str, ...]]:
    """Return the package of an engine, or its imitation, with the version and the notes for the output."""
    try:
        return adapter.by_package, adapter.version()
    except PackageNotFoundError as missing:
        if adapter.by_imitation is None:
            raise CannotCompare(
                f"{adapter.name} is not installed, and tieout has no imitation of it; install its package:"
                f" pip install {missing.name}"
            ) from None
    version = str(adapter.imitation_version)
    return (
        adapter.by_imitation,
        version,
        f"{engine} is not installed: compared with our imitation of {version}",
    )


def load_run(source: Path, data_dir: Path | None, *, may_run_other: bool = False) -> NativeRun | None:
    """Run a spec in memory, or read the run that a journal records.

    Return None for a journal with broken seals. Raises `CannotCompare` for a journal whose inputs have
    changed, or that ends before its bars do.
    """
    if source.suffix == ".toml":
        backtest = assemble(read(source))
        with backtest.run() as result:
            return NativeRun.of(backtest, result.journal)
    with Reader(source) as reader:
        recorded = assemble_recorded(reader, data_dir, SPEC, may_run_other=may_run_other)
        if recorded is None:
            return None
        sealed, backtest = recorded
        if causes := differences(sealed, backtest.description()):
            raise CannotCompare(
                f"{source} does not match its inputs: {'; '.join(causes)}; restore the inputs, or run the"
                " backtest again"
            )
        stated = reader.columns("statement", ("timestamp",))["timestamp"].astype("M8[ns]").view(np.int64)
        if not stated.size or stated[-1] < backtest.bars.timestamp[-1]:
            raise CannotCompare(f"the run in {source} ended before its bars do; complete it first")
        return NativeRun.of(backtest, reader)
