"""Second opinions: beancount and hledger check the exported books and add them up themselves.

    python -m tieout.validation.evidence.outsiders

writes journals in which every event occurs, exports them, and lets `bean-check` and `hledger check` read both
layers. It compares the figures of those programs with our own statements, to the last digit. It exits 1 if a
figure differs, and 2 if a program is missing.
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
from tieout.validation.evidence.sizes import size

Key = tuple[str, ...]
Figures = Mapping[Key, Any]
"""Figures other than zero, by account, commodity or lot."""

TOOLS = {
    "bean-check": "python -m pip install 'beancount>=3'",
    "hledger": "apt-get install hledger",
}
STRICT = ("ordereddates", "accounts", "commodities", "payees")
BALANCE = ("balance", "--flat", "-N", "-O", "csv", "--layout=bare")
BY_LOT = ("--pivot", "lot")
JOURNALS = (("fifo", 1.0), ("lifo", 0.1), ("hifo", 0.1), ("average", 0.2))
"""Methods of relief, and the size of each journal as a share of the largest."""


@frozen
class Comparison:
    """The same figures from our books and from another program."""

    judge: str
    layer: str
    subject: str
    books: Figures
    figures: Figures

    @property
    def differences(self) -> list[str]:
        """Describe every figure on which the two disagree."""
        return [
            f"{self.judge}, {self.layer}, {self.subject}: {' '.join(key)}: ours {self.books.get(key, 0)},"
            f" theirs {self.figures.get(key, 0)}"
            for key in sorted(self.books.keys() | self.figures.keys())
            if self.books.get(key, 0) != self.figures.get(key, 0)
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
        """Read the figures."""
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
        """Return the balances in currencies."""
        return {key: amount for key, amount in balances.items() if key[1] in self.smallest}

    def units(self, balances: Figures) -> Figures:
        """Add up units by instrument, without the market accounts, which the lot layer does not have."""
        total: dict[Key, Decimal] = defaultdict(Decimal)
        for (path, commodity), amount in balances.items():
            if commodity not in self.smallest and not path.startswith("Market:"):
                total[commodity,] += amount
        return _nonzero(total)


@frozen
class Outside:
    """Figures of another program: balances, balances with lots at cost, and lots."""

    balances: defaultdict[Key, Decimal] = field(factory=lambda: defaultdict(Decimal))
    at_cost: defaultdict[Key, Decimal] = field(factory=lambda: defaultdict(Decimal))
    lots: dict[Key, tuple[Decimal, Decimal]] = field(factory=dict)
    opened: dict[Key, str] = field(factory=dict)


def beancount(books: Books, path: Path) -> Iterator[Comparison]:
    """Yield every comparison with beancount."""
    from beancount import loader
    from beancount.core.data import Transaction
    from beancount.core.realization import iter_children, realize

    layer = path.stem
    yield _accepted("bean-check", layer, [_path_of("bean-check"), str(path)])
    entries, _, _ = loader.load_file(str(path))
    count = sum(isinstance(entry, Transaction) for entry in entries)
    yield Comparison("beancount", layer, "transactions", {("read",): books.transactions}, {("read",): count})
    outside = Outside()
    tree = realize(entries)  # type: ignore[no-untyped-call]
    for account in iter_children(tree):  # type: ignore[no-untyped-call]
        for units, cost in account.balance:
            name = PARTS.unpath(account.account)
            symbol = CURRENCIES.unescape(units.currency)
            outside.balances[name, symbol] += units.number
            if cost is None:
                outside.at_cost[name, symbol] += units.number
                continue
            # beancount has the cost of a unit in 28 digits. Rounded once, the total is the exported one.
            money = CURRENCIES.unescape(cost.currency)
            total = (units.number * cost.number).quantize(books.smallest[money])
            outside.at_cost[name, money] += total
            outside.lots[cost.label, symbol] = (units.number, total)
            outside.opened[cost.label, symbol] = cost.date.isoformat()
    yield from _comparisons("beancount", layer, books, outside)
    if layer == "lots":
        yield Comparison("beancount", layer, "lots: opened", books.opened, outside.opened)


def hledger(books: Books, path: Path) -> Iterator[Comparison]:
    """Yield every comparison with hledger."""
    layer = path.stem
    yield _accepted("hledger check", layer, [_path_of("hledger"), "-f", str(path), "check", *STRICT])
    outside = Outside(_hledger_balances(path), _hledger_balances(path, "-B"))
    if layer == "lots":
        costs = {lot: cost for (lot, _), cost in _hledger_balances(path, "-B", *BY_LOT).items()}
        for (lot, symbol), units in _hledger_balances(path, *BY_LOT).items():
            if lot:
                outside.lots[lot, symbol] = units, costs.get(lot, Decimal(0))
    yield from _comparisons("hledger", layer, books, outside)


def _comparisons(judge: str, layer: str, books: Books, outside: Outside) -> Iterator[Comparison]:
    def of(subject: str, books: Figures, figures: Figures) -> Comparison:
        return Comparison(judge, layer, subject, books, _nonzero(figures))

    if layer == "exact":
        yield of("balances", books.balances, outside.balances)
    else:
        yield of("money at cost", books.money(books.balances), books.money(outside.at_cost))
        yield of("units", books.units(books.balances), books.units(outside.balances))
        yield of("lots: units, cost", books.lots, outside.lots)


def _hledger_balances(path: Path, *options: str) -> defaultdict[Key, Decimal]:
    """Return hledger's balances by account, or by the key that the options put in its place."""
    balances: defaultdict[Key, Decimal] = defaultdict(Decimal)
    rows = csv.reader(io.StringIO(_run([_path_of("hledger"), "-f", str(path), *BALANCE, *options]).stdout))
    for account, commodity, amount in list(rows)[1:]:
        balances[QUOTED.unpath(account), QUOTED.unescape(commodity)] += Decimal(amount)
    return balances


def _accepted(judge: str, layer: str, command: list[str]) -> Comparison:
    process = _run(command)
    answer = process.stdout + process.stderr if process.returncode else "yes"
    return Comparison(judge, layer, "accepted", {("accepted",): "yes"}, {("accepted",): answer})


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    # Notes can be any text, and hledger reads files in the encoding of the locale.
    environment = os.environ | {"LC_ALL": "C.UTF-8"}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def _path_of(tool: str) -> str:
    """Find a tool in this Python's environment, else on the path."""
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
    """Compare one journal with the judges. The exports stay in *folder*."""
    with Reader(journal) as reader:
        books = Books.of(reader)
        return [
            comparison
            for form in formats
            for path in export(reader, form, folder)
            for comparison in JUDGES[form](books, path)
        ]


def main(arguments: list[str] | None = None) -> int:
    """Write the journals, run the judges, print their comparisons."""
    parser = argparse.ArgumentParser(
        prog="python -m tieout.validation.evidence.outsiders", description=__doc__
    )
    parser.add_argument(
        "--transactions",
        type=int,
        default=size("transactions for outsiders"),
        help="transactions of the largest journal (%(default)s)",
    )
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    console = Console()
    if missing := [tool for tool in TOOLS if not _path_of(tool)]:
        for tool in missing:
            console.print(f"{tool} is missing. Install it with: {TOOLS[tool]}", markup=False)
        return 2
    table = Table("journal", "judge", "layer", "compared", "figures", "differences", title="Second opinions")
    differences: list[str] = []
    with TemporaryDirectory() as folder:
        for relief, share in JOURNALS:
            started = perf_counter()
            journal = Path(folder) / f"{relief}.duckdb"
            sample(journal, int(options.transactions * share), options.seed, relief)
            for comparison in compare(journal, Path(folder) / relief):
                differences += comparison.differences
                count = len(comparison.books.keys() | comparison.figures.keys())
                table.add_row(
                    relief,
                    comparison.judge,
                    comparison.layer,
                    comparison.subject,
                    f"{count:,}",
                    f"{len(comparison.differences):,}",
                )
            console.print(f"{relief}: {perf_counter() - started:.0f} s", highlight=False)
    console.print(table)
    for line in differences[:20]:
        console.print(line, markup=False)
    console.print(f"{len(differences):,} differences", highlight=False)
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
