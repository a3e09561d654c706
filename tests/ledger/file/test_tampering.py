"""Changes to a closed file with DuckDB, and the findings of `verify`.

A trial balance does not show these changes, or still foots after them, but the seals name the block. Some
changes show only against a head digest noted elsewhere. They are found with it and not without it.
"""

import json
import random
import shutil
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pytest
from typer.testing import CliRunner

from tests.support import naive
from tests.support.desk import Desk, day
from tieout.execution.kernels.orders import OrderEvent, Reason
from tieout.ledger.application import CHECK_FAILED, application
from tieout.ledger.books.events import margin_requirement
from tieout.ledger.file import chain
from tieout.ledger.file.anchor import parse
from tieout.ledger.file.reader import Reader
from tieout.ledger.file.run import Policies
from tieout.ledger.file.verify import Outcome, Report, verify

SEEDS = (1, 2)
RUN = -1


class Closed(NamedTuple):
    """A closed file, and notes about it."""

    path: Path
    head: str
    blocks: int
    trial_balance: list[dict[str, Any]]


def trade_for_a_while(path: Path, seed: int) -> Closed:
    """Post two weeks of trades in two currencies, short sales, settlements, marks and statements."""
    chance = random.Random(seed)
    desk = Desk(path, Policies(block_transfers=12, others={"leverage_cap": 4.0}))
    desk.deposit("USD", "100000")
    desk.deposit("EUR", "50000")
    prices = {"ACME": 100.0, "BOLT": 20.0, "CORK": 50.0}
    unsettled = -1
    for desk.today in range(1, 15):
        if unsettled >= 0:
            desk.settle(unsettled, "USD", str(-desk.journal.balance("Liabilities:Payable:Trades", "USD")))
        prices = {symbol: round(price * chance.uniform(0.97, 1.03), 2) for symbol, price in prices.items()}
        desk.trade("ACME", chance.choice(["3", "5.5", "-2.25", "-7"]), prices["ACME"], "1")
        desk.trade("CORK", chance.choice(["10.125", "-12"]), prices["CORK"], "2")
        unsettled = desk.trade("BOLT", chance.choice("123456789"), prices["BOLT"], "0.50", settled=False)
        order = desk.order("ACME", "900", tag="too much")
        desk.record_event(order, OrderEvent.REJECTED, Reason.INSUFFICIENT_CASH)
        desk.link(order, order - 1)
        required, note = str(1_000 + desk.today), f"the requirement of day {desk.today}"
        desk.journal.post(day(desk.today), margin_requirement, "USD", required, note=note)
        desk.mark(**prices)
        desk.statement()
    head = desk.close()
    with Reader(path) as reader:
        return Closed(path, head, len(chain.seals(reader)), reader.view("trial-balance").rows())


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> list[Closed]:
    """Closed files, which no test may change."""
    folder = tmp_path_factory.mktemp("closed")
    return [trade_for_a_while(folder / f"{seed}.duckdb", seed) for seed in SEEDS]


@pytest.fixture
def original(closed: list[Closed], request: pytest.FixtureRequest) -> Closed:
    """One of the files, chosen by the name of the test."""
    return closed[zlib.crc32(request.node.name.encode()) % len(closed)]


class File:
    """A copy to tamper with, in random places."""

    def __init__(self, original: Closed, path: Path, chance: random.Random) -> None:
        self.original = original
        self.path = path
        self.chance = chance
        self._connection: duckdb.DuckDBPyConnection | None = None

    def run(self, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        if self._connection is None:
            self._connection = duckdb.connect(str(self.path))
        return self._connection.execute(statement, list(parameters)).fetchall()

    def closed(self) -> Path:
        """Close the connection, so that others can read the file, and return its path."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        return self.path

    def one(self, query: str, *parameters: object) -> tuple[Any, ...]:
        """Return a random row of a query."""
        return self.chance.choice(self.run(query, *parameters))

    def block_of(self, table: str, number: int) -> int:
        """Return the block that holds a row."""
        after = 0
        for block, rows in self.run("select block, rows from seal order by block"):
            after += json.loads(rows).get(table, 0)
            if number < after:
                return int(block)
        raise AssertionError(f"{table} has no row {number}")

    @property
    def last_block(self) -> int:
        return int(self.run("select max(block) from seal")[0][0])

    def reseal(self, first: int, last: int) -> None:
        """Replace the digests of blocks by those of their present rows, in the format of the seals."""
        _, computed = naive.seals(self.closed())
        for block in range(first, last + 1):
            self.run("update seal set digest = ? where block = ?", computed[block + 1], block)
            if block > first:
                self.run("update seal set previous = ? where block = ?", computed[block], block)

    def cut_after(self, block: int) -> None:
        """Delete the rows of all later blocks, and their seals."""
        counts: dict[str, int] = {}
        for (rows,) in self.run("select rows from seal where block <= ?", block):
            for table, count in json.loads(rows).items():
                counts[table] = counts.get(table, 0) + count
        ((layout,),) = self.run("select layout from run")
        for table, columns in json.loads(layout):
            self.run(f"delete from {table} where {columns[0][0]} >= ?", counts.get(table, 0))  # noqa: S608  named above
        self.run("delete from seal where block > ?", block)


class Tampering(NamedTuple):
    """A change to a file that returns the blocks it concerns, and a flag for an unchanged trial balance."""

    change: Callable[[File], set[int]]
    is_hidden: bool


TAMPERINGS: dict[str, Tampering] = {}


def hidden(change: Callable[[File], set[int]]) -> Callable[[File], set[int]]:
    """Register a change after which the trial balance is the same to the last digit."""
    TAMPERINGS[change.__name__] = Tampering(change, is_hidden=True)
    return change


def footing(change: Callable[[File], set[int]]) -> Callable[[File], set[int]]:
    """Register a change after which the trial balance differs, and its debits and credits still foot."""
    TAMPERINGS[change.__name__] = Tampering(change, is_hidden=False)
    return change


@hidden
def two_legs_edited_so_that_they_balance(file: File) -> set[int]:
    debit, credit = file.one("select debit, credit from transfer group by all having count(*) > 2")
    rows = file.run("select seq from transfer where (debit, credit) = (?, ?) and amount > 1", debit, credit)
    chosen = [seq for (seq,) in file.chance.sample(rows, 2)]
    for seq, change in zip(chosen, (1, -1), strict=True):
        file.run("update transfer set amount = amount + ? where seq = ?", change, seq)
    return {file.block_of("transfer", seq) for seq in chosen}


@footing
def amount_edited(file: File) -> set[int]:
    (seq,) = file.one("select seq from transfer")
    file.run("update transfer set amount = amount + 1 where seq = ?", seq)
    return {file.block_of("transfer", seq)}


@footing
def account_swapped(file: File) -> set[int]:
    seq, other = file.one(
        "select seq, other.id from transfer join account on account.id = debit"
        " join account as other on other.commodity = account.commodity and other.id not in (debit, credit)"
    )
    file.run("update transfer set debit = ? where seq = ?", other, seq)
    return {file.block_of("transfer", seq)}


@hidden
def accounts_of_two_transfers_exchanged(file: File) -> set[int]:
    one, other = file.one(
        "select a.seq, b.seq from transfer as a join transfer as b on a.amount = b.amount and a.seq < b.seq"
        " join account as x on x.id = a.debit join account as y on y.id = b.debit"
        " where x.commodity = y.commodity and (a.debit, a.credit) != (b.debit, b.credit)"
        " and a.debit != b.credit and b.debit != a.credit"
    )
    first, second = file.run(
        "select seq, debit, credit from transfer where seq in (?, ?) order by seq", one, other
    )
    for (seq, *_), (_, debit, credit) in ((first, second), (second, first)):
        file.run("update transfer set debit = ?, credit = ? where seq = ?", debit, credit, seq)
    return {file.block_of("transfer", one), file.block_of("transfer", other)}


@hidden
def lot_changed(file: File) -> set[int]:
    (seq,) = file.one("select seq from transfer where lot > 0")
    file.run("update transfer set lot = lot - 1 where seq = ?", seq)
    return {file.block_of("transfer", seq)}


def without(file: File, txn: int) -> set[int]:
    file.run("delete from transfer where txn = ?", txn)
    file.run("delete from txn where id = ?", txn)
    return {file.block_of("txn", txn)}


@footing
def transaction_deleted(file: File) -> set[int]:
    (txn,) = file.one("select id from txn")
    return without(file, txn)


@footing
def first_transaction_of_a_block_deleted(file: File) -> set[int]:
    (txn,) = file.one("select first_txn from seal where last_txn >= first_txn")
    return without(file, txn)


@footing
def last_transaction_of_a_block_deleted(file: File) -> set[int]:
    (txn,) = file.one("select last_txn from seal where last_txn >= first_txn")
    return without(file, txn)


@footing
def transaction_deleted_and_those_after_it_renumbered(file: File) -> set[int]:
    (txn,) = file.one("select id from txn where id < (select max(id) - 3 from txn)")
    ((first, count),) = file.run("select min(seq), count(*) from transfer where txn = ?", txn)
    without(file, txn)
    file.run("update transfer set seq = seq - ?, txn = txn - 1 where txn > ?", count, txn)
    file.run("update txn set id = id - 1 where id > ?", txn)
    with_rows = file.run("select block, rows from seal")
    last = max(block for block, rows in with_rows if "txn" in json.loads(rows))
    return {*range(file.block_of("transfer", first), last + 1)}


@footing
def transaction_added_between_others(file: File) -> set[int]:
    (txn,) = file.one("select txn from transfer group by txn having count(*) > 1")
    ((seq,),) = file.run("select max(seq) from transfer where txn = ?", txn)
    file.run(
        "insert into transfer select seq, txn, credit, debit, amount, lot from transfer where seq = ?", seq
    )
    return {file.block_of("transfer", seq)}


@hidden
def transactions_reordered(file: File) -> set[int]:
    one, other = (int(row[0]) for row in file.chance.sample(file.run("select id from txn"), 2))
    blocks = {file.block_of("txn", one), file.block_of("txn", other)}
    file.run(
        "update txn set id = case when id = ? then ? else ? end where id in (?, ?)",
        one,
        other,
        one,
        one,
        other,
    )
    return blocks


@hidden
def transfers_of_two_transactions_reordered(file: File) -> set[int]:
    one = int(file.one("select a.txn from transfer as a join transfer as b on b.txn = a.txn + 1")[0])
    places = file.run("select seq from transfer where txn in (?, ?) order by txn, seq", one, one + 1)
    order = file.run("select seq from transfer where txn in (?, ?) order by txn desc, seq", one, one + 1)
    rows = {seq: file.run("from transfer where seq = ?", seq)[0] for (seq,) in order}
    file.run("delete from transfer where txn in (?, ?)", one, one + 1)
    for (seq,), (before,) in zip(places, order, strict=True):
        _, txn, *rest = rows[before]
        file.run("insert into transfer values (?, ?, ?, ?, ?, ?)", seq, 2 * one + 1 - txn, *rest)
    return {file.block_of("transfer", seq) for (seq,) in places}


def edited(file: File, table: str, assignment: str, rows: int = 3) -> set[int]:
    """Edit some random rows."""
    ids = file.run(f"select id from {table}")  # noqa: S608  named below
    numbers = file.chance.sample(ids, min(rows, len(ids)))
    for (number,) in numbers:
        file.run(f"update {table} set {assignment} where id = ?", number)  # noqa: S608  as above
    return {file.block_of(table, number) for (number,) in numbers}


ROWS_EDITED = (
    ("txn", "timestamp = timestamp + to_microseconds(1)"),
    ("txn", "kind = 0"),
    ("txn", "instrument = instrument + 1"),
    ("txn", "order_id = order_id + 1"),
    ("txn", "fill_id = fill_id + 1"),
    ("txn", "reverses = 0"),
    ("fill", "price = price * 1.01"),
    ("fill", "reference_price = reference_price + 1e-9"),
    ("fill", "quantity = quantity + 1"),
    ("fill", "commission = commission + 1"),
    ("fill", "side = -side"),
    ("fill", "basis = 1"),
    ("mark", "price = price + 0.01"),
    ("mark", "stale = not stale"),
    ("statement", "equity = equity + 1"),
    ("statement", "cash = cash + 1, equity = equity + 1"),
    ("statement", "timestamp = timestamp + to_microseconds(1)"),
    ("orders", "tag = 1 - tag"),
    ("orders", "tif = 1"),
    ("orders", "signal = 0.75"),
    ("orders", "limit_price = 0"),
    ("orders", "quantity = quantity + 1"),
    ("order_event", "reason = 1"),
    ("order_event", "event = 2"),
    ("order_link", "other = other - 1"),
    ("tag", "name = name || '2'"),
    ("note", "text = text || '.'"),
    ("account", "type = case type when 'contra' then 'memo' else 'contra' end"),
    ("account", "floored = not floored"),
    ("account", "normal_side = case normal_side when 'debit' then 'credit' else 'debit' end"),
    ("commodity", "multiplier = multiplier * 2"),
)
NAMES_EDITED = (
    ("account", "path = path || 's'"),
    ("commodity", "symbol = symbol || '2'"),
    ("commodity", "scale = scale + 1"),
)


def departing_blocks(path: Path, anchor: str | None = None) -> set[int]:
    """Return the blocks at which a file departs from its seals, and `RUN` for the run itself."""
    with Reader(path) as reader:
        return {departure.block for departure in chain.departures(reader, parse(anchor) if anchor else None)}


def verified(path: Path, anchor: str | None = None) -> Report:
    with Reader(path) as reader:
        return verify(reader, parse(anchor) if anchor else None)


def status(path: Path, *arguments: str) -> int:
    """Return the exit status of `tieout verify`."""
    return CliRunner().invoke(application(), ["verify", str(path), *arguments]).exit_code


def trial_balance(path: Path) -> list[dict[str, Any]]:
    with Reader(path) as reader:
        return reader.view("trial-balance").rows()


def foots(lines: list[dict[str, Any]]) -> bool:
    commodities = {line["commodity"] for line in lines}
    return all(
        sum(line["debit"] - line["credit"] for line in lines if line["commodity"] == commodity) == 0
        for commodity in commodities
    )


@pytest.fixture
def file(original: Closed, tmp_path: Path, request: pytest.FixtureRequest) -> File:
    shutil.copy(original.path, tmp_path / "books.duckdb")
    return File(original, tmp_path / "books.duckdb", random.Random(f"{original.head} {request.node.name}"))


def found_by_the_seals(file: File, concerned: set[int]) -> bool:
    """Check that the seals name these blocks alone, and that the command agrees."""
    return departing_blocks(file.closed()) == concerned and says_where(file.path, concerned)


def says_where(path: Path, concerned: set[int]) -> bool:
    result = CliRunner().invoke(application(), ["verify", str(path)])
    first = min(concerned)
    where = "run:" if first == RUN else f"block {first}:"
    return result.exit_code == CHECK_FAILED and where in result.stdout


def test_a_file_left_alone_has_nothing_wrong(original: Closed) -> None:
    report = verified(original.path, original.head)
    stored, computed = naive.seals(original.path)

    assert [] == [result for result in report.results if result.outcome is Outcome.FAILED]
    assert stored == computed
    assert original.head == report.head == computed[-1]
    assert original.blocks == report.blocks == len(computed) - 1 > 10
    assert foots(original.trial_balance)
    assert 0 == status(original.path, "--anchor", original.head)
    assert 0 == status(original.path, "--anchor", report.file_digest)


@pytest.mark.parametrize("name", TAMPERINGS)
def test_a_change_that_a_trial_balance_does_not_show_is_found_in_its_block(file: File, name: str) -> None:
    change, is_hidden = TAMPERINGS[name]
    concerned = change(file)
    after = trial_balance(file.closed())

    assert foots(after)
    assert is_hidden == (file.original.trial_balance == after)
    assert found_by_the_seals(file, concerned)


@pytest.mark.parametrize(("table", "assignment"), ROWS_EDITED)
def test_an_edited_row_that_no_balance_comes_from_is_found_in_its_block(
    file: File, table: str, assignment: str
) -> None:
    concerned = edited(file, table, assignment)

    assert file.original.trial_balance == trial_balance(file.closed())
    assert found_by_the_seals(file, concerned)


@pytest.mark.parametrize(("table", "assignment"), NAMES_EDITED)
def test_an_account_or_commodity_edited_is_found_in_the_block_that_opened_it(
    file: File, table: str, assignment: str
) -> None:
    concerned = edited(file, table, assignment)

    assert foots(trial_balance(file.closed()))
    assert found_by_the_seals(file, concerned)


@pytest.mark.parametrize(
    "table", ["mark", "statement", "fill", "orders", "order_event", "order_link", "tag", "note", "account"]
)
def test_a_row_taken_out_is_found_in_its_block(file: File, table: str) -> None:
    (number,) = file.one(f"select id from {table}")  # noqa: S608  named above
    concerned = {file.block_of(table, number)}
    file.run(f"delete from {table} where id = ?", number)  # noqa: S608  named above

    assert found_by_the_seals(file, concerned)


@pytest.mark.parametrize(
    "table", ["mark", "statement", "fill", "orders", "order_event", "order_link", "tag", "note", "txn"]
)
def test_rows_added_after_the_last_seal_are_found_behind_it(file: File, table: str) -> None:
    behind = file.last_block + 1
    file.run(f"insert into {table} select * replace (id + 1 as id) from {table} order by id desc limit 1")  # noqa: S608  named above

    assert found_by_the_seals(file, {behind})


def test_transfers_added_after_the_last_seal_are_found_behind_it(file: File) -> None:
    behind = file.last_block + 1
    file.run("insert into transfer select * replace (seq + 1 as seq) from transfer order by seq desc limit 1")

    assert foots(trial_balance(file.closed()))
    assert found_by_the_seals(file, {behind})


@pytest.mark.parametrize(
    ("assignment", "concerned"),
    [
        ("spec = '{}'", {RUN, 0}),
        ('fingerprints = \'{"prices":"0"}\'', {RUN, 0}),
        ("strategy = 'another'", {RUN, 0}),
        ("seed = seed + 1", {RUN, 0}),
        ("policies = replace(policies, 'fifo', 'lifo')", {RUN, 0}),
        ("policies = replace(policies, '4.0', '40.0')", {RUN, 0}),
        ("id = '0123456789abcdef'", {RUN}),
    ],
)
def test_a_run_that_was_edited_is_found(file: File, assignment: str, concerned: set[int]) -> None:
    file.run(f"update run set {assignment}")  # noqa: S608  named above

    assert found_by_the_seals(file, concerned)


def test_tables_left_out_of_the_layout_are_found(file: File) -> None:
    file.run("update run set layout = replace(layout, '[\"note\",', '[\"notes\",')")

    assert found_by_the_seals(file, {RUN, 0})


@pytest.mark.parametrize("table", ["note", "mark", "statement", "orders", "benchmark"])
def test_a_file_without_one_of_its_tables_fails(file: File, table: str) -> None:
    file.run(f"drop table {table}")

    with Reader(file.closed(), with_catalogue=True) as reader:
        assert f"the table {table} is missing" in reader.faults
    assert CHECK_FAILED == status(file.path)


@pytest.mark.parametrize("column", ["first_txn", "last_txn", "rows", "previous", "digest"])
def test_an_edited_seal_is_found(file: File, column: str) -> None:
    (block,) = file.one("select block from seal")
    changed = {
        "rows": "replace(rows, '1', '2')",
        "previous": "reverse(previous)",
        "digest": "reverse(digest)",
    }
    value = changed.get(column, f"{column} + 1")
    file.run(f"update seal set {column} = {value} where block = ?", block)  # noqa: S608  named above
    blocks = departing_blocks(file.closed())

    assert block in blocks
    assert blocks <= {block, block + 1} or column == "rows"
    assert says_where(file.path, {block})


def test_a_seal_taken_out_is_found(file: File) -> None:
    (block,) = file.one("select block from seal where block < (select max(block) from seal)")
    file.run("delete from seal where block = ?", block)

    assert found_by_the_seals(file, {block})


def test_seals_exchanged_are_found(file: File) -> None:
    one, other = (row[0] for row in file.chance.sample(file.run("select block from seal"), 2))
    file.run(
        "update seal set block = case when block = ? then ? else ? end where block in (?, ?)",
        one,
        other,
        one,
        one,
        other,
    )

    assert {one, other} <= departing_blocks(file.closed())
    assert says_where(file.path, {min(one, other)})


@pytest.mark.parametrize("name", ["amount_edited", "account_swapped"])
def test_a_block_sealed_again_after_a_change_is_found_by_the_block_that_follows_it(
    file: File, name: str
) -> None:
    while (concerned := TAMPERINGS[name].change(file)) == {file.last_block}:
        pass  # a change in the last block has no block that follows it
    block = min(concerned)
    file.reseal(0, block)

    assert found_by_the_seals(file, {block + 1})


# --- changes that only an anchor shows ------------------------------------------------------------


def found_with_the_anchor_alone(file: File, block: int) -> bool:
    """Check that every check passes without an anchor, and that the seals name the block with either."""
    path, head = file.closed(), file.original.head
    report, file_digest = verified(path), verified(file.original.path).file_digest
    statuses = status(path), status(path, "--anchor", head), status(path, "--anchor", file_digest)
    return (
        report.ok
        and {block} == departing_blocks(path, head) == departing_blocks(path, file_digest)
        and (0, CHECK_FAILED, CHECK_FAILED) == statuses
    )


def test_a_tail_cut_off_is_found_with_the_anchor_alone(file: File) -> None:
    last = file.chance.randrange(file.last_block)
    file.cut_after(last)

    assert found_with_the_anchor_alone(file, last + 1)


def test_everything_cut_off_is_found_with_the_anchor_alone(file: File) -> None:
    file.cut_after(-1)

    assert found_with_the_anchor_alone(file, 0)


@pytest.mark.parametrize(
    ("table", "assignment"), [("orders", "tag = 1 - tag"), ("order_event", "reason = 1")]
)
def test_a_chain_rewritten_after_a_change_is_found_with_the_anchor_alone(
    file: File, table: str, assignment: str
) -> None:
    (block,) = edited(file, table, assignment, rows=1)
    file.reseal(block, file.last_block)

    assert found_with_the_anchor_alone(file, file.original.blocks)


def test_blocks_added_since_the_anchor_was_noted_are_counted(original: Closed) -> None:
    _, computed = naive.seals(original.path)
    report = verified(original.path, computed[3])

    assert not report.ok
    assert {3} == departing_blocks(original.path, computed[3])
    assert f"{original.blocks - 3} blocks were added" in report.results[0].findings[0]


def test_the_provenance_is_outside_the_chain_and_in_the_digest_of_the_file(file: File) -> None:
    before = verified(file.original.path)
    file.run("update provenance set host = 'elsewhere'")
    after = verified(file.closed(), file.original.head)
    against_the_file = verified(file.path, before.file_digest)

    assert after.ok
    assert before.head == after.head
    assert before.file_digest != after.file_digest
    assert not against_the_file.ok
    assert "the provenance was changed" in against_the_file.results[0].findings[0]
