"""`tieout compare` with the packages themselves, as somebody uses it who has a spec and a terminal."""

from importlib.util import find_spec
from pathlib import Path

import duckdb
import pytest
from typer.testing import CliRunner, Result

from tests.validation.compare.test_compare import FOLLOWED_NO_MORE, NAMED
from tieout.ledger.application import application
from tieout.validation.compare.command import AGAINST, installed
from tieout.validation.compare.differences import Comparison
from tieout.validation.compare.orders import CannotCompare

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


def written(folder: Path, fill: str, step: str, more: str = "") -> Path:
    path = folder / "top.toml"
    path.write_text(SPEC.replace("FILL", fill).replace("STEP", step) + more)
    return path


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
    done = tieout("compare", written(tmp_path, fill, step), "--against", against)

    assert "\nno difference\n" in done.output
    assert 0 == done.exit_code


@pytest.mark.reference
@needs_packages
def test_a_journal_is_compared_as_its_spec_is(tmp_path: Path) -> None:
    spec = written(tmp_path, "next_open", "1")
    assert 0 == tieout("run", spec, "--journal", tmp_path / "run.duckdb").exit_code
    before = (tmp_path / "run.duckdb").read_bytes()

    done = tieout("compare", tmp_path / "run.duckdb", "--against", "backtrader")

    assert (
        tieout("compare", spec, "--against", "backtrader").output.splitlines()[1:]
        == (done.output.splitlines()[1:])
    )
    assert 0 == done.exit_code
    assert before == (tmp_path / "run.duckdb").read_bytes()


@pytest.mark.reference
@needs_packages
def test_what_differs_is_listed_explained_and_named(tmp_path: Path) -> None:
    spec = written(tmp_path, "next_open", "1")
    spec.write_text(spec.read_text().replace("count = 3", "count = 3, invested = 1.0"))

    done = tieout("compare", spec, "--against", "backtrader")

    assert "the submission check" in done.output
    assert "The first of them: " in done.output
    assert "position before" in done.output
    assert 1 == done.exit_code


@pytest.mark.reference
@needs_packages
@pytest.mark.parametrize(
    ("more", "against", "told"),
    [
        (("percent", "per_share"), "vectorbt", "VectorBT has no commission such as PerShareCommission"),
        (("percent", "per_order"), "backtrader", "Backtrader has no commission such as PerOrderCommission"),
    ],
)
def test_what_an_engine_cannot_take_is_one_sentence(
    more: tuple[str, str], against: str, told: str, tmp_path: Path
) -> None:
    spec = written(tmp_path, "next_open", "1")
    spec.write_text(spec.read_text().replace(*more))

    done = tieout("compare", spec, "--against", against)

    assert told in done.output
    assert 1 == done.output.count("\n")
    assert 2 == done.exit_code


@pytest.mark.reference
@needs_packages
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

    done = tieout("compare", tmp_path / "held.duckdb", "--against", "vectorbt")

    assert "holds another run than its inputs give: the data: column close has changed" in done.output
    assert 2 == done.exit_code


STOPS = """\
from tieout import Bar, Broker, Strategy

class Stops(Strategy):
    def on_bar(self, bar: Bar, broker: Broker) -> None:
        if str(bar.timestamp).startswith("2024-01-03"):
            raise ValueError("enough")
        broker.buy("A", 1)
"""


@pytest.mark.reference
@needs_packages
def test_a_journal_that_ends_before_its_bars_is_not_compared(tmp_path: Path) -> None:
    rows = ["timestamp,symbol,open,high,low,close,volume"]
    rows += [f"2024-01-{day:02d},A,10,10,10,10,100" for day in range(1, 6)]
    (tmp_path / "prices.csv").write_text("\n".join(rows))
    (tmp_path / "stops.py").write_text(STOPS)
    spec = tmp_path / "stops.toml"
    spec.write_text('[bars]\npath = "prices.csv"\n[strategy]\nname = "stops.py:Stops"\n')
    assert 2 == tieout("run", spec).exit_code

    done = tieout("compare", tmp_path / "stops.duckdb", "--against", "vectorbt")

    assert "ended before its bars do" in done.output
    assert 2 == done.exit_code


@pytest.mark.reference
@needs_packages
def test_a_journal_that_was_changed_after_it_was_sealed_is_not_compared(tmp_path: Path) -> None:
    spec = written(tmp_path, "next_open", "1")
    assert 0 == tieout("run", spec, "--journal", tmp_path / "run.duckdb").exit_code
    with duckdb.connect(tmp_path / "run.duckdb") as connection:
        connection.execute("update fill set price = price + 1 where id = 0")

    done = tieout("compare", tmp_path / "run.duckdb", "--against", "backtrader")

    assert "is not as it was sealed" in done.output
    assert 2 == done.exit_code


@pytest.mark.skipif(IS_THERE, reason="both packages are installed")
@pytest.mark.parametrize("against", AGAINST)
def test_an_engine_that_is_not_installed_is_told_with_the_remedy(against: str, tmp_path: Path) -> None:
    done = tieout("compare", written(tmp_path, "next_open", "1"), "--against", against)

    assert "is not installed: pip install 'tieout[reference]'" in done.output
    assert 2 == done.exit_code


@pytest.mark.reference
@needs_packages
def test_an_engine_is_told_with_its_version() -> None:
    assert "Backtrader 1.9.78.123" == installed("backtrader")
    assert installed("vectorbt").startswith("VectorBT 1.2.0, ")


@pytest.mark.reference
@needs_packages
@pytest.mark.parametrize("name", NAMED)
def test_a_known_difference_of_rules_is_named_with_the_package(name: str) -> None:
    engine, make = NAMED[name]
    ours = make()

    assert name in {rule.rule for rule in Comparison(engine, ours, AGAINST[engine](ours)).departures}


def test_what_only_a_package_does_is_among_the_named() -> None:
    assert NAMED.keys() >= FOLLOWED_NO_MORE


def test_a_run_that_cannot_be_compared_is_an_error_of_ours() -> None:
    assert "TieoutError" in {kind.__name__ for kind in CannotCompare.__mro__}
