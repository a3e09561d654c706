"""The command `tieout compare` with a spec or a journal, by the packages and without them."""

import sys
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import duckdb
import pytest
from attrs import evolve
from typer.testing import CliRunner, Result

from tests.support.rule_cases import CASES
from tieout import Backtest, CashAccount
from tieout.ledger.application import application
from tieout.strategies.buy_and_hold import BuyAndHold
from tieout.strategies.universe import generate
from tieout.validation.compare.differences import Comparison
from tieout.validation.engines import registry
from tieout.validation.foreign.requests import CannotCompare

IS_THERE = all(find_spec(package) for package in ("vectorbt", "backtrader"))
needs_packages = pytest.mark.skipif(not IS_THERE, reason="VectorBT or Backtrader is not installed")
SPEC = """\
[bars]
generated = "tieout.strategies.universe:generate"
parameters = { stocks = 12, days = 60 }

[strategy]
name = "tieout.strategies.top:Top"
parameters = { count = 3 }

[account]
cash = "100000"

[costs]
commission = { percent = "0.001" }

[instruments]
step = "STEP"

[run]
fill = "FILL"
"""


def tieout(*arguments: object) -> Result:
    return CliRunner().invoke(application(), [str(argument) for argument in arguments])


def write_spec(folder: Path, fill: str, step: str, more: str = "") -> Path:
    path = folder / "top.toml"
    path.write_text(SPEC.replace("FILL", fill).replace("STEP", step) + more)
    return path


@pytest.fixture
def without_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the packages: they have no version, and importing one fails."""
    version = metadata.distribution

    def distribution(name: str) -> Any:
        if name in registry.names("adapter"):
            raise metadata.PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr(metadata, "distribution", distribution)
    for name in registry.names("adapter"):
        monkeypatch.setitem(sys.modules, name, None)


@pytest.mark.reference
@needs_packages
@pytest.mark.parametrize(
    ("fill", "step", "against"),
    [
        ("next_open", "1", "backtrader"),
        ("same_close", "0.00000001", "vectorbt"),
        ("next_open", "1", "vectorbt"),
        ("same_close", "1", "backtrader"),
    ],
)
def test_a_run_whose_rules_coincide_has_no_difference(
    fill: str, step: str, against: str, tmp_path: Path
) -> None:
    result = tieout("compare", write_spec(tmp_path, fill, step), "--against", against)

    assert "\nno difference\n" in result.output
    assert 0 == result.exit_code


@pytest.mark.reference
@needs_packages
def test_a_journal_is_compared_as_its_spec_is(tmp_path: Path) -> None:
    spec = write_spec(tmp_path, "next_open", "1")
    assert 0 == tieout("run", spec, "--journal", tmp_path / "run.duckdb").exit_code
    before = (tmp_path / "run.duckdb").read_bytes()

    result = tieout("compare", tmp_path / "run.duckdb", "--against", "backtrader")

    of_spec = tieout("compare", spec, "--against", "backtrader").output.splitlines()[1:]
    assert of_spec == result.output.splitlines()[-len(of_spec) :]
    assert 0 == result.exit_code
    assert before == (tmp_path / "run.duckdb").read_bytes()


@pytest.mark.reference
@needs_packages
def test_what_differs_is_listed_explained_and_named(tmp_path: Path) -> None:
    spec = write_spec(tmp_path, "next_open", "1")
    spec.write_text(spec.read_text().replace("count = 3", "count = 3, invested = 1.0"))

    result = tieout("compare", spec, "--against", "backtrader")

    assert "the submission check" in result.output
    assert "The first difference: " in result.output
    assert "position before" in result.output
    assert 1 == result.exit_code


@pytest.mark.reference
@needs_packages
@pytest.mark.parametrize(
    ("more", "against", "message"),
    [
        (("percent", "per_share"), "vectorbt", "VectorBT has no commission such as PerShareCommission"),
        (("percent", "per_order"), "backtrader", "Backtrader has no commission such as PerOrderCommission"),
    ],
)
def test_what_an_engine_cannot_take_is_one_sentence(
    more: tuple[str, str], against: str, message: str, tmp_path: Path
) -> None:
    spec = write_spec(tmp_path, "next_open", "1")
    spec.write_text(spec.read_text().replace(*more))

    result = tieout("compare", spec, "--against", against)

    assert message in result.output
    assert 1 == result.output.count("\n")
    assert 2 == result.exit_code


@pytest.mark.usefixtures("without_packages")
def test_a_journal_whose_inputs_have_changed_is_not_compared(tmp_path: Path) -> None:
    spec, data = tmp_path / "held.toml", tmp_path / "prices.csv"
    rows = ["timestamp,symbol,open,high,low,close,volume"]
    rows += [f"2024-01-{day:02d},A,10,10,10,10,100" for day in range(1, 6)]
    data.write_text("\n".join(rows))
    spec.write_text(
        '[bars]\npath = "prices.csv"\n[strategy]\nname = "tieout.strategies.equal_weight:EqualWeight"\n'
    )
    assert 0 == tieout("run", spec).exit_code
    data.write_text("\n".join(rows).replace("05,A,10,10,10,10", "05,A,10,11,10,11"))

    result = tieout("compare", tmp_path / "held.duckdb", "--against", "vectorbt", "--data-dir", tmp_path)

    assert "does not match its inputs: the data: column close has changed" in result.output
    assert 2 == result.exit_code


STOPS = """\
from tieout import Bar, Broker, Strategy

class Stops(Strategy):
    def on_bar(self, bar: Bar, broker: Broker) -> None:
        if str(bar.timestamp).startswith("2024-01-03"):
            raise ValueError("enough")
        broker.buy("A", 1)
"""


@pytest.mark.usefixtures("without_packages")
def test_a_journal_that_ends_before_its_bars_is_not_compared(tmp_path: Path) -> None:
    rows = ["timestamp,symbol,open,high,low,close,volume"]
    rows += [f"2024-01-{day:02d},A,10,10,10,10,100" for day in range(1, 6)]
    (tmp_path / "prices.csv").write_text("\n".join(rows))
    (tmp_path / "stops.py").write_text(STOPS)
    spec = tmp_path / "stops.toml"
    spec.write_text('[bars]\npath = "prices.csv"\n[strategy]\nname = "stops.py:Stops"\n')
    assert 2 == tieout("run", spec).exit_code

    result = tieout("compare", tmp_path / "stops.duckdb", "--against", "vectorbt", "--data-dir", tmp_path)

    assert "ended before its bars do" in result.output
    assert 2 == result.exit_code


@pytest.mark.usefixtures("without_packages")
def test_a_journal_of_bars_in_memory_is_refused_and_a_spec_is_named_as_the_way(tmp_path: Path) -> None:
    bars, _ = generate(3, 8)
    Backtest(bars=bars, strategy=BuyAndHold(), account=CashAccount("1000")).run(
        tmp_path / "run.duckdb"
    ).close()

    result = tieout("compare", tmp_path / "run.duckdb", "--against", "backtrader")

    assert "the bars of this run were given in memory; describe the run in a spec" in result.output
    assert "tieout compare SPEC.toml --against" in result.output
    assert "reperform" not in result.output
    assert 2 == result.exit_code


@pytest.mark.usefixtures("without_packages")
def test_a_journal_that_was_changed_after_it_was_sealed_is_not_compared(tmp_path: Path) -> None:
    spec = write_spec(tmp_path, "next_open", "1")
    assert 0 == tieout("run", spec, "--journal", tmp_path / "run.duckdb").exit_code
    with duckdb.connect(tmp_path / "run.duckdb") as connection:
        connection.execute("update fill set price = price + 1 where id = 0")

    result = tieout("compare", tmp_path / "run.duckdb", "--against", "backtrader")

    assert "was changed after it was sealed" in result.output
    assert 1 == result.exit_code


# --- without the packages --------------------------------------------------------------------------


IMITATIONS = {"backtrader": "1.9.78.123", "vectorbt": "1.2.0"}


@pytest.mark.usefixtures("without_packages")
@pytest.mark.parametrize("against", IMITATIONS)
@pytest.mark.parametrize("source", ["spec", "journal"])
def test_an_engine_that_is_not_installed_is_imitated_and_the_output_says_so(
    source: str, against: str, tmp_path: Path
) -> None:
    path = write_spec(tmp_path, "next_open", "1")
    if source == "journal":
        assert 0 == tieout("run", path, "--journal", tmp_path / "run.duckdb").exit_code
        path = tmp_path / "run.duckdb"

    result = tieout("compare", path, "--against", against)

    assert (
        f"\n{against} is not installed: compared with our imitation of {IMITATIONS[against]}\n"
        in result.output
    )
    assert "\nno difference\n" in result.output
    assert 0 == result.exit_code


@pytest.mark.usefixtures("without_packages")
@pytest.mark.parametrize("engine", IMITATIONS)
def test_an_engine_without_a_package_and_an_imitation_is_refused_with_the_remedy(
    engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapter = evolve(registry.adapter(engine), by_imitation=None, imitation_version=None)
    monkeypatch.setattr(f"tieout.validation.engines.{engine}.adapter.ADAPTER", adapter)

    result = tieout("compare", write_spec(tmp_path, "next_open", "1"), "--against", engine)

    assert (
        f"tieout: {adapter.name} is not installed, and tieout has no imitation of it; install its package:"
        f" pip install {engine}\n"
    ) == result.output
    assert 2 == result.exit_code


@pytest.mark.usefixtures("without_packages")
def test_the_imitation_finds_and_names_a_difference(tmp_path: Path) -> None:
    spec = write_spec(tmp_path, "next_open", "1")
    spec.write_text(spec.read_text().replace("count = 3", "count = 3, invested = 1.0"))

    result = tieout("compare", spec, "--against", "backtrader")

    assert "the submission check" in result.output
    assert 1 == result.exit_code


@pytest.mark.usefixtures("without_packages")
def test_a_cost_that_the_imitation_cannot_take_is_one_sentence(tmp_path: Path) -> None:
    spec = write_spec(tmp_path, "next_open", "1")
    spec.write_text(spec.read_text().replace("percent", "per_share"))

    result = tieout("compare", spec, "--against", "vectorbt")

    assert "VectorBT has no commission such as PerShareCommission" in result.output
    assert 1 == result.output.count("\n")
    assert 2 == result.exit_code


def test_an_engine_without_a_folder_is_refused_with_the_choices(tmp_path: Path) -> None:
    result = tieout("compare", write_spec(tmp_path, "next_open", "1"), "--against", "zipline")

    assert all(name in result.output for name in registry.names("adapter"))
    assert 2 == result.exit_code


@pytest.mark.reference
@needs_packages
def test_an_installed_engine_has_its_version() -> None:
    assert "1.9.78.123" == registry.adapter("backtrader").version()
    assert registry.adapter("vectorbt").version().startswith("1.2.0, ")


@pytest.mark.reference
@pytest.mark.parametrize(("engine", "rule"), CASES)
def test_a_known_difference_of_rules_is_named_with_the_package(engine: str, rule: str) -> None:
    adapter, tieout_run = registry.adapter(engine), CASES[engine, rule]()
    try:
        adapter.version()
    except metadata.PackageNotFoundError:
        pytest.skip(f"{adapter.name} is not installed")

    differences = Comparison(engine, tieout_run, adapter.by_package(tieout_run)).differences

    assert rule in {difference.rule for difference in differences}


def test_a_run_that_cannot_be_compared_is_an_error_of_tieout() -> None:
    assert "TieoutError" in {kind.__name__ for kind in CannotCompare.__mro__}
