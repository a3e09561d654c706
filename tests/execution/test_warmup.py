"""Compiling beforehand: everything, once, and for the types that a run brings."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from numba.core import config

from tieout import Backtest, CashAccount
from tieout.execution import warmup
from tieout.execution.kernels.step import perform
from tieout.ledger.books.events import deposit
from tieout.ledger.books.posting import begin, commit, unload
from tieout.strategies.buy_and_hold import BuyAndHold
from tieout.strategies.universe import generate

COMPILES = not config.DISABLE_JIT  # type: ignore[attr-defined]  # set from the environment


@pytest.mark.skipif(not COMPILES, reason="nothing is compiled")
def test_a_run_finds_every_kernel_compiled_for_its_types() -> None:
    bars, _ = generate(3, 5)
    with Backtest(bars=bars, strategy=BuyAndHold(), account=CashAccount("1000")).run() as result:
        assert not result.equity.is_empty()
        kernels: list[Any] = [begin, commit, deposit, perform, unload]

        assert [1] * len(kernels) == [len(kernel.signatures) for kernel in kernels]
        assert warmup.marker().exists()


@pytest.mark.skipif(not COMPILES, reason="nothing is compiled")
def test_what_is_compiled_already_is_not_compiled_again(monkeypatch: pytest.MonkeyPatch) -> None:
    warmup.compile_once.__wrapped__()
    again: list[object] = []
    monkeypatch.setattr(warmup, "compile_all", again.append)
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: again.append("another process"))

    warmup.compile_once.__wrapped__()

    assert [] == again


@pytest.mark.crash
def test_a_machine_that_has_nothing_compiles_once(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tieout.execution.warmup"]
    there = {"NUMBA_CACHE_DIR": str(tmp_path), "NUMBA_DISABLE_JIT": "0"}

    subprocess.run(command, env=os.environ | there, check=True)

    ((folder),) = [path.parent for path in tmp_path.glob("*/complete-*")]
    assert any("perform" in path.name for path in folder.rglob("*.nbi"))
