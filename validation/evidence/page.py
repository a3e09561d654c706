"""What is compared with VectorBT and Backtrader, part by part, as tables to print and to write."""

import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

from attrs import frozen

from tieout.validation.engines import registry
from tieout.validation.engines.backtrader.defects import DEFECTS
from tieout.validation.evidence.tally import CASH_BOUND, REVERSED, SHORT, Tally
from tieout.validation.workloads.markdown import Table

BEGIN = "<!-- tieout parity -->"
"""Between these, a file has the table of the study."""
PACKAGES = ("vectorbt", "vectorbt-rust", "backtrader")
RUST_SHARE, NATIVE_SHARE = 10, 5
"""For one random run in Rust or of the native engine there are so many of each of the two imitations."""
TITLES = {
    "versions": "Validation",
    "vectorbt": "Random runs against VectorBT",
    "backtrader": "Random runs against Backtrader",
    "native": "The native engine on random runs",
    "rows": "Results that engines agree on",
    "study": "A year of flags, with cash that binds",
    "real": "Five years of real bars",
    "audit": "The auditor on what the packages export",
    "rules": "How the rules differ",
    "named": "Differences that tieout compare names",
    "defects": "What is not followed",
}
"""Every part and its heading, in the order of the file. What is under `rules` is written by hand."""


@frozen
class Asked:
    """How much is compared: *count* random runs against each package, from *seed*; and the real bars."""

    count: int
    seed: int
    bars: Path


@frozen
class Found:
    """A part as tables, and whatever is not as it should be, in words."""

    tables: Sequence[Table]
    wrong: Sequence[str] = ()


# --- random runs -----------------------------------------------------------------------------------


def vectorbt(asked: Asked) -> Found:
    """Random scenarios in the imitation of VectorBT and in both of its engines."""
    from tieout.validation.evidence.vectorbt import compare_random

    numba = compare_random(asked.count, asked.seed, "numba")
    rust = compare_random(max(1, asked.count // RUST_SHARE), asked.seed, "rust")
    note = (
        "1 to 6 instruments, 5 to 40 bars; orders of every size type and signals with stops, in random"
        " settings. Compared: fills and refusals with their reasons, in their order; cash and value at every"
        " bar, and each row of the table fill with what its transfers did to cash, as the journal of the"
        " imitation has them, to one unit of what the package's own execution comes to. What VectorBT raises"
        " an error on is seldom drawn: where it does, that the imitation does too is all that is compared."
    )
    return _tallied({"numba": numba, "Rust": rust}, note)


def backtrader(asked: Asked) -> Found:
    """Random scenarios in the imitation of Backtrader and in the package."""
    from tieout.validation.evidence.backtrader import compare_random

    note = (
        "Orders of every type, brackets, groups of which one cancels the others, expiry, targets, in random"
        " settings. Compared: executions, every status in the order in which the strategy is told it,"
        " interest; cash and value at every bar, and each row of the table fill, to one unit of the package's"
        " own execution, as the journal of the imitation has them. So that few"
        " runs have to be left out for a defect, an instrument that lacks bars has market orders alone, from"
        " its first bar on, in nineteen runs of twenty."
    )
    return _tallied({"Backtrader": compare_random(asked.count, asked.seed)}, note)


def native(asked: Asked) -> Found:
    """Random runs of the native engine, their orders given to the packages."""
    from tieout.validation.evidence.native import COINCIDES, compare_random

    count = max(1, asked.count // NATIVE_SHARE)
    tallies = compare_random(count, asked.seed * count)
    listed = "\n".join(f"- {what};" for what in COINCIDES).rstrip(";") + "."
    note = (
        "Not the imitations: `execution.Backtest` performs a strategy, and the orders that it gave are given"
        " to the packages. Fills, refusals, and cash and value at every bar are compared. A random run has"
        f" in it what the rules have in common:\n\n{listed}"
    )
    return _tallied(tallies, note)


def _tallied(tallies: Mapping[str, Tally], note: str) -> Found:
    every = list(tallies.values())
    rows = [
        ["scenarios", *(f"{tally.scenarios:,}" for tally in every)],
        ["bars", *(f"{tally.bars:,}" for tally in every)],
        ["fills", *(f"{tally.fills:,}" for tally in every)],
        ["refusals", *(f"{tally.refusals.total():,}" for tally in every)],
        *_counted([tally.refusals for tally in every], "refused: "),
        *(
            [f"scenarios: {name}", *(f"{t.regimes[name]:,}" for t in every)]
            for name in (CASH_BOUND, SHORT, REVERSED)
        ),
        *_counted(
            [
                {
                    name: count
                    for name, count in tally.regimes.items()
                    if name not in (CASH_BOUND, SHORT, REVERSED)
                }
                for tally in every
            ],
            "scenarios: ",
        ),
        ["scenarios that differ", *(f"{tally.differing:,}" for tally in every)],
    ]
    wrong = [f"{name}: {told}" for name, tally in tallies.items() for told in tally.differences]
    return Found([Table("", ("", *tallies), rows, note), *_differences(wrong)], wrong)


def _counted(counts: Sequence[Mapping[str, int]], what: str) -> Iterator[list[str]]:
    """A row for each name in any of the counts."""
    for name in sorted({name for count in counts for name in count}):
        yield [f"{what}{name}", *(f"{count.get(name, 0):,}" for count in counts)]


def _differences(wrong: Sequence[str]) -> list[Table]:
    return [Table("Differences", ("",), [[told] for told in wrong])] if wrong else []


# --- whole workloads -------------------------------------------------------------------------------


def rows(asked: Asked, workloads: Sequence[str] = ("W1", "W2", "W3", "W4")) -> Found:
    """The results that engines agree on, by each of them."""
    from tieout.validation.evidence.studies import cents, reached

    del asked
    lines: list[list[str]] = []
    wrong: list[str] = []
    for one in reached(workloads):
        row = one.row
        head = [f"{row.workload} {row.rules}", f"{row.fills:,}", f"{row.value:,}"]
        for done in one.tried:
            ours = done.ours
            lines.append(
                [
                    *head,
                    done.engine,
                    f"{len(done.theirs.fills):,}",
                    f"{done.value:,}",
                    f"{len(ours.fills):,}",
                    f"{cents(ours.value[-1]):,}",
                    f"{done.other_fills:,}",
                ]
            )
        if one.native is not None:
            fills, value = one.native
            lines.append([*head, "tieout", "", "", f"{fills:,}", f"{value:,}", ""])
        wrong += one.wrong
    columns = (
        "",
        "fills",
        "value",
        "in",
        "fills there",
        "value there",
        "fills here",
        "value here",
        "other fills",
    )
    note = (
        "Fills and final value on which engines of different make agree, reached by each that can be given"
        " the rules, and by its imitation: *there* is the package, *here* the imitation, or our own engine"
        " where its rules lead to the result too. *Other fills* are those that are not the same on both"
        " sides. W1 to W4 are those of [benchmarks.md](benchmarks.md)."
    )
    return Found([Table("", columns, lines, note), *_differences(wrong)], wrong)


_STUDY = (
    "W1: 250 instruments over 252 days, and flags to enter and to leave, drawn at random. An entry is for"
    " 20,000 where nothing is held, out of 1,000,000, at a commission of 0.1 %. Cash is for 50 at a time, so"
    " that about every second order is refused, and one fill that is not the same changes which those are."
)


def study(asked: Asked) -> Found:
    """The study by the packages and by us; the first table is the one for README.md."""
    from tieout.validation.evidence import studies

    del asked
    lines: list[list[str]] = []
    wrong: list[str] = []
    for one in studies.study():
        done = one.tried
        off = abs(done.value - studies.cents(done.ours.value[-1]))
        lines.append(
            [
                f"{done.engine}, {one.name}",
                f"{one.orders:,}",
                f"{len(done.theirs.fills):,}",
                f"{len(done.theirs.refusals):,}",
                f"{done.value:,}",
                f"{done.other_fills:,}",
                f"{off:,}",
                one.was,
            ]
        )
        wrong += [f"{done.engine}, {one.name}: {found}" for found in done.differences[:1]]
    own: list[list[str]] = []
    for fill, engine, compared in studies.own_study():
        ours, theirs = compared.run.outcome, compared.theirs
        own.append(
            [
                f"{fill.replace('_', ' ')}, against {engine}",
                f"{len(compared.run.orders):,}",
                f"{len(ours.fills):,}",
                f"{len(ours.refusals):,}",
                f"{studies.cents(theirs.value[-1]):,}",
                f"{studies.cents(ours.value[-1]):,}",
                f"{len(compared.differences):,}",
            ]
        )
        wrong += [f"our own run, {engine}: {found}" for found in compared.differences[:1]]
    columns = ("", "orders", "fills", "refused", "final value", "other fills", "off by", "the engine before")
    native = ("our own run", "orders", "fills", "refused", "value there", "value here", "differences")
    note = (
        "The same study by our own engine, which sells first; its orders given to the packages, to Backtrader"
        " without the check of submissions, to VectorBT with the sequence in which ours are executed."
    )
    return Found(
        [
            Table("", columns, lines, _STUDY),
            Table("By the native engine", native, own, note),
            *_differences(wrong),
        ],
        wrong,
    )


def real(asked: Asked) -> Found:
    """The study on real bars; nothing where the file is not there."""
    if not asked.bars.is_file():
        return Found([])
    from tieout.validation.evidence.real_bars import CASH, Market, real
    from tieout.validation.evidence.studies import cents

    market = Market.read(asked.bars)
    lines: list[list[str]] = []
    wrong: list[str] = []
    for done in real(market):
        lines.append(
            [
                done.engine,
                f"{len(done.theirs.fills):,}",
                f"{len(done.ours.fills):,}",
                f"{done.other_fills:,}",
                f"{done.value:,}",
                f"{cents(done.ours.value[-1]):,}",
            ]
        )
        wrong += [f"real bars, {done.engine}: {found}" for found in done.differences[:1]]
    bars, columns = market.fields["close"].shape
    note = (
        f"{columns:,} members of the S&P 500 over {bars:,} sessions, as they were published: some stop, some"
        " start late, some have gaps. Long the 25 with the highest return over 20 days and short the 25 with"
        f" the lowest, each at 4 % of the account, rebalanced every day, from {CASH:,.0f} at a commission of"
        " 0.1 %. A symbol takes part with a bar today, 252 bars of history, volume on each of the last 20"
        " and a close of 5 or more. VectorBT at the same close, what sells first; Backtrader at the next"
        " open, each symbol with its own bars, deciding in `prenext` too and ordering only what has a bar"
        " that day."
    )
    names = ("", "fills there", "fills here", "other fills", "value there", "value here")
    return Found([Table("", names, lines, note), *_differences(wrong)], wrong)


def audit(asked: Asked) -> Found:
    """The auditor on the packages' own files, and on the same with a fault planted."""
    from tieout.validation.evidence.audits import AGREES, audit_samples

    del asked
    samples = audit_samples()
    wrong = [
        f"{sample.name}: {sample.verdict}: {', '.join(sample.faults)}"
        for sample in samples
        if (
            sample.verdict != AGREES
            if ":" not in sample.name
            else sample.name.partition(": ")[2] not in sample.faults
        )
    ]
    lines = [[sample.name, sample.verdict, ", ".join(sample.faults)] for sample in samples]
    note = (
        "`tieout audit` on what VectorBT and Backtrader export of W2: fills, cash, value, trades, positions."
        " Then on VectorBT's files with one fault planted in each copy."
    )
    return Found([Table("", ("files", "verdict", "named"), lines, note), *_differences(wrong)], wrong)


# --- text ------------------------------------------------------------------------------------------


def versions(asked: Asked) -> Found:
    """Where this was compared, with which versions."""
    packages = ("tieout", *PACKAGES, "numba", "numpy", "duckdb")
    lines = [
        ["system", f"{platform.platform(terse=True)}, {platform.machine()}"],
        ["Python", platform.python_version()],
        *([name, version(name)] for name in packages),
        ["random runs", f"{asked.count:,} against each package, from seed {asked.seed}"],
    ]
    note = (
        "Written by `python -m tieout.validation.evidence --write docs/validation.md`. You do not"
        " have to take our numbers on trust: the same run goes through VectorBT and Backtrader, and every"
        " fill, refusal, cash balance and value is compared. Each of the two has an imitation here,"
        " its rules as a loop that carries its floats; what the imitation does is booked as a journal. Our"
        " own engine is compared"
        " where its rules are theirs. Equal is: the same bar, instrument and side, size, price and fee to"
        " 1e-9 of them, cash and value at every bar to half a cent. Our own engine rounds what it books:"
        " there a size is equal to 1e-8, and a commission to half a cent."
    )
    return Found([Table("", ("", ""), lines, note)])


def named(asked: Asked) -> Found:
    """The differences of rules that the command names."""
    del asked
    adapters = registry.adapters().values()
    lines = [
        [rule.name, ", ".join(one.name for one in adapters if rule in one.rules), rule.statement]
        for rule in dict.fromkeys(rule for one in adapters for rule in one.rules)
    ]
    note = "`tieout compare` gives the orders of a run to another engine, and names what follows from these."
    return Found([Table("", ("name", "in", "what it says"), lines, note)])


def defects(asked: Asked) -> Found:
    """What Backtrader does and the imitation does not."""
    del asked
    lines = [[defect.name, defect.does, defect.reason] for defect in DEFECTS]
    note = (
        "Backtrader's defects that the imitation does not repeat. A rule decides, from the scenario alone,"
        " whether one can happen in it; such scenarios are left out of the comparison, and counted above. Of"
        " VectorBT its numba engine is followed; where its Rust engine does otherwise is counted there too."
        "\n\nWhat cannot be said in a scenario is not compared. Of VectorBT: what else there is than"
        " `from_orders` and `from_signals`, refusals at random, errors in place of refusals, a share of"
        " exactly zero, and statistics. Of Backtrader: volume fillers, futures, leverage, short sales that"
        " are not credited, cheat-on-open and cheat-on-close at once, orders of a history, a number as the"
        " time that an order is good, children that come later than their parent, sizers and analyzers."
    )
    return Found([Table("", ("defect", "what it does", "why it is not followed"), lines, note)])


PARTS: Mapping[str, Callable[[Asked], Found]] = {
    "versions": versions,
    "vectorbt": vectorbt,
    "backtrader": backtrader,
    "native": native,
    "rows": rows,
    "study": study,
    "real": real,
    "audit": audit,
    "named": named,
    "defects": defects,
}
"""How each part is found; the rules are kept as they are written in the file."""
