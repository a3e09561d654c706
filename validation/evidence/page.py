"""The sections of docs/validation.md: every comparison with VectorBT and Backtrader, as tables."""

import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

from attrs import frozen

from tieout.validation.engines import registry
from tieout.validation.engines.backtrader.defects import DEFECTS
from tieout.validation.evidence.sizes import SIZES
from tieout.validation.evidence.tally import CASH_BOUND, FLIPPED, SHORT, Tally
from tieout.validation.workloads.markdown import Table

BEGIN = "<!-- tieout parity -->"
"""Mark before the table of the study in a file."""
PACKAGES = ("vectorbt", "vectorbt-rust", "backtrader")
TITLES = {
    "versions": "Validation",
    "vectorbt": "Random runs against VectorBT",
    "backtrader": "Random runs against Backtrader",
    "native": "The native engine on random runs",
    "rows": "Results on which engines agree",
    "study": "A year of flags with binding cash",
    "real": "Five years of real bars",
    "audit": "The auditor on exports of the packages",
    "rules": "How the rules differ",
    "named": "Differences that tieout compare names",
    "defects": "Defects that are not imitated",
}
"""Every section and its heading, in the order of the file. The section `rules` is written by hand."""


@frozen
class Request:
    """Size of a comparison: *count* random runs against each package, from *seed*, and the real bars."""

    count: int
    seed: int
    bars: Path

    def share(self, name: str) -> int:
        """Return the number of random runs of *name*, in proportion to *count*."""
        return max(1, self.count * SIZES[name].long // SIZES["random runs of an imitation"].long)


@frozen
class Section:
    """A section as tables, and its faults in words."""

    tables: Sequence[Table]
    faults: Sequence[str] = ()


# --- random runs -----------------------------------------------------------------------------------

VECTORBT = (
    "The scenarios have 1 to 6 instruments and 5 to 40 bars, with orders of every size type and signals with"
    " stops, in random settings. We compare fills and refusals with their reasons, in their order, and cash"
    " and value at every bar. Each row of the table fill, and the change of cash by its transfers, is"
    " compared with the package's own execution to one unit. The journal of the imitation gives our side."
    " Scenarios that make VectorBT raise are rare. There we check only that the imitation raises too."
)
BACKTRADER = (
    "The scenarios have orders of every type, brackets, groups of which one cancels the others, expiry and"
    " targets, in random settings. We compare executions, every status in the order of the notices, interest,"
    " and cash and value at every bar. Each row of the table fill is compared with the package's own"
    " execution to one unit. The journal of the imitation gives our side. In nineteen runs of twenty an"
    " instrument with missing bars has only market orders, from its first bar on, so that a defect leaves out"
    " few runs."
)
NATIVE = (
    "These runs do not use the imitations: `Backtest` runs a strategy, and its orders are given to the"
    " packages. We compare fills, refusals, and cash and value at every bar. A random run has only the rules"
    " that all three engines share:\n\n{rules}"
)


def vectorbt(request: Request) -> Section:
    """Compare random scenarios in the imitation of VectorBT and in both of its engines."""
    from tieout.validation.evidence.vectorbt import compare_random

    numba = compare_random(request.count, request.seed, "numba")
    rust = compare_random(request.share("random runs in VectorBT's Rust"), request.seed, "rust")
    return _tallied({"numba": numba, "Rust": rust}, VECTORBT)


def backtrader(request: Request) -> Section:
    """Compare random scenarios in the imitation of Backtrader and in the package."""
    from tieout.validation.evidence.backtrader import compare_random

    return _tallied({"Backtrader": compare_random(request.count, request.seed)}, BACKTRADER)


def native(request: Request) -> Section:
    """Compare random runs of the native engine with their orders in the packages."""
    from tieout.validation.evidence.native import COMMON_RULES, compare_random

    count = request.share("random runs of the native engine")
    tallies = compare_random(count, request.seed * count)
    rules = "\n".join(f"- {rule[0].upper()}{rule[1:]}." for rule in COMMON_RULES)
    return _tallied(tallies, NATIVE.format(rules=rules))


def _tallied(tallies: Mapping[str, Tally], note: str) -> Section:
    every = list(tallies.values())
    rows = [
        ["scenarios", *(f"{tally.scenarios:,}" for tally in every)],
        ["bars", *(f"{tally.bars:,}" for tally in every)],
        ["fills", *(f"{tally.fills:,}" for tally in every)],
        ["refusals", *(f"{tally.refusals.total():,}" for tally in every)],
        *_counted([tally.refusals for tally in every], "refused: "),
        *(
            [f"scenarios: {name}", *(f"{t.regimes[name]:,}" for t in every)]
            for name in (CASH_BOUND, SHORT, FLIPPED)
        ),
        *_counted(
            [
                {
                    name: count
                    for name, count in tally.regimes.items()
                    if name not in (CASH_BOUND, SHORT, FLIPPED)
                }
                for tally in every
            ],
            "scenarios: ",
        ),
        ["scenarios that differ", *(f"{tally.differing:,}" for tally in every)],
    ]
    faults = [f"{name}: {text}" for name, tally in tallies.items() for text in tally.differences]
    return Section([Table("", ("", *tallies), rows, note), *_differences(faults)], faults)


def _counted(counts: Sequence[Mapping[str, int]], prefix: str) -> Iterator[list[str]]:
    """Yield a row for each name in any of the counts."""
    for name in sorted({name for count in counts for name in count}):
        yield [f"{prefix}{name}", *(f"{count.get(name, 0):,}" for count in counts)]


def _differences(faults: Sequence[str]) -> list[Table]:
    return [Table("Differences", ("",), [[fault] for fault in faults])] if faults else []


# --- whole workloads -------------------------------------------------------------------------------

ROWS = (
    "Independent engines agree on these fills and final values. Each engine that has the rules reaches them,"
    " and so does its imitation. *There* is the package. *Here* is the imitation, or our own engine where it"
    " has the rules too. *Differing fills* are those that are not the same on both sides. W1 to W4 are the"
    " workloads of [benchmarks.md](benchmarks.md)."
)
STUDY = (
    "W1 has 250 instruments over 252 days, with random flags to enter and to exit. An entry without a"
    " position is for 20,000, from 1,000,000, at a commission of 0.1 %. Cash suffices for 50 positions at a"
    " time, so about every second order is refused. One different fill changes which orders those are."
)
OWN_STUDY = (
    "The same study by our own engine, which sells first. Its orders are given to the packages: to Backtrader"
    " without its submission check, to VectorBT in the sequence of our executions."
)
REAL = (
    "The bars are those of {columns:,} members of the S&P 500 over {bars:,} sessions, as they were published."
    " Some stop, some start late, some have gaps. The book is long the 25 with the highest return over 20"
    " days and short the 25 with the lowest, each at 4 % of the account. It is rebalanced every day, from"
    " {cash:,.0f} at a commission of 0.1 %. A symbol takes part with a bar today, 252 bars of history, volume"
    " on each of the last 20, and a close of 5 or more. VectorBT trades at the same close, sales first."
    " Backtrader trades at the next open, each symbol with its own bars. It decides in `prenext` too, and"
    " orders only what has a bar that day."
)
AUDIT = (
    "`tieout audit` reads the exports of VectorBT and Backtrader for W2: fills, cash, value, trades,"
    " positions. Then it reads copies of VectorBT's files, each with one planted fault."
)


def rows(request: Request, workloads: Sequence[str] = ("W1", "W2", "W3", "W4")) -> Section:
    """Reach the results on which engines agree by each of them."""
    from tieout.validation.evidence.studies import cents, row_results

    del request
    lines: list[list[str]] = []
    faults: list[str] = []
    for result in row_results(workloads):
        row = result.row
        head = [f"{row.workload} {row.rules}", f"{row.fills:,}", f"{row.value:,}"]
        for pair in result.pairs:
            imitation = pair.imitation
            lines.append(
                [
                    *head,
                    pair.engine,
                    f"{len(pair.package.fills):,}",
                    f"{pair.value:,}",
                    f"{len(imitation.fills):,}",
                    f"{cents(imitation.value[-1]):,}",
                    f"{pair.differing_fills:,}",
                ]
            )
        if result.native is not None:
            fills, value = result.native
            lines.append([*head, "tieout", "", "", f"{fills:,}", f"{value:,}", ""])
        faults += result.faults
    columns = (
        "",
        "fills",
        "value",
        "in",
        "fills there",
        "value there",
        "fills here",
        "value here",
        "differing fills",
    )
    return Section([Table("", columns, lines, ROWS), *_differences(faults)], faults)


def study(request: Request) -> Section:
    """Perform the study by the packages and by tieout. The first table is the one for README.md."""
    from tieout.validation.evidence import studies

    del request
    lines: list[list[str]] = []
    faults: list[str] = []
    for setting in studies.study():
        pair = setting.pair
        distance = abs(pair.value - studies.cents(pair.imitation.value[-1]))
        lines.append(
            [
                f"{pair.engine}, {setting.name}",
                f"{setting.orders:,}",
                f"{len(pair.package.fills):,}",
                f"{len(pair.package.refusals):,}",
                f"{pair.value:,}",
                f"{pair.differing_fills:,}",
                f"{distance:,}",
            ]
        )
        faults += [f"{pair.engine}, {setting.name}: {difference}" for difference in pair.differences[:1]]
    native_lines: list[list[str]] = []
    for fill, engine, comparison in studies.own_study():
        run, package = comparison.run.outcome, comparison.engine_outcome
        native_lines.append(
            [
                f"{fill.replace('_', ' ')}, against {engine}",
                f"{len(comparison.run.orders):,}",
                f"{len(run.fills):,}",
                f"{len(run.refusals):,}",
                f"{studies.cents(package.value[-1]):,}",
                f"{studies.cents(run.value[-1]):,}",
                f"{len(comparison.differences):,}",
            ]
        )
        faults += [f"our own run, {engine}: {departure}" for departure in comparison.differences[:1]]
    columns = ("", "orders", "fills", "refused", "final value", "differing fills", "off by")
    native = ("our own run", "orders", "fills", "refused", "value there", "value here", "differences")
    return Section(
        [
            Table("", columns, lines, STUDY),
            Table("By the native engine", native, native_lines, OWN_STUDY),
            *_differences(faults),
        ],
        faults,
    )


def real(request: Request) -> Section:
    """Perform the study on real bars. Return no tables where the file is missing."""
    if not request.bars.is_file():
        return Section([])
    from tieout.validation.evidence.real_bars import CASH, Market, real
    from tieout.validation.evidence.studies import cents

    market = Market.read(request.bars)
    lines: list[list[str]] = []
    faults: list[str] = []
    for pair in real(market):
        lines.append(
            [
                pair.engine,
                f"{len(pair.package.fills):,}",
                f"{len(pair.imitation.fills):,}",
                f"{pair.differing_fills:,}",
                f"{pair.value:,}",
                f"{cents(pair.imitation.value[-1]):,}",
            ]
        )
        faults += [f"real bars, {pair.engine}: {difference}" for difference in pair.differences[:1]]
    bars, columns = market.fields["close"].shape
    names = ("", "fills there", "fills here", "differing fills", "value there", "value here")
    note = REAL.format(columns=columns, bars=bars, cash=CASH)
    return Section([Table("", names, lines, note), *_differences(faults)], faults)


def audit(request: Request) -> Section:
    """Audit the packages' own files, and copies with a planted fault."""
    from tieout.validation.evidence.audits import AGREES, audit_samples

    del request
    samples = audit_samples()
    faults = [
        f"{sample.name}: {sample.verdict}: {', '.join(sample.faults)}"
        for sample in samples
        if (
            sample.verdict != AGREES
            if ":" not in sample.name
            else sample.name.partition(": ")[2] not in sample.faults
        )
    ]
    lines = [[sample.name, sample.verdict, ", ".join(sample.faults)] for sample in samples]
    return Section([Table("", ("files", "verdict", "named"), lines, AUDIT), *_differences(faults)], faults)


# --- text ------------------------------------------------------------------------------------------

VERSIONS = (
    "Written by `python -m tieout.validation.evidence --write docs/validation.md`. You do not have to take"
    " our numbers on trust. The same run goes through VectorBT and Backtrader, and every fill, refusal, cash"
    " balance and value is compared. We reimplemented the rules of both as loops on their own floats. The"
    " results of these imitations are booked as journals. Our own engine is compared where it has the same"
    " rules. Two fills are equal if they have the same bar, instrument and side, and size, price and fee to"
    " 1e-9 of their value. Cash and value at every bar are equal to half a cent. Our own engine rounds its"
    " bookings. There a size is equal to 1e-8, and a commission to half a cent."
)
RULE_NAMES = (
    "`tieout compare` gives the orders of a run to another engine, and names the results of these rules."
)
UNFOLLOWED = (
    "Backtrader has defects that the imitation does not repeat. A rule decides from the scenario alone"
    " whether a defect can happen. Such scenarios are left out of the comparison, and counted above. The"
    " imitation of VectorBT follows its numba engine. Scenarios in which the Rust engine differs are counted"
    " too.\n\nA scenario cannot express everything, and the rest is not compared. In VectorBT that is"
    " everything besides `from_orders` and `from_signals`, random refusals, errors in place of refusals, a"
    " share of exactly zero, and statistics. In Backtrader it is volume fillers, futures, leverage, short"
    " sales without a credit, cheat-on-open and cheat-on-close together, order histories, validity as a"
    " number, children that are submitted after their parent, sizers, and analyzers."
)


def versions(request: Request) -> Section:
    """Describe the system and the versions."""
    packages = ("tieout", *PACKAGES, "numba", "numpy", "duckdb")
    lines = [
        ["system", f"{platform.platform(terse=True)}, {platform.machine()}"],
        ["Python", platform.python_version()],
        *([name, version(name)] for name in packages),
        ["random runs", f"{request.count:,} against each package, from seed {request.seed}"],
    ]
    return Section([Table("", ("", ""), lines, VERSIONS)])


def rule_names(request: Request) -> Section:
    """List the rules that the command names."""
    del request
    adapters = registry.adapters().values()
    lines = [
        [rule.name, ", ".join(one.name for one in adapters if rule in one.rules), rule.statement]
        for rule in dict.fromkeys(rule for one in adapters for rule in one.rules)
    ]
    return Section([Table("", ("name", "in", "difference"), lines, RULE_NAMES)])


def defects(request: Request) -> Section:
    """List the defects of Backtrader that the imitation does not repeat."""
    del request
    lines = [[defect.name, defect.does, defect.reason] for defect in DEFECTS]
    return Section([Table("", ("defect", "effect", "reason"), lines, UNFOLLOWED)])


PARTS: Mapping[str, Callable[[Request], Section]] = {
    "versions": versions,
    "vectorbt": vectorbt,
    "backtrader": backtrader,
    "native": native,
    "rows": rows,
    "study": study,
    "real": real,
    "audit": audit,
    "named": rule_names,
    "defects": defects,
}
"""The function of each section. The section `rules` stays in the file unchanged."""
