"""The exports of a run of tieout, short and with an instrument that ends: the auditor finds no fault."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from tests.support.stage import market, perform_acts
from tieout import Costs, PerOrderCommission, UnlimitedAccount
from tieout.ledger.application import application

TABLE = """
    ACME  BOLT
    10    5
    10    5
    12    6
    11    7
    -     6
    -     5
    -     5
"""
ACTS = {
    0: lambda _, broker: (broker.buy("ACME", 10), broker.sell("BOLT", 20)),
    3: lambda _, broker: broker.buy("BOLT", 20),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the fills, the prices and the equity curve of a run."""
    bars = market(TABLE)
    costs = Costs(commission=PerOrderCommission("1"))
    result, _ = perform_acts(bars, ACTS, account=UnlimitedAccount("1000"), costs=costs)
    query = "select timestamp, symbol, side, quantity, price, commission from fill_history order by id"
    result.journal.sql(query).pl().write_csv(tmp_path / "fills.csv")
    result.equity.write_csv(tmp_path / "equity.csv")
    panel = next(bars.windows()).market
    times = np.repeat(bars.timestamp.view("M8[ns]").astype("M8[D]"), 2)
    rows = {"timestamp": times, "symbol": list(bars.symbols) * len(bars)}
    prices = {name: getattr(panel, name).ravel() for name in ("open", "high", "low", "close", "volume")}
    frame = pl.DataFrame(rows | prices)
    frame.filter(pl.col("close").is_not_nan()).write_csv(tmp_path / "prices.csv")
    return tmp_path


def audit(folder: Path) -> tuple[int, str]:
    arguments = ["audit", "--cash", "1000", "--allow-negative-cash"]
    for option, name in (("--fills", "fills"), ("--prices", "prices"), ("--claims", "equity")):
        arguments += [option, str(folder / f"{name}.csv")]
    result = CliRunner().invoke(application(), arguments)
    return result.exit_code, " ".join(result.output.split())


def test_a_short_run_with_an_instrument_that_ends_ties(folder: Path) -> None:
    status, output = audit(folder)

    assert 0 == status, output
    assert "no fault found, all 14 figures tie to the fills" in output
    assert "1 position closed after the last bar, at the last close" in output
    assert "its cash with restricted, receivable and liabilities" in output


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        (",sell,10.000000000000,11.0,", ",sell,10.000000000000,11.5,", "a fill after the last price"),
        (",sell,10.000000000000,11.0,", ",sell,9.000000000000,11.0,", "a fill after the last price"),
    ],
)
def test_another_price_or_part_of_a_position_is_a_fault(folder: Path, old: str, new: str, fault: str) -> None:
    path = folder / "fills.csv"
    text = path.read_text("utf-8")
    assert 1 == text.count(old)
    path.write_text(text.replace(old, new), "utf-8")

    status, output = audit(folder)

    assert (1, True) == (status, fault in output.lower()), output
