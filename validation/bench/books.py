"""Tables of the books alone: posting, storing beside bare tables, verifying, reading."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from tieout.validation.bench import ledger
from tieout.validation.workloads.markdown import Table, spread, times
from tieout.validation.workloads.rounds import Timing, in_turn

SIZES = (65_536, 262_144, 524_288, 1_000_000, 2_000_000, 5_000_000)
TRANSFERS = 5_000_000
QUICK_TRANSFERS = 500_000


def measure(folder: Path, transfers: int, rounds: int) -> list[Table]:
    """Time the books."""
    load = ledger.Load.of(transfers)
    whole = len(load.transfer)
    main_size = min(ledger.BLOCK, transfers)
    sizes = sorted({size for size in SIZES if size <= transfers} | {main_size})
    contestants: dict[str, Callable[[], float]] = {
        "posting": ledger.posting,
        "durable": partial(ledger.durable, transfers, folder),
    }
    for size in sizes:
        contestants[f"storing {size}"] = partial(ledger.storing, load, size, folder)
        contestants[f"bare {size}"] = partial(ledger.bare, load, size, folder)
    timings = in_turn(contestants, rounds)
    file = folder / "audited.duckdb"
    ledger.audited(file, transfers)
    timings |= in_turn(
        {"verify": partial(ledger.verifying, file), "trial": partial(ledger.trial_balance, file)},
        rounds,
    )
    note = (
        f"Medians of {rounds} rounds in turn after one that does not count."
        " The fastest and the slowest round are in brackets."
    )
    return [_speeds(timings, whole, main_size, sizes[-1], note), _sizes(timings, whole, sizes)]


def _speeds(timings: Mapping[str, Timing], whole: int, size: int, largest: int, note: str) -> Table:
    bare, at_once, stored = (timings[n] for n in (f"bare {size}", f"bare {largest}", f"storing {size}"))
    rows: list[tuple[str, Timing, int, Timing | None]] = [
        ("posting from a compiled loop, in memory", timings["posting"], 1_000_000, None),
        (f"sealing and storing, blocks of {size:,}", stored, whole, bare),
        ("the same columns into bare DuckDB tables, the same blocks", bare, whole, None),
        ("the same columns into bare DuckDB tables, all at once", at_once, whole, None),
        ("sealing and storing, against bare tables all at once", stored, whole, at_once),
        ("posting, sealing and storing, to the closed file", timings["durable"], whole, bare),
        ("`tieout verify`, every check, with 250 statements", timings["verify"], whole, None),
        ("trial balance", timings["trial"], whole, None),
    ]
    return Table(
        f"The books: {whole:,} transfers, 500 instruments, FIFO lots",
        ("", "time", "transfers/s", "against a bare table"),
        [
            [name, spread(timing), _millions(timing, count), times(timing.ratio(peer)) if peer else ""]
            for name, timing, count, peer in rows
        ],
        note,
    )


def _sizes(timings: Mapping[str, Timing], whole: int, sizes: Sequence[int]) -> Table:
    rows = []
    for size in sizes:
        stored, bare = timings[f"storing {size}"], timings[f"bare {size}"]
        rows.append(
            [f"{size:,}", _millions(stored, whole), _millions(bare, whole), times(stored.ratio(bare))]
        )
    columns = ("transfers a block", "sealed and stored, transfers/s", "bare tables, transfers/s", "ratio")
    return Table("The size of a block", columns, rows)


def _millions(timing: Timing, count: int) -> str:
    return f"{timing.rate(count) / 1e6:.2f} M"
