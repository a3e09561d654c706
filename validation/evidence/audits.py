"""The auditor on exports of the packages themselves: they agree, and each planted fault is named."""

from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import polars as pl

from tieout.validation.audit.audit import Files, Terms, audit
from tieout.validation.audit.books import Costs
from tieout.validation.audit.faults import Fault, Rules
from tieout.validation.workloads.workloads import generate

AGREES, WRONG = "agrees", "disagrees"
PLANTED_AT = 2_000
"""Row of the fill that is altered."""


class Sample(NamedTuple):
    """The files of an audit, the verdict, and the faults that were named."""

    name: str
    verdict: str
    faults: list[str]


def audit_samples(workload: str = "W2") -> list[Sample]:
    """Audit VectorBT's engines and Backtrader, then VectorBT's files with one fault of each kind."""
    from tieout.validation.evidence import exports

    arrays = generate(workload)
    samples = []
    with TemporaryDirectory() as name:
        folder = Path(name)
        prices = exports.prices(arrays, folder)
        for package in exports.EXPORTS:
            fills, claims = exports.EXPORTS[package](arrays, folder)
            # Backtrader's analyzer leaves the commission out.
            rate = exports.RATE if package == "Backtrader" else 0.0
            terms = Terms(costs=Costs(rate=rate), rules=Rules(allow_short=False))
            samples.append(_sample(package, Files(fills, prices, claims), terms))
        fills, claims = exports.vectorbt(arrays, folder)
        samples += _planted(folder, Files(fills, prices, claims))
    return samples


def _sample(name: str, files: Files, terms: Terms) -> Sample:
    report = audit(files, terms)
    faults = [finding.fault.value for finding in report.findings]
    return Sample(name, AGREES if report.agrees else WRONG, faults)


def _planted(folder: Path, files: Files) -> Iterator[Sample]:
    """Audit a copy of the files for each fault."""
    terms = Terms(cash=1_000_000.0, rules=Rules(allow_short=False))
    for number, (fault, (place, tamper)) in enumerate(PLANTS.items()):
        paths = [files.fills, *files.claims]
        frames = {path.stem.partition("-")[2]: pl.read_csv(path, try_parse_dates=True) for path in paths}
        frames[place] = tamper(frames[place], frames)
        copies = {}
        for name, frame in frames.items():
            copies[name] = folder / f"planted-{number}-{name}.csv"
            frame.write_csv(copies[name])
        fills = copies.pop("fills")
        yield _sample(f"planted: {fault.value}", Files(fills, files.prices, list(copies.values())), terms)


Frames = dict[str, pl.DataFrame]
Tamper = Callable[[pl.DataFrame, Frames], pl.DataFrame]


def _at(row: int, column: str, value: pl.Expr) -> pl.Expr:
    """Return the *column* with another value in one row."""
    return pl.when(pl.int_range(pl.len()) == row).then(value).otherwise(pl.col(column)).alias(column)


def _fees(times: float) -> Tamper:
    """Return a function that charges commission *times* more to cash and value."""

    def tamper(curve: pl.DataFrame, frames: Frames) -> pl.DataFrame:
        fees = frames["fills"].group_by("Timestamp").agg(pl.col("Fees").sum())
        charge = curve.join(fees, left_on="", right_on="Timestamp", how="left", maintain_order="left")["Fees"]
        more = charge.fill_null(0.0).cum_sum() * times
        return curve.with_columns(cash=curve["cash"] - more, value=curve["value"] - more)

    return tamper


def _change(column: str, value: pl.Expr) -> Tamper:
    """Return a function that changes one fill."""
    return lambda frame, _: frame.with_columns(_at(PLANTED_AT, column, value))


def _another(fills: pl.DataFrame) -> pl.DataFrame:
    """Copy a fill at a tenth of its size."""
    tenth = (pl.col("Size") / 10).alias("Size"), (pl.col("Fees") / 10).alias("Fees")
    return fills[PLANTED_AT : PLANTED_AT + 1].with_columns(
        *tenth, pl.lit(-1).cast(pl.Int64).alias("Order Id")
    )


PLANTS: dict[Fault, tuple[str, Tamper]] = {
    Fault.COMMISSION_TWICE: ("curve", _fees(1.0)),
    Fault.COMMISSION_LEFT_OUT: ("curve", _fees(-1.0)),
    Fault.COMMISSION_MISSING: ("fills", lambda frame, _: frame.with_columns(Fees=pl.lit(0.0))),
    Fault.CASH: (
        "curve",
        lambda frame, _: frame.with_columns(cash=pl.col("cash") - 25.0 * (pl.int_range(pl.len()) >= 100)),
    ),
    Fault.EQUITY: (
        "curve",
        lambda frame, _: frame.with_columns(
            value=pl.col("cash") + (pl.col("value") - pl.col("cash")).shift(1).fill_null(0.0)
        ),
    ),
    Fault.PNL: ("curve", lambda frame, _: frame.with_columns(pnl=pl.col("cash").diff().fill_null(0.0))),
    Fault.MISSING: ("fills", lambda frame, _: frame.filter(pl.int_range(pl.len()) != PLANTED_AT)),
    Fault.TWICE: (
        "fills",
        lambda frame, _: pl.concat([frame[: PLANTED_AT + 1], frame[PLANTED_AT:]]),
    ),
    Fault.POSITION: ("positions", _change("quantity", pl.col("quantity") + 10.0)),
    Fault.TRADES: ("trades", _change("PnL", pl.col("PnL") + pl.col("Exit Fees"))),
    Fault.RANGE: ("fills", _change("Price", pl.col("Price") * 1.5)),
    Fault.ALTERED: ("fills", _change("Size", pl.col("Size") * 0.5)),
    Fault.BEFORE: ("fills", _change("Timestamp", pl.lit("2013-06-03").str.to_date())),
    Fault.AFTER: ("fills", _change("Timestamp", pl.lit("2015-06-03").str.to_date())),
    Fault.MOVED: ("fills", _change("Timestamp", pl.col("Timestamp").dt.offset_by("3d"))),
    Fault.UNCLAIMED: ("fills", lambda frame, _: pl.concat([frame, _another(frame)])),
    Fault.NEGATIVE_CASH: ("fills", _change("Size", pl.col("Size") * 1000.0)),
    Fault.OVERSOLD: ("fills", _change("Side", pl.lit("Sell"))),
}
"""The altered file and its alteration, by fault."""
