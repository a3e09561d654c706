"""`python -m validation.bench [--quick] [--only PART] [--write FILE]`: the tables of docs/benchmarks.md."""

import argparse
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from validation.bench import ledger, market
from validation.bench.rounds import Timing, in_turn

SIZES = (65_536, 262_144, 524_288, 1_000_000, 2_000_000, 5_000_000)


def main() -> None:
    """Measure, and print the tables as Markdown."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the load and three rounds")
    parser.add_argument("--only", choices=PARTS, help="one part; the other stays in the file as it is")
    parser.add_argument("--write", type=Path, help="also write the tables to this file")
    options = parser.parse_args()
    chosen = [options.only] if options.only else list(PARTS)
    texts = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in chosen:
            texts[name] = "\n".join(_PARTS[name](Path(folder), options.quick)).strip() + "\n"
            print(texts[name])
    if options.write:
        _write(options.write, texts)


def _write(path: Path, texts: Mapping[str, str]) -> None:
    """Put the parts that were measured in place of those that the file has."""
    held = path.read_text("utf-8") if path.exists() else ""
    old = {name: _part_of(held, title) for name, title in PARTS.items()}
    path.write_text("\n".join(text for name in PARTS if (text := texts.get(name, old[name]))), "utf-8")


def _part_of(text: str, title: str) -> str:
    """What stands under a title, to the next one."""
    found = re.search(rf"^# {re.escape(title)}\n.*?(?=^# |\Z)", text, re.MULTILINE | re.DOTALL)
    return found[0].rstrip() + "\n" if found else ""


def _rounds(quick: bool) -> int:  # noqa: FBT001  as the command line has it
    return 3 if quick else 7


def _books(folder: Path, quick: bool) -> list[str]:  # noqa: FBT001  as above
    return [f"# {PARTS['books']}", "", *_ledger(folder, 500_000 if quick else 5_000_000, _rounds(quick))]


def _market(folder: Path, quick: bool) -> list[str]:  # noqa: FBT001  as above
    measured = market.measure(folder, _rounds(quick), large=not quick)
    return [f"# {PARTS['market']}", "", *market.tables(measured, _said(_rounds(quick)))]


def _said(rounds: int) -> str:
    return f"Medians of {rounds} rounds in turn after one that does not count; least and most in brackets."


PARTS = {"books": "Benchmarks of the books", "market": "Benchmarks of the market"}
_PARTS = {"books": _books, "market": _market}


def _ledger(folder: Path, transfers: int, rounds: int) -> list[str]:
    """Time the books, and the tables of it."""
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
    kept = folder / "audited.duckdb"
    ledger.audited(kept, transfers)
    timings |= in_turn(
        {"verify": partial(ledger.verifying, kept), "trial": partial(ledger.trial_balance, kept)},
        rounds,
    )
    return _tables(timings, whole, main_size, sizes, rounds)


def _tables(
    timings: Mapping[str, Timing], whole: int, main_size: int, sizes: Sequence[int], rounds: int
) -> list[str]:
    bare = timings[f"bare {main_size}"]
    at_once = timings[f"bare {sizes[-1]}"]
    lines = [
        _said(rounds),
        "",
        f"## The books: {whole:,} transfers, 500 instruments, FIFO lots",
        "",
        "| | seconds | transfers/s | against a bare table |",
        "|---|---|---|---|",
        _row("posting from a compiled loop, in memory", timings["posting"], 1_000_000),
        _row(
            f"sealing and storing, blocks of {main_size:,}",
            timings[f"storing {main_size}"],
            whole,
            bare,
        ),
        _row("the same columns into bare DuckDB tables, the same blocks", bare, whole),
        _row("the same columns into bare DuckDB tables, all at once", at_once, whole),
        _row(
            "sealing and storing, against bare tables all at once",
            timings[f"storing {main_size}"],
            whole,
            at_once,
        ),
        _row("posting, sealing and storing, to the closed file", timings["durable"], whole, bare),
        _row("`tieout verify`, every check, with 250 statements", timings["verify"], whole),
        _row("trial balance", timings["trial"], whole),
        "",
        "## The size of a block",
        "",
        "| transfers a block | sealed and stored, transfers/s | bare tables, transfers/s | ratio |",
        "|---|---|---|---|",
    ]
    for size in sizes:
        ours, other = timings[f"storing {size}"], timings[f"bare {size}"]
        lines.append(
            f"| {size:,} | {ours.rate(whole) / 1e6:.2f} M | {other.rate(whole) / 1e6:.2f} M |"
            f" {_ratio(ours, other)} |"
        )
    return lines


def _row(name: str, timing: Timing, count: int, peer: Timing | None = None) -> str:
    least, most = min(timing.seconds), max(timing.seconds)
    return (
        f"| {name} | {timing.median:.3f} ({least:.3f} to {most:.3f}) | {timing.rate(count) / 1e6:.2f} M |"
        f" {_ratio(timing, peer) if peer else ''} |"
    )


def _ratio(timing: Timing, peer: Timing) -> str:
    median, least, most = timing.ratio(peer)
    return f"{median:.2f} ({least:.2f} to {most:.2f})"


if __name__ == "__main__":
    main()
