"""The file of a run: written by one run at a time, found where it was written, and whole after Ctrl-C."""

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import numpy as np
import polars as pl
import pytest

from tieout import Backtest, Bar, Bars, Broker, CashAccount, Recording, Result, Strategy, TargetWeights
from tieout.execution.errors import InputChanged
from tieout.ledger.errors import FileReplaced, ForkedWithoutThreads, LockedByWriter, OpenedBeforeFork
from tieout.ledger.file import provenance
from tieout.ledger.file.reader import Reader
from tieout.ledger.file.verify import verify

DAYS = 12


def bars() -> Bars:
    timestamp = (np.datetime64("2024-01-01") + np.arange(DAYS)).astype("M8[ns]")
    close = np.array([[10 + 0.1 * day, 20 - 0.1 * day] for day in range(DAYS)])
    return Bars.from_arrays(timestamp, ["A", "B"], open=close, high=close, low=close, close=close)


def program(cash: int = 1000) -> Backtest:
    weights = np.array([[0.5, 0.4] if day % 2 else [0.3, 0.6] for day in range(DAYS)])
    return Backtest(
        bars=bars(),
        strategy=TargetWeights(weights),
        account=CashAccount(str(cash)),
        recording=Recording(block_bars=4),
    )


class Calls(Strategy):
    """Buys, and calls a function at the start."""

    def __init__(self, act: Callable[[], object]) -> None:
        self._act = act

    def on_start(self, _: Broker) -> None:
        self._act()

    def on_bar(self, _: Bar, broker: Broker) -> None:
        broker.target_percent("A", 0.5)


def calling(act: Callable[[], object]) -> Backtest:
    return Backtest(bars=bars(), strategy=Calls(act), account=CashAccount("1000"))


def sealed(path: Path) -> tuple[str, int]:
    """The head digest and the number of blocks of a file whose seals hold."""
    with Reader(path) as reader:
        report = verify(reader)
        assert report.is_sealed
        return report.head, report.blocks


# --- the file that was written -----------------------------------------------------------------------


def test_a_run_is_found_where_it_was_stored_though_its_strategy_changes_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)

    with calling(lambda: os.chdir("elsewhere")).run("run.duckdb") as result:
        assert 0 < result.metrics.fills

    assert [] == list((tmp_path / "elsewhere").iterdir())
    assert result.head == sealed(tmp_path / "run.duckdb")[0]


def remove(path: Path) -> None:
    path.unlink()


def replace(path: Path) -> None:
    program(7).run(path.with_name("other.duckdb")).close()
    path.with_name("other.duckdb").replace(path)


@pytest.mark.parametrize("change", [remove, replace])
def test_a_result_is_never_read_from_another_file(tmp_path: Path, change: Callable[[Path], None]) -> None:
    path = tmp_path / "run.duckdb"

    with pytest.raises(FileReplaced, match="was removed or replaced while it was written"):
        calling(lambda: change(path)).run(path)

    with program().run(tmp_path / "another.duckdb") as result:
        assert 0 < result.metrics.fills


def test_a_file_that_is_removed_while_it_is_begun_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, here = tmp_path / "run.duckdb", provenance.here

    def remove_and_describe() -> dict[str, str]:
        path.unlink()
        return here()

    monkeypatch.setattr(provenance, "here", remove_and_describe)
    with pytest.raises(FileReplaced, match="was removed or replaced while it was written"):
        program().run(path)
    monkeypatch.setattr(provenance, "here", here)

    assert [] == list(tmp_path.iterdir())
    with program().run(path) as result:
        assert 0 < result.metrics.fills


# --- two runs on one path ----------------------------------------------------------------------------


def test_a_run_that_begins_while_another_writes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.duckdb"
    refused: list[str] = []

    def begin_another(*_: object) -> None:
        for other in (program(7), program()):
            for overwrite in (False, True):
                with pytest.raises(LockedByWriter, match="this process is writing it") as error:
                    other.run(path, overwrite=overwrite)
                refused.append(str(error.value))

    with program().run(path, progress=begin_another) as result:
        assert 0 < len(refused)
        head = result.head

    assert head == sealed(path)[0]
    with pytest.raises(InputChanged, match="holds another run"):
        program(7).run(path)
    with program().run(path) as again:
        assert (head, 4) == (again.head, again.blocks_before)
    with program(7).run(path, overwrite=True) as other:
        assert head != other.head
    assert other.head == sealed(path)[0]


# --- Ctrl-C ------------------------------------------------------------------------------------------


def interrupted_at(call: int, run: Callable[[], Result]) -> int:
    """Press Ctrl-C at one call within a run, the first having number 0. Return the number of calls."""
    calls = 0

    def trace(frame: FrameType, event: str, _: object) -> None:
        nonlocal calls
        if event == "call" and "/tests/" not in frame.f_code.co_filename:
            calls += 1
            if calls == call + 1:
                sys.setprofile(None)
                signal.raise_signal(signal.SIGINT)

    sys.setprofile(trace)
    try:
        result = run()
    finally:
        sys.setprofile(None)
    result.close()
    return calls


@pytest.mark.usefixtures("ctrl_c")
@pytest.mark.parametrize("is_overwriting", [False, True])
def test_after_ctrl_c_anywhere_the_run_can_be_repeated_at_once(tmp_path: Path, is_overwriting: bool) -> None:  # noqa: FBT001
    def run(name: str) -> Result:
        return program().run(tmp_path / name, overwrite=is_overwriting)

    with program().run(tmp_path / "undisturbed.duckdb") as result:
        head = result.head
    if is_overwriting:
        program(7).run(tmp_path / "earlier.duckdb").close()
        earlier = sealed(tmp_path / "earlier.duckdb")[0]
        content = (tmp_path / "earlier.duckdb").read_bytes()
        (tmp_path / "counted.duckdb").write_bytes(content)
    calls = interrupted_at(-1, lambda: run("counted.duckdb"))
    chosen = np.random.default_rng(5).choice(calls, 6, replace=False)
    for call in sorted(chosen):
        name = f"{call}.duckdb"
        if is_overwriting:
            (tmp_path / name).write_bytes(content)
        try:
            interrupted_at(call, lambda name=name: run(name))  # type: ignore[misc]
        except KeyboardInterrupt:
            # Here, the traceback of the interrupted run still refers to all that it had.
            if is_overwriting:
                assert sealed(tmp_path / name)[0] in (earlier, head) or 0 < sealed(tmp_path / name)[1] < 4
            with run(name) as again:
                assert head == again.head
        assert (head, 4) == sealed(tmp_path / name)

    assert {".duckdb"} == {file.suffix for file in tmp_path.iterdir()}
    assert not list(tmp_path.glob(".*"))


# --- forks -------------------------------------------------------------------------------------------


def uses(result: Result) -> list[Callable[[], object]]:
    return [
        lambda: result.metrics,
        lambda: result.equity,
        lambda: result.trades,
        lambda: result.positions,
        lambda: result.orders,
        lambda: result.head,
        lambda: result.journal,
        lambda: repr(result),
        result.close,
    ]


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize("name", ["run.duckdb", None])
def test_a_result_in_a_forked_process_is_refused(tmp_path: Path, name: str | None) -> None:
    with program().run(tmp_path / name if name else None) as result:
        child = os.fork()
        if not child:
            refused = 0
            for use in uses(result):
                try:
                    use()
                except OpenedBeforeFork:
                    refused += 1
            os._exit(len(uses(result)) - refused)
        assert (child, 0) == os.waitpid(child, 0)
        assert 0 < result.metrics.fills


FRAME = {"timestamp": ["2024-01-01"] * 2, "symbol": ["A", "B"], "score": [1.0, 2.0]}


def read_features() -> None:
    """Make a backtest with features in a forked process, which has not the threads of Polars."""
    try:
        Backtest(bars=bars(), strategy=Calls(int), features=pl.DataFrame(FRAME))
    except ForkedWithoutThreads as error:
        os._exit(3 if 'multiprocessing.get_context("spawn")' in str(error) else 4)


def run_with_features() -> None:
    """Run a backtest with features in a process that was spawned."""
    frame = pl.DataFrame(FRAME).with_columns(pl.col("timestamp").str.to_date())
    Backtest(bars=bars(), strategy=Calls(int), features=frame).run().close()


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="the system does not list threads")
def test_features_in_a_forked_process_are_refused_where_they_would_hang() -> None:
    pl.DataFrame(FRAME).lazy().sort("score").collect()

    fork, spawn = multiprocessing.get_context("fork"), multiprocessing.get_context("spawn")
    for process, status in (
        (fork.Process(target=read_features), 3),
        (spawn.Process(target=run_with_features), 0),
    ):
        process.start()
        process.join(120)
        assert status == process.exitcode
        process.close()
