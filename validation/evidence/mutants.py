"""Faults planted in the ledger, each killed by a named test, or reported as a survivor.

    python -m tieout.validation.evidence.mutants

A mutant is one edit of one file, made in a copy of the source tree and never in the tree itself. Every test
that has to kill one passes on the unmutated copy first. Exit status 1 if any mutant survives, 2 if the tests
could not be run as described.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from attrs import field, frozen
from rich.console import Console
from rich.table import Table
from rich.text import Text

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("ledger", "execution", "strategies", "validation", "tests")
PASSED, FAILED = 0, 1


class NotAsDescribed(Exception):
    """A mutant does not fit the source, or a test that should pass does not."""


def _node_ids(tests: str) -> tuple[str, ...]:
    return tuple(f"tests/{test}" for test in tests.split())


@frozen
class Mutant:
    """A fault: *old* in *file* becomes *new*. *killers* are tests, at least one of which has to fail."""

    name: str
    breaks: str
    file: str
    old: str
    new: str
    killers: tuple[str, ...] = field(converter=_node_ids)


@frozen
class Verdict:
    """What became of a mutant; *killer* is the test that failed, '' where none did."""

    mutant: Mutant
    killer: str
    seconds: float


MUTANTS = (
    # --- what an event transfers
    Mutant(
        "fee left out of the cash leg",
        "the owner pays commissions instead of cash",
        "ledger/books/lots.py",
        "move(books, money + chart.COMMISSIONS, paying, fee)",
        "move(books, money + chart.COMMISSIONS, money + chart.CONTRIBUTIONS, fee)",
        "ledger/books/test_events.py::test_a_purchase_is_carried_at_cost_and_its_fee_is_expensed",
    ),
    Mutant(
        "fee charged twice",
        "balanced, and too much",
        "ledger/books/lots.py",
        "        move(books, money + chart.COMMISSIONS, paying, fee)\n",
        "        move(books, money + chart.COMMISSIONS, paying, fee)\n" * 2,
        "ledger/books/test_events.py::test_a_purchase_is_carried_at_cost_and_its_fee_is_expensed",
    ),
    Mutant(
        "sign of the gain swapped",
        "a gain is booked as a loss",
        "ledger/books/lots.py",
        "lot.money, first + chart.REALISED, side * (part - cost))",
        "lot.money, first + chart.REALISED, side * (cost - part))",
        "ledger/books/test_events.py::test_a_sale_gives_up_the_oldest_lot_first",
    ),
    Mutant(
        "sign of a short sale's gain swapped",
        "covering below the sale is a loss",
        "ledger/books/lots.py",
        "lot.money, first + chart.REALISED, side * (part - cost))",
        "lot.money, first + chart.REALISED, part - cost)",
        "ledger/books/test_events.py::test_a_short_sale_owes_its_proceeds_and_sets_them_aside",
    ),
    Mutant(
        "restricted proceeds not released",
        "a cover leaves the proceeds of the short sale set aside",
        "ledger/books/lots.py",
        "if excess > 0:",
        "if excess < 0:",
        "ledger/books/test_events.py::test_a_short_sale_owes_its_proceeds_and_sets_them_aside",
    ),
    Mutant(
        "long and short at once",
        "units are sold short while others are held",
        "ledger/books/lots.py",
        "if held(books, instrument, -side) or",
        "if held(books, instrument, side) and",
        "ledger/books/test_refusals.py::test_what_is_refused_says_what_was_wrong_and_changes_nothing",
    ),
    Mutant(
        "split forgets a lot",
        "only the first lot of a side is split",
        "ledger/books/events.py",
        "                write_off(books, instrument, slot)\n            slot = lot.next",
        "                write_off(books, instrument, slot)\n            slot = -1",
        "ledger/books/test_events.py::test_a_split_changes_units_and_never_cost",
    ),
    Mutant(
        "reversal keeps the lot",
        "a correction moves the balances back and not the lots",
        "ledger/books/correction.py",
        'transfer(books, row["credit"], row["debit"], row["amount"], slot)',
        'transfer(books, row["credit"], row["debit"], row["amount"], -1)',
        "ledger/books/test_events.py::test_a_correction_undoes_every_side_of_a_transaction",
    ),
    # --- lots and arithmetic
    Mutant(
        "newest lot first",
        "FIFO relieves like LIFO",
        "ledger/books/posting.py",
        "return bool(a.id > b.id if relief == LIFO else a.id < b.id)",
        "return bool(a.id > b.id)",
        "ledger/books/test_lots.py::test_the_method_decides_which_cost_goes_out",
    ),
    Mutant(
        "HIFO compares total cost",
        "a large cheap lot goes before a small dear one",
        "ledger/books/posting.py",
        "if higher_per_unit(a.rank_cost, a.rank_quantity, b.rank_cost, b.rank_quantity):",
        "if a.rank_cost > b.rank_cost:",
        "ledger/books/test_lots.py::test_lots_of_equal_cost_per_unit_go_oldest_first",
    ),
    Mutant(
        "a lot keeps its rank after a split",
        "HIFO gives up the cheapest lot",
        "ledger/books/posting.py",
        "    lot.rank_quantity = abs(lot.quantity)\n",
        "",
        "ledger/books/test_lots.py::test_the_highest_cost_per_unit_is_that_after_a_split",
    ),
    Mutant(
        "a purchase is reversed across a split",
        "units that nobody bought stay behind",
        "ledger/books/correction.py",
        'row["disturbed_by"] is not None',
        "False",
        "ledger/books/test_soundness.py::test_a_purchase_is_not_reversed_across_a_split",
    ),
    Mutant(
        "average opens a second lot",
        "lots bought at different prices are not averaged",
        "ledger/books/posting.py",
        "if books.commodities[instrument].relief == AVERAGE and",
        "if books.commodities[instrument].relief == NONE and",
        "ledger/books/test_lots.py::test_an_average_lot_is_one_lot_while_anything_is_held",
    ),
    Mutant(
        "remainder dropped",
        "cost goes out by a rounded cost per unit",
        "ledger/books/lots.py",
        "cost = share(abs(lot.cost), taken, have)",
        "cost = abs(lot.cost) // have * taken",
        "ledger/books/test_lots.py::test_what_went_into_a_lot_comes_out_of_it",
    ),
    Mutant(
        "proceeds shared wrongly",
        "each lot's part is of the whole sale, and the last does not take the rest",
        "ledger/books/lots.py",
        "part = share(amount, taken, left)",
        "part = share(amount, taken, quantity)",
        "ledger/books/test_lots.py::test_proceeds_are_shared_by_units_and_the_last_lot_takes_the_remainder",
    ),
    Mutant(
        "carry dropped",
        "a product of more than 64 bits loses its middle",
        "ledger/books/arithmetic.py",
        " + (high_low >> _HALF) + (middle >> _HALF)",
        " + (high_low >> _HALF)",
        "ledger/books/test_arithmetic.py::test_a_share_is_the_exact_product_rounded_down",
    ),
    Mutant(
        "half rounded up",
        "2.5 becomes 3",
        "ledger/books/arithmetic.py",
        "return int(np.rint(value))",
        "return int(np.floor(value + 0.5))",
        "ledger/books/test_arithmetic.py::test_halves_are_rounded_to_even_and_what_does_not_fit_is_none",
    ),
    # --- posted whole or not at all
    Mutant(
        "floor of assets dropped",
        "cash may be overdrawn",
        "ledger/books/posting.py",
        "if of.floor > 0 and of.balance < 0:",
        "if of.floor > 1 and of.balance < 0:",
        "ledger/books/test_posting.py::test_a_transfer_is_posted_or_refused_for_one_reason",
    ),
    Mutant(
        "floor of liabilities dropped",
        "more may be paid than is owed",
        "ledger/books/posting.py",
        "if to.floor < 0 and to.balance > 0:",
        "if to.floor < -1 and to.balance > 0:",
        "execution/test_records.py::test_nothing_is_paid_that_is_not_due_though_there_is_cash",
    ),
    Mutant(
        "overflow test dropped",
        "a balance wraps to below zero",
        "ledger/books/posting.py",
        "if to.balance > MAX_AMOUNT - amount or of.balance < amount - MAX_AMOUNT:",
        "if of.balance < amount - MAX_AMOUNT:",
        "ledger/books/test_posting.py::test_a_balance_may_reach_64_bits_and_not_pass_them_on_either_side",
    ),
    Mutant(
        "backdating allowed",
        "an entry slips in before the last one",
        "ledger/books/posting.py",
        "if timestamp < state.timestamp:",
        "if timestamp < state.timestamp - 1:",
        "ledger/books/test_posting.py::test_time_does_not_go_back_and_may_stand_still",
    ),
    Mutant(
        "commodities mixed",
        "euros are debited and dollars credited",
        "ledger/books/posting.py",
        "if to.commodity != of.commodity:",
        "if to.commodity < of.commodity:",
        "ledger/books/test_posting.py::test_a_transfer_is_posted_or_refused_for_one_reason",
    ),
    Mutant(
        "undo forgets lots",
        "a refused purchase leaves its lots in the queue",
        "ledger/books/posting.py",
        "for i in range(state.free, state.free_before):",
        "for i in range(state.free_before, state.free_before):",
        "ledger/books/test_posting.py::test_an_undone_transaction_gives_back_its_lots",
    ),
    Mutant(
        "undo keeps the next lot number",
        "lot numbers have gaps after a refusal",
        "ledger/books/posting.py",
        "    state.next_lot = state.next_lot_before\n",
        "",
        "ledger/books/test_posting.py::test_an_undone_transaction_gives_back_its_lots",
    ),
    Mutant(
        "undo keeps the transfers",
        "a refused transaction is stored with the next one",
        "ledger/books/posting.py",
        "    state.transfers = state.opened\n    for",
        "    for",
        "ledger/books/test_posting.py::test_an_undone_transaction_gives_back_its_lots",
    ),
    Mutant(
        "refold dropped",
        "a block is stored though its transfers do not give the balances",
        "ledger/books/posting.py",
        "agree &= opening[account] == books.accounts[account].balance",
        "agree &= True",
        "ledger/books/test_posting.py::test_a_block_that_does_not_refold_is_not_stored",
    ),
    # --- the store and its seals
    Mutant(
        "transaction number reused",
        "every block numbers its transactions from 0",
        "ledger/journal.py",
        "state.base_txn += count",
        "state.base_txn += 0 * count",
        "ledger/file/test_tampering.py::test_a_file_left_alone_has_nothing_wrong",
    ),
    Mutant(
        "seal leaves out a column",
        "the last column of each table may be changed",
        "ledger/file/seal.py",
        "for values in columns.values():",
        "for values in list(columns.values())[:-1]:",
        "ledger/file/test_tampering.py::test_a_file_left_alone_has_nothing_wrong",
    ),
    Mutant(
        "seal leaves out the previous digest",
        "a block sealed again does not break the chain",
        "ledger/file/seal.py",
        "sha = hashlib.sha256(previous)",
        "sha = hashlib.sha256()",
        "ledger/file/test_tampering.py::test_a_file_left_alone_has_nothing_wrong",
    ),
    Mutant(
        "block committed without its seal",
        "rows are durable that nothing vouches for",
        "ledger/file/store.py",
        '"insert into seal values (?, ?, ?, ?, ?, ?)"',
        '"select ?, ?, ?, ?, ?, ?"',
        "ledger/file/test_tampering.py::test_a_file_left_alone_has_nothing_wrong",
    ),
    Mutant(
        "block stored after one that failed",
        "what is told is not what went wrong",
        "ledger/file/store.py",
        "        if self._error is not None:\n            return\n        try:",
        "        try:",
        "ledger/file/test_store.py::test_of_two_blocks_that_wait_the_error_of_the_first_is_told_and_the_second_is_not_tried",
    ),
    Mutant(
        "replay shows what it has not come to",
        "a strategy performed again sees its future",
        "ledger/file/store.py",
        "if self._head.blocks < len(self._sealed):",
        "if self._head.blocks < 0:",
        "ledger/file/test_restore.py"
        "::test_a_replay_shows_the_books_as_far_as_it_has_come_and_takes_nothing_out_of_the_file",
    ),
    Mutant(
        "rows without a seal not noticed",
        "whoever adds rows after the last block goes unseen",
        "ledger/file/chain.py",
        "if outside:",
        "if outside < 0:",
        "ledger/file/test_tampering.py::test_rows_added_after_the_last_seal_are_found_behind_it",
    ),
    Mutant(
        "anchor not compared",
        "a tail cut off goes unseen",
        "ledger/file/chain.py",
        "if anchor is not None and not _is(previous, anchor):",
        "if anchor is None and not _is(previous, anchor or previous):",
        "ledger/file/test_tampering.py::test_a_tail_cut_off_is_found_with_the_anchor_alone",
    ),
    Mutant(
        "functions of the file believed",
        "a macro stored in the file blinds the checks",
        "ledger/file/reader.py",
        "temp.main,system.main,",
        "temp.main,",
        "ledger/file/test_verify.py::test_views_and_functions_in_the_file_do_not_blind_its_checks",
    ),
    # --- statements and checks
    Mutant(
        "statement leaves out the shorts",
        "what is owed in units is worth nothing",
        "ledger/books/valuation.py",
        'np.add.at(totals, lots["queue"] // 2, lots["quantity"])',
        'np.add.at(totals, lots["queue"] // 2, np.maximum(lots["quantity"], 0))',
        "ledger/file/test_verify.py::test_statements_say_what_is_held_in_each_currency_however_it_came_and_went",
    ),
    Mutant(
        "overdraft looked for at the end alone",
        "cash below zero in between passes verify",
        "ledger/checks/overdraft.sql",
        "sum(amount) over (partition by account order by txn) as balance",
        "sum(amount) over (partition by account) as balance",
        "ledger/file/test_verify.py::test_a_planted_fault_fails_its_check",
    ),
    Mutant(
        "leverage across currencies",
        "equity in dollars covers exposure in euros",
        "execution/checks/leverage.sql",
        "sum(sum(amount)) over (partition by currency order by txn)",
        "sum(sum(amount)) over (order by txn)",
        "execution/test_records.py::test_exposure_is_within_the_cap_in_the_currency_of_the_fill",
    ),
)


def copied(folder: Path) -> Path:
    """A copy of the source tree in *folder*."""
    unwanted = shutil.ignore_patterns("__pycache__", ".*")
    for room in ROOMS:
        if (ROOT / room).is_dir():
            shutil.copytree(ROOT / room, folder / room, ignore=unwanted)
    for paper in (*ROOT.glob("*.toml"), *ROOT.glob("*.md"), ROOT / "Makefile"):
        shutil.copy(paper, folder)
    return folder


def apply(mutant: Mutant, tree: Path) -> None:
    """Make the edit in the copy at *tree*; the place has to be there once and only once."""
    path = tree / mutant.file
    text = path.read_text("utf-8")
    if text.count(mutant.old) != 1:
        raise NotAsDescribed(
            f"{mutant.name}: {mutant.file} has {text.count(mutant.old)} times {mutant.old!r}"
        )
    path.write_text(text.replace(mutant.old, mutant.new), "utf-8")


def tested(tree: Path, tests: Iterable[str]) -> tuple[int, list[str]]:
    """Run *tests* against the copy at *tree*: pytest's exit status, and what it says of each failure.

    The kernels run as plain Python: compiling them anew for each mutant would take most of the time.
    """
    environment = os.environ | {
        "PYTHONPATH": str(tree),
        "PYTHONDONTWRITEBYTECODE": "1",
        "NUMBA_DISABLE_JIT": "1",
        "NUMBA_CACHE_DIR": str(tree / "kernels"),
    }
    options = ["--exitfirst", "--quiet", "--tb=no", "-rfE", "-p", "no:cacheprovider", "-p", "no:xdist"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, *tests],
        cwd=tree,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    lines = (done.stdout + done.stderr).splitlines()
    return done.returncode, [line for line in lines if line.startswith(("FAILED", "ERROR"))] or lines[-5:]


def judged(mutant: Mutant) -> Verdict:
    """Whether a named test fails on the mutant."""
    start = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="tieout-mutant-") as folder:
        tree = copied(Path(folder))
        apply(mutant, tree)
        status, told = tested(tree, mutant.killers)
    if status not in (PASSED, FAILED):
        raise NotAsDescribed(f"{mutant.name}: pytest ended with {status}: {' '.join(told)}")
    killer = told[0].split(" - ")[0].split("::")[-1] if status == FAILED else ""
    return Verdict(mutant, killer, time.perf_counter() - start)


def require_soundness(mutants: Iterable[Mutant]) -> None:
    """Every killer passes on the unmutated copy, and it is the copy that is tested."""
    with tempfile.TemporaryDirectory(prefix="tieout-sound-") as folder:
        tree = copied(Path(folder))
        found = subprocess.run(
            [
                sys.executable,
                "-c",
                "import tieout.execution as e, tieout.ledger as l; print(l.__file__, e.__file__)",
            ],
            cwd=tree,
            env=os.environ | {"PYTHONPATH": str(tree)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
        if not all(Path(file).is_relative_to(tree) for file in found):
            raise NotAsDescribed(f"the tests would import {found} instead of the copy")
        status, told = tested(tree, dict.fromkeys(test for mutant in mutants for test in mutant.killers))
    if status != PASSED:
        raise NotAsDescribed(f"without a mutant pytest ends with {status}: {' '.join(told)}")


def table(verdicts: Iterable[Verdict]) -> Table:
    """What became of each mutant."""
    shown = Table("mutant", "what it breaks", "killed by", "s")
    for verdict in verdicts:
        killer = Text(verdict.killer) if verdict.killer else Text("SURVIVED", "bold red")
        shown.add_row(verdict.mutant.name, verdict.mutant.breaks, killer, f"{verdict.seconds:.0f}")
    return shown


def main() -> int:
    """Plant every mutant and print the table; the exit status."""
    console, start = Console(), time.perf_counter()
    try:
        require_soundness(MUTANTS)
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            verdicts = list(pool.map(judged, MUTANTS))
    except NotAsDescribed as error:
        console.print(str(error), markup=False)
        return 2
    wide = console if console.is_terminal else Console(width=200)
    wide.print(table(verdicts))
    survivors = [verdict.mutant.name for verdict in verdicts if not verdict.killer]
    console.print(f"{len(verdicts)} mutants, {len(survivors)} survived, {time.perf_counter() - start:.0f} s")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
