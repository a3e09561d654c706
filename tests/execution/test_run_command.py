"""`tieout run` and `tieout reperform` on the terminal, with a spec and its data."""

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner, Result

from tieout.execution.runs import generated_by
from tieout.execution.spec.assembly import assemble
from tieout.execution.spec.reading import read
from tieout.ledger.application import application
from tieout.ledger.errors import JournalExists
from tieout.ledger.file.reader import Reader

DAYS = 40
SPEC = """\
[bars]
path = "prices.parquet"

[strategy]
name = "swing.py:Swing"
parameters = { count = 2 }

[account]
cash = "10000"

[run]
block_bars = 10
"""
STRATEGY = """\
from attrs import define

from tieout import Strategy

@define
class Swing(Strategy):
    count: int = 1
    fails_at: int = -1

    def on_bar(self, bar, broker):
        if bar.number == self.fails_at:
            raise KeyError("no such thing")
        if bar.number == 0:
            broker.buy("A", 1, limit=0.01)
        best = bar.top("close", self.count)
        broker.target_weights({symbol: 0.9 / self.count for symbol in best})
"""
HEAD = re.compile(r"head digest ([0-9a-f]{64})")


def prices(days: int = DAYS) -> pl.DataFrame:
    rng = np.random.default_rng(11)
    timestamp = np.busday_offset("2024-01-01", np.arange(days), roll="forward").astype("M8[ns]")
    close = np.round(20 + rng.normal(0, 1, (days, 4)).cumsum(axis=0).clip(-10, 10), 2)
    rows = {"timestamp": np.repeat(timestamp, 4), "symbol": list("ABCD") * days, "close": close.ravel()}
    return pl.DataFrame(rows).with_columns(
        open=pl.col("close"), high=pl.col("close") + 1, low=pl.col("close") - 1, volume=pl.lit(1e6)
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a spec, its data and its strategy."""
    study = tmp_path / "study"
    study.mkdir()
    prices().write_parquet(study / "prices.parquet")
    (study / "swing.py").write_text(STRATEGY)
    (study / "swing.toml").write_text(SPEC)
    return study


def tieout(*arguments: str | Path) -> Result:
    return CliRunner().invoke(application(), [str(argument) for argument in arguments])


def ran(folder: Path) -> str:
    """Run the spec. Return the head digest."""
    result = tieout("run", folder / "swing.toml")

    assert (0, "") == (result.exit_code, result.stderr)
    *_, head = HEAD.findall(result.stdout)
    return str(head)


def reperformed(folder: Path, *options: str | Path) -> Result:
    return tieout("reperform", folder / "swing.duckdb", "--data-dir", folder, *options)


def replaced(path: Path, good: str, bad: str) -> None:
    text = path.read_text()
    assert good in text
    path.write_text(text.replace(good, bad))


# --- run ---------------------------------------------------------------------------------------------


def test_a_run_prints_its_figures_and_ends_with_a_head_that_verifies(folder: Path) -> None:
    head = ran(folder)
    verified = tieout("verify", folder / "swing.duckdb", "--anchor", head)

    assert (0, [head]) == (verified.exit_code, HEAD.findall(verified.stdout))


def test_the_journal_goes_where_the_spec_or_the_command_says(folder: Path) -> None:
    ran(folder)
    replaced(folder / "swing.toml", "[run]", '[run]\njournal = "out/mine.duckdb"')
    ran(folder)
    tieout("run", folder / "swing.toml", "--journal", folder / "other.duckdb")

    heads = {
        HEAD.findall(tieout("verify", folder / name).stdout)[0]
        for name in ("swing.duckdb", "out/mine.duckdb", "other.duckdb")
    }
    assert 1 == len(heads)


def test_running_again_compares_every_block(folder: Path) -> None:
    head = ran(folder)
    again = tieout("run", folder / "swing.toml")

    assert [head] == HEAD.findall(again.stdout)
    assert "performed again: all 5 sealed blocks are equal" in again.stdout


def change_a_price(folder: Path) -> None:
    path = folder / "prices.parquet"
    pl.read_parquet(path).with_row_index().with_columns(
        high=pl.when(pl.col("index") == 77).then(pl.col("high") + 0.01).otherwise(pl.col("high"))
    ).drop("index").write_parquet(path)


def add_bars(folder: Path) -> None:
    prices(DAYS + 1).write_parquet(folder / "prices.parquet")


def rename_a_symbol(folder: Path) -> None:
    path = folder / "prices.parquet"
    pl.read_parquet(path).with_columns(pl.col("symbol").replace("D", "E")).write_parquet(path)


CHANGES: list[tuple[Callable[[Path], None], str]] = [
    (change_a_price, "the data: column high has changed"),
    (
        add_bars,
        "the data: 4 bars were added; there were 160 from 2024-01-01 to 2024-02-23, now 164 from 2024-01-01",
    ),
    (rename_a_symbol, "the data: times or symbols have changed"),
    (lambda f: replaced(f / "swing.py", "0.9 /", "0.8 /"), "the source of the strategy has changed"),
]
IN_THE_SPEC: list[tuple[Callable[[Path], None], str]] = [
    (
        lambda f: replaced(f / "swing.toml", "count = 2", "count = 3"),
        "the parameter count was 2, now 3",
    ),
    (
        lambda f: replaced(f / "swing.toml", "count = 2", "fails_at = 900"),
        "the parameter count was 2, now 1; the parameter fails_at was -1, now 900",
    ),
    (
        lambda f: replaced(f / "swing.toml", '"10000"', '"9000"'),
        'the spec: account.cash was "10000", now "9000"',
    ),
    (lambda f: replaced(f / "swing.toml", "[run]", "[run]\nseed = 3"), "the seed was 0, now 3"),
    (
        lambda f: replaced(f / "swing.toml", "= 10\n", "= 20\n"),
        "the policies: others.block_bars was 10, now 20",
    ),
    (
        lambda f: replaced(f / "swing.toml", "[run]", '[run]\nrelief = "lifo"'),
        'the policies: relief was "fifo", now "lifo"',
    ),
]


@pytest.mark.parametrize(("change", "cause"), CHANGES + IN_THE_SPEC)
def test_a_journal_of_other_inputs_is_left_alone_and_the_cause_is_named(
    folder: Path, change: Callable[[Path], None], cause: str
) -> None:
    ran(folder)
    before = (folder / "swing.duckdb").read_bytes()
    change(folder)

    refused = tieout("run", folder / "swing.toml")

    assert 2 == refused.exit_code
    assert f"swing.duckdb holds another run: {cause}" in refused.stderr
    assert refused.stderr.endswith(". Nothing was changed; --overwrite starts over.\n")
    assert before == (folder / "swing.duckdb").read_bytes()


def test_a_journal_of_other_inputs_is_overwritten_on_request(folder: Path) -> None:
    head = ran(folder)
    replaced(folder / "swing.toml", "count = 2", "count = 3")

    second = tieout("run", folder / "swing.toml", "--overwrite")

    assert 0 == second.exit_code
    assert [head] != HEAD.findall(second.stdout)


def test_a_file_that_is_no_journal_is_never_removed(folder: Path) -> None:
    for name, content in (("prices.parquet", None), ("diary.duckdb", "dear diary " * 1000)):
        path = folder / name
        if content:
            path.write_text(content)
        before = path.read_bytes()
        result = tieout("run", folder / "swing.toml", "--journal", path, "--overwrite")

        assert 2 == result.exit_code
        assert "not a journal" in result.stderr
        assert before == path.read_bytes()


def test_a_journal_of_other_bars_is_not_overwritten(folder: Path) -> None:
    ran(folder)
    before = (folder / "swing.duckdb").read_bytes()
    again = assemble(read(folder / "swing.toml"))

    with pytest.raises(JournalExists, match="holds another run; choose another name"):
        again.run(folder / "swing.duckdb", overwrite=generated_by("tieout.strategies.universe:generate"))

    assert before == (folder / "swing.duckdb").read_bytes()


@pytest.mark.parametrize("overwrite", [[], ["--overwrite"]])
def test_a_pipe_in_the_place_of_a_journal_stays(folder: Path, overwrite: list[str]) -> None:
    pipe = folder / "pipe"
    os.mkfifo(pipe)

    refused = tieout("run", folder / "swing.toml", "--journal", pipe, *overwrite)

    assert 2 == refused.exit_code
    assert f"tieout: {pipe} is a named pipe, not a journal; choose another name\n" == refused.stderr
    assert pipe.is_fifo()


def test_an_overwriting_run_that_fails_at_once_leaves_the_earlier_one(folder: Path) -> None:
    ran(folder)
    before = (folder / "swing.duckdb").read_bytes()
    replaced(folder / "swing.toml", "count = 2", "count = 2, fails_at = 3")

    failed = tieout("run", folder / "swing.toml", "--overwrite")

    assert 2 == failed.exit_code
    assert "bar 3" in failed.stderr
    assert failed.stderr.endswith("; no block was sealed, and the journal that was there is unchanged\n")
    assert before == (folder / "swing.duckdb").read_bytes()
    replaced(folder / "swing.toml", "fails_at = 3", "fails_at = 25")
    assert tieout("run", folder / "swing.toml", "--overwrite").stderr.endswith(
        "; the journal is closed there\n"
    )
    assert before != (folder / "swing.duckdb").read_bytes()


def test_a_missing_file_is_one_sentence(folder: Path) -> None:
    (folder / "prices.parquet").unlink()

    result = tieout("run", folder / "swing.toml")

    assert (2, "") == (result.exit_code, result.stdout)
    assert (
        f"tieout: {folder}/swing.toml, line 2: there is no file prices.parquet in {folder}\n" == result.stderr
    )


def test_bad_bars_are_shown_and_repaired_on_request(folder: Path) -> None:
    path = folder / "prices.parquet"
    pl.read_parquet(path).with_columns(low=pl.col("low") + 1.5).write_parquet(path)

    refused = tieout("run", folder / "swing.toml")
    replaced(folder / "swing.toml", "[strategy]", "repair = true\n[strategy]")
    repaired = tieout("run", folder / "swing.toml")

    assert 2 == refused.exit_code
    assert re.search(r"tieout: .*range.*\n.*\n.*timestamp.*symbol", refused.stderr)
    assert 0 == repaired.exit_code
    assert "widen the range to hold them: 160 rows" in repaired.stdout


def test_a_strategy_that_raises_ends_the_run_in_good_order(folder: Path) -> None:
    replaced(folder / "swing.toml", "count = 2", "count = 2, fails_at = 25")

    result = tieout("run", folder / "swing.toml")
    verified = tieout("verify", folder / "swing.duckdb")
    with Reader(folder / "swing.duckdb") as reader:
        ends = reader.sql(
            "select id, status, reason from order_history where not status in ('filled', 'expired')"
        ).rows()

    assert 2 == result.exit_code
    *trace, last = result.stderr.splitlines()
    assert (
        "tieout: the strategy failed at bar 25, 2024-02-05: KeyError('no such thing');"
        " the journal is closed there"
    ) == last
    assert '    raise KeyError("no such thing")' in trace
    assert 0 == verified.exit_code
    assert [(0, "open_at_the_end", "run_stopped")] == [tuple(row.values()) for row in ends]


def test_a_run_that_its_strategy_ended_is_performed_again_to_the_same_end(folder: Path) -> None:
    replaced(folder / "swing.toml", "count = 2", "count = 2, fails_at = 25")
    for _ in range(2):
        assert 2 == tieout("run", folder / "swing.toml").exit_code

    again = reperformed(folder)

    assert 0 == again.exit_code
    assert "the strategy failed at bar 25, 2024-02-05: KeyError('no such thing')" in again.stdout


def test_an_interruption_keeps_the_sealed_blocks_and_says_so(folder: Path) -> None:
    replaced(folder / "swing.py", 'raise KeyError("no such thing")', "raise KeyboardInterrupt")
    replaced(folder / "swing.toml", "count = 2", "count = 2, fails_at = 25")

    result = tieout("run", folder / "swing.toml")
    verified = tieout("verify", folder / "swing.duckdb")

    assert (2, "tieout: interrupted; sealed blocks are kept. Run the same command to resume.\n") == (
        result.exit_code,
        result.stderr,
    )
    assert "blocks: 2" in verified.stdout


# --- reperform ---------------------------------------------------------------------------------------


def test_a_journal_is_performed_again_block_by_block(folder: Path) -> None:
    head = ran(folder)
    before = (folder / "swing.duckdb").read_bytes()

    result = reperformed(folder)

    assert (0, "") == (result.exit_code, result.stderr)
    assert 4 == len(re.findall(r"block \d, transactions \d+ to \d+: [0-9a-f]{16}, equal", result.stdout))
    assert f"block 4, no transactions: {head[:16]}, equal\n\n5 of 5 blocks equal\n" in result.stdout
    assert [head, head] == HEAD.findall(result.stdout)
    assert before == (folder / "swing.duckdb").read_bytes()


def test_its_files_are_looked_up_in_the_folder_that_is_named_and_in_no_other(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = ran(folder)
    moved = tmp_path / "moved"
    shutil.move(folder, moved)
    monkeypatch.chdir(moved)

    refusal = tieout("reperform", moved / "swing.duckdb")
    result = reperformed(moved)

    assert (2, "") == (refusal.exit_code, refusal.stdout)
    assert (
        f"tieout: {moved}/swing.duckdb: it names the file swing.py;"
        " name the folder that holds it with --data-dir\n"
    ) == refusal.stderr
    assert (0, [head, head]) == (result.exit_code, HEAD.findall(result.stdout))


def test_versions_of_libraries_in_the_provenance_change_nothing(folder: Path) -> None:
    head = ran(folder)
    with duckdb.connect(str(folder / "swing.duckdb")) as connection:
        connection.execute("""update provenance set versions = '{"numpy":"1.0"}', host = 'elsewhere'""")

    result = reperformed(folder)

    assert 0 == result.exit_code
    assert [head, head] == HEAD.findall(result.stdout)


@pytest.mark.parametrize(("change", "cause"), CHANGES)
def test_the_cause_of_another_outcome_is_named(
    folder: Path, change: Callable[[Path], None], cause: str
) -> None:
    ran(folder)
    change(folder)

    result = reperformed(folder, "--run-other-code")

    assert 1 == result.exit_code
    assert f"input changed: {cause}" in result.stdout


def test_the_block_is_named_where_a_change_begins_to_matter(folder: Path) -> None:
    ran(folder)
    path = folder / "prices.parquet"
    table = pl.read_parquet(path)
    late = table["timestamp"].unique().sort()[25]
    table.with_columns(
        close=pl.when(pl.col("timestamp") == late).then(pl.col("close") + 0.5).otherwise(pl.col("close"))
    ).write_parquet(path)

    result = reperformed(folder)

    outcomes = re.findall(r"block \d.*(NOT EQUAL|equal)", result.stdout)
    assert (1, ["equal"] * 2 + ["NOT EQUAL"] * 3) == (result.exit_code, outcomes)
    assert "input changed: the data: column close has changed" in result.stdout
    assert "2 of 5 blocks equal, the first difference is in block 2" in result.stdout


def test_a_file_that_departs_from_its_seals_is_not_equal(folder: Path) -> None:
    ran(folder)
    with duckdb.connect(str(folder / "swing.duckdb")) as connection:
        connection.execute("update fill set price = price + 1 where id = 3")

    result = reperformed(folder)

    assert 1 == result.exit_code
    assert "the file does not match its seals: block 0" in result.stdout


def test_what_cannot_be_performed_again_is_one_sentence(folder: Path) -> None:
    ran(folder)
    (folder / "prices.parquet").unlink()

    missing = tieout("reperform", folder / "swing.duckdb", "--data-dir", folder)
    nowhere = tieout("reperform", folder / "nothing.duckdb")

    assert 2 == missing.exit_code
    assert (
        f"tieout: {folder}/swing.duckdb: there is no file prices.parquet in {folder};"
        " name the folder with --data-dir\n"
    ) == missing.stderr
    assert (2, 1) == (nowhere.exit_code, nowhere.stderr.count("\n"))


@pytest.mark.parametrize("command", ["run", "reperform"])
def test_every_command_has_an_example(command: str) -> None:
    result = tieout(command, "--help")

    assert 0 == result.exit_code
    assert f"Example: tieout {command} " in result.stdout
