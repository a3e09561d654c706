"""Outsiders as judges: beancount and hledger check the exported books and add them up themselves.

    python -m tieout.validation.evidence.outsiders

makes journals in which every event occurs, exports them, lets `bean-check` and `hledger check` read both
layers, and compares what those programs say with our own statements, to the last digit. Exits with 1 where
anything differs, with 2 where a judge is missing.
"""

import argparse
import csv
import io
import os
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

from attrs import field, frozen
from rich.console import Console
from rich.table import Table

from tieout.ledger.export import export
from tieout.ledger.export.names import CURRENCIES, PARTS, QUOTED
from tieout.ledger.file.reader import Reader
from tieout.validation.evidence.sample import sample

Key = tuple[str, ...]
Figures = Mapping[Key, Any]
"""Figures by what they are of, without those that are zero."""

TOOLS = {
    "bean-check": "python -m pip install 'beancount>=3'",
    "hledger": "apt-get install hledger",
}
STRICT = ("ordereddates", "accounts", "commodities", "payees")
BALANCE = ("balance", "--flat", "-N", "-O", "csv", "--layout=bare")
BY_LOT = ("--pivot", "lot")
JOURNALS = (("fifo", 1.0), ("lifo", 0.1), ("hifo", 0.1), ("average", 0.2))
"""Methods of relief, and how large a part of the transactions asked for."""


@frozen
class Comparison:
    """What we say and what an outsider says about the same thing."""

    judge: str
    layer: str
    what: str
    ours: Figures
    theirs: Figures

    @property
    def differences(self) -> list[str]:
        """Every figure on which the two do not agree."""
        return [
            f"{self.judge}, {self.layer}, {self.what}: {' '.join(key)}: ours {self.ours.get(key, 0)},"
            f" theirs {self.theirs.get(key, 0)}"
            for key in sorted(self.ours.keys() | self.theirs.keys())
            if self.ours.get(key, 0) != self.theirs.get(key, 0)
        ]


@frozen
class Books:
    """Our own figures, from the views of a journal."""

    balances: Figures
    lots: Figures
    opened: Figures
    smallest: dict[str, Decimal]
    """The smallest amount of each currency."""
    transactions: int

    @classmethod
    def of(cls, reader: Reader) -> "Books":
        """Read them."""
        balances: Figures = {
            (row["account"], row["commodity"]): row["debit"] - row["credit"]
            for row in reader.view("trial_balance").rows()
        }
        lots = reader.sql("from lot where quantity != 0").rows()
        scales = reader.sql("select symbol, scale from commodity where kind = 'currency'").rows()
        (count,) = reader.sql("select count(*) as n from txn").rows()
        return cls(
            balances=_nonzero(balances),
            lots={_lot(row): (row["quantity"], row["cost"]) for row in lots},
            opened={_lot(row): f"{row['opened']:%Y-%m-%d}" for row in lots},
            smallest={row["symbol"]: Decimal(1).scaleb(-row["scale"]) for row in scales},
            transactions=count["n"],
        )

    def money(self, balances: Figures) -> Figures:
        """The part of some balances that is money."""
        return {key: amount for key, amount in balances.items() if key[1] in self.smallest}

    def units(self, balances: Figures) -> Figures:
        """Units in all by instrument, the street left out, which in the lot layer is not there."""
        total: dict[Key, Decimal] = defaultdict(Decimal)
        for (path, commodity), amount in balances.items():
            if commodity not in self.smallest and not path.startswith("Market:"):
                total[commodity,] += amount
        return _nonzero(total)


@frozen
class Said:
    """Figures of an outsider: as they stand, with lots at their cost, and lot by lot."""

    balances: defaultdict[Key, Decimal] = field(factory=lambda: defaultdict(Decimal))
    at_cost: defaultdict[Key, Decimal] = field(factory=lambda: defaultdict(Decimal))
    lots: dict[Key, tuple[Decimal, Decimal]] = field(factory=dict)
    opened: dict[Key, str] = field(factory=dict)


def beancount(books: Books, path: Path) -> Iterator[Comparison]:
    """Everything that can be compared with beancount."""
    from beancount import loader
    from beancount.core.data import Transaction
    from beancount.core.realization import iter_children, realize

    layer = path.stem
    yield _accepted("bean-check", layer, [_found("bean-check"), str(path)])
    entries, _, _ = loader.load_file(str(path))
    count = sum(isinstance(entry, Transaction) for entry in entries)
    yield Comparison("beancount", layer, "transactions", {("read",): books.transactions}, {("read",): count})
    said = Said()
    tree = realize(entries)  # type: ignore[no-untyped-call]
    for account in iter_children(tree):  # type: ignore[no-untyped-call]
        for units, cost in account.balance:
            name = PARTS.unpath(account.account)
            symbol = CURRENCIES.unescape(units.currency)
            said.balances[name, symbol] += units.number
            if cost is None:
                said.at_cost[name, symbol] += units.number
                continue
            # Kept per unit in 28 digits: rounded once, the total is the one that was written.
            money = CURRENCIES.unescape(cost.currency)
            total = (units.number * cost.number).quantize(books.smallest[money])
            said.at_cost[name, money] += total
            said.lots[cost.label, symbol] = (units.number, total)
            said.opened[cost.label, symbol] = cost.date.isoformat()
    yield from _compared("beancount", layer, books, said)
    if layer == "lots":
        yield Comparison("beancount", layer, "lots: opened", books.opened, said.opened)


def hledger(books: Books, path: Path) -> Iterator[Comparison]:
    """Everything that can be compared with hledger."""
    layer = path.stem
    yield _accepted("hledger check", layer, [_found("hledger"), "-f", str(path), "check", *STRICT])
    said = Said(_hledger_balances(path), _hledger_balances(path, "-B"))
    if layer == "lots":
        costs = {lot: cost for (lot, _), cost in _hledger_balances(path, "-B", *BY_LOT).items()}
        for (lot, symbol), units in _hledger_balances(path, *BY_LOT).items():
            if lot:
                said.lots[lot, symbol] = units, costs.get(lot, Decimal(0))
    yield from _compared("hledger", layer, books, said)


def _compared(judge: str, layer: str, books: Books, said: Said) -> Iterator[Comparison]:
    def of(what: str, ours: Figures, theirs: Figures) -> Comparison:
        return Comparison(judge, layer, what, ours, _nonzero(theirs))

    if layer == "exact":
        yield of("balances", books.balances, said.balances)
    else:
        yield of("money at cost", books.money(books.balances), books.money(said.at_cost))
        yield of("units", books.units(books.balances), books.units(said.balances))
        yield of("lots: units, cost", books.lots, said.lots)


def _hledger_balances(path: Path, *options: str) -> defaultdict[Key, Decimal]:
    """Balances by account, or by what the options put in its place, as hledger adds them up."""
    balances: defaultdict[Key, Decimal] = defaultdict(Decimal)
    rows = csv.reader(io.StringIO(_run([_found("hledger"), "-f", str(path), *BALANCE, *options]).stdout))
    for account, commodity, amount in list(rows)[1:]:
        balances[QUOTED.unpath(account), QUOTED.unescape(commodity)] += Decimal(amount)
    return balances


def _accepted(judge: str, layer: str, command: list[str]) -> Comparison:
    done = _run(command)
    said = done.stdout + done.stderr if done.returncode else "yes"
    return Comparison(judge, layer, "accepted", {("accepted",): "yes"}, {("accepted",): said})


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    # Notes are any text, and hledger reads files in the encoding of the locale.
    environment = os.environ | {"LC_ALL": "C.UTF-8"}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def _found(tool: str) -> str:
    """A tool of this Python's own environment, or else one on the path."""
    return shutil.which(tool, path=str(Path(sys.executable).parent)) or shutil.which(tool) or ""


def _lot(row: Mapping[str, Any]) -> Key:
    return str(row["lot"]), row["symbol"]


def _nonzero(figures: Figures) -> Figures:
    return {key: figure for key, figure in figures.items() if figure}


JUDGES: dict[str, Callable[[Books, Path], Iterator[Comparison]]] = {
    "beancount": beancount,
    "hledger": hledger,
}


def compare(journal: Path, folder: Path, formats: Iterable[str] = tuple(JUDGES)) -> list[Comparison]:
    """What the judges say of one journal; the exports are left in *folder*."""
    with Reader(journal) as reader:
        books = Books.of(reader)
        return [
            comparison
            for form in formats
            for path in export(reader, form, folder)
            for comparison in JUDGES[form](books, path)
        ]


def main(arguments: list[str] | None = None) -> int:
    """Make the journals, hear the judges, print what they said."""
    parser = argparse.ArgumentParser(
        prog="python -m tieout.validation.evidence.outsiders", description=__doc__
    )
    parser.add_argument("--transactions", type=int, default=10_000, help="in the largest journal")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    console = Console()
    if missing := [tool for tool in TOOLS if not _found(tool)]:
        for tool in missing:
            console.print(f"{tool} is missing; install it with: {TOOLS[tool]}", markup=False)
        return 2
    table = Table("journal", "judge", "layer", "compared", "figures", "differences", title="Second opinions")
    differences: list[str] = []
    with TemporaryDirectory() as folder:
        for relief, share in JOURNALS:
            started = perf_counter()
            journal = Path(folder) / f"{relief}.duckdb"
            sample(journal, int(options.transactions * share), options.seed, relief)
            for seen in compare(journal, Path(folder) / relief):
                found = seen.differences
                differences += found
                size = len(seen.ours.keys() | seen.theirs.keys())
                table.add_row(relief, seen.judge, seen.layer, seen.what, f"{size:,}", f"{len(found):,}")
            console.print(f"{relief}: {perf_counter() - started:.0f} s", highlight=False)
    console.print(table)
    for line in differences[:20]:
        console.print(line, markup=False)
    console.print(f"{len(differences):,} differences", highlight=False)
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
