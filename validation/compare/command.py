"""`tieout compare`: a run of ours performed again by another engine, difference by difference."""

from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from tieout.execution.replay.reperformance import Recorded, differences
from tieout.execution.spec.assembly import assemble
from tieout.execution.spec.journal import spec_of
from tieout.execution.spec.reading import read
from tieout.execution.spec.sources import Folders
from tieout.ledger.file.reader import Reader
from tieout.validation.compare.differences import Comparison
from tieout.validation.compare.orders import NAMES, CannotCompare
from tieout.validation.compare.ours import Performed
from tieout.validation.compare.render import show
from tieout.validation.compare.run import Engine, by_backtrader, by_vectorbt
from tieout.validation.foreign.outcome import Outcome

AGAINST: Mapping[str, Callable[[Performed], Outcome]] = {
    "vectorbt": lambda run: by_vectorbt(run, vectorbt_engine()),
    "backtrader": by_backtrader,
}


def run(given: Path, against: str, folder: Path | None) -> bool:
    """Perform or read the run, give its orders to the other engine, print what differs; whether nothing does.

    Raises `CannotCompare` where the engine is not installed or cannot take the run.
    """
    named = installed(against)
    ours = performed(given, folder)
    try:
        theirs = AGAINST[against](ours)
    except ValueError as error:
        raise CannotCompare(f"{NAMES[against]} does not take this run: {error}") from error
    compared = Comparison(against, ours, theirs)
    show(compared, f"{given} against {named}")
    return not compared.departures


def installed(engine: str) -> str:
    """The engine with its version. Raises `CannotCompare` where it is not installed."""
    try:
        named = f"{NAMES[engine]} {version(engine)}"
    except PackageNotFoundError:
        raise CannotCompare(f"{NAMES[engine]} is not installed: pip install 'tieout[reference]'") from None
    return f"{named}, {vectorbt_engine()}" if engine == "vectorbt" else named


def vectorbt_engine() -> Engine:
    """Which of VectorBT's engines performs: Rust where it is installed, as it has nothing to compile."""
    return "rust" if find_spec("vectorbt_rust") else "numba"


def performed(given: Path, folder: Path | None) -> Performed:
    """The run of a spec, performed in memory; or of a journal, as it is recorded.

    Raises `CannotCompare` for a journal that is not as it was sealed, is not what its inputs give, or ends
    before its bars do.
    """
    if given.suffix == ".toml":
        backtest = assemble(read(given))
        with backtest.run() as result:
            return Performed.of(backtest, result.journal)
    places = (folder,) if folder is not None else (Path(), given.parent)
    with Reader(given) as reader:
        backtest = assemble(spec_of(reader, Folders(places)))
        sealed = Recorded.read(given)
        if causes := differences(sealed, backtest.description()):
            raise CannotCompare(f"{given} holds another run than its inputs give: {'; '.join(causes)}")
        if sealed.broken:
            raise CannotCompare(f"{given} is not as it was sealed: {'; '.join(sealed.broken)}")
        stated = reader.columns("statement", ("timestamp",))["timestamp"].astype("M8[ns]").view(np.int64)
        if not stated.size or stated[-1] < backtest.bars.timestamp[-1]:
            raise CannotCompare(f"the run in {given} ended before its bars do; complete it first")
        return Performed.of(backtest, reader)
