"""A journal in the DuckDB that its reader has: every view opens in the oldest and the newest 1.x, and in 2.x.

`make duckdb` installs the others beside the environment. Their answers equal those of the installed one.
"""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tieout import Backtest, Bars, CashAccount, Costs, PercentCommission, TargetWeights

pytestmark = pytest.mark.duckdb
FOLDER = Path(sys.prefix) / "duckdb"
QUERY = """
import json, sys
sys.path.insert(0, sys.argv[1])
import duckdb
answers = {"version": duckdb.__version__}
with duckdb.connect(sys.argv[2], read_only=True) as connection:
    names = connection.execute("select view_name from duckdb_views() where not internal").fetchall()
    for (name,) in names:
        rows = connection.execute(f'from "{name}"').fetchall()
        answers[name] = [[str(value) for value in row] for row in rows]
print(json.dumps(answers))
"""


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with two instruments, one of which ends, and a rejected order."""
    path = tmp_path_factory.mktemp("run") / "run.duckdb"
    prices = np.array([[10.0, 20], [11, 20], [12, 19], [11, 18], [10, 18], [12, np.nan], [13, np.nan]])
    days = np.datetime64("2024-01-01", "ns") + np.arange(len(prices)) * np.timedelta64(1, "D")
    panels = {"open": prices, "high": prices + 1, "low": prices - 1, "close": prices}
    bars = Bars.from_arrays(days, ["ACME", "BOLT"], **panels, volume=np.where(np.isnan(prices), np.nan, 1e4))
    weights = np.full(prices.shape, np.nan)
    weights[0], weights[3], weights[5] = (0.5, 0.3), (0.2, 0.6), (0.5, 0.4)
    costs = Costs(commission=PercentCommission("0.001"))
    with Backtest(bars=bars, strategy=TargetWeights(weights), account=CashAccount("10000"), costs=costs).run(
        path
    ):
        return path


def answers(folder: Path | str, journal: Path) -> dict[str, list[list[str]]]:
    """Read every view by the DuckDB in *folder*, by the installed one if it is empty."""
    command = [sys.executable, "-c", QUERY, str(folder), str(journal)]
    child = subprocess.run(command, capture_output=True, text=True, check=False)
    assert 0 == child.returncode, child.stderr
    views: dict[str, list[list[str]]] = json.loads(child.stdout)
    return views


@pytest.mark.parametrize(("name", "version"), [("oldest", "1.2."), ("newest", "1.")])
def test_every_view_answers_in_an_earlier_duckdb_as_in_this_one(
    journal: Path, name: str, version: str
) -> None:
    here, there = answers("", journal), answers(FOLDER / name, journal)

    assert str(there.pop("version")).startswith(version)
    assert str(here.pop("version")).startswith("2.")
    assert len(here) > 40
    assert here.keys() == there.keys()
    for view, rows in here.items():
        assert sorted(rows) == sorted(there[view]), view  # some have no order
