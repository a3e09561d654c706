"""A spec: the values that it takes, its refusals by line, and the way into a journal and back."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import polars as pl
import pytest
from attrs import evolve

from tieout import Backtest, Bar, Broker, CashAccount, Costs, CustomCommission, Recording, Strategy
from tieout.execution.errors import CannotReperform, ExecutionError, InvalidSpec
from tieout.execution.spec.assembly import assemble
from tieout.execution.spec.journal import spec_of
from tieout.execution.spec.reading import part, read, structure
from tieout.ledger.books.commodity import currency
from tieout.ledger.file.reader import Reader
from tieout.ledger.journal import Journal

WHOLE = """\
[bars]
path = "prices.parquet"
columns = { timestamp = "date" }
from = 2024-01-03
to = "2024-01-20"
[[features]]
path = "scores.csv"
[[features]]
path = "context.csv"
columns.fear = "vix"
[strategy]
name = "tieout.strategies.top:Top"
parameters = { count = 2, invested = 0.9 }
[account]
kind = "cash"
cash = "20000.50"
insufficient = "cut"
[costs]
commission = { percent = "0.001", minimum = 1 }
slippage = 0.0005
participation = "0.1"
fill_without_volume = true
[instruments]
step = "1"
scale = 4
[instruments.by_symbol."B.B"]
step = "0.01"
lot = "0.1"
multiplier = 2
[run]
fill = "same_close"
statements = "session"
currency = "EUR"
relief = "lifo"
seed = 7
block_bars = 5
journal = "out.duckdb"
"""
SYMBOLS = ("AAA", "B.B", "CCC")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with prices of three instruments on 30 days, features, and programs over them."""
    rng = np.random.default_rng(5)
    days = np.busday_offset("2024-01-01", np.arange(30), roll="forward").astype("M8[D]")
    close = np.round(50 + rng.normal(0, 1, (30, 3)).cumsum(axis=0), 2)
    keys = pl.DataFrame({"date": np.repeat(days, 3), "symbol": list(SYMBOLS) * 30, "close": close.ravel()})
    prices = keys.with_columns(
        open=pl.col("close"), high=pl.col("close") + 1, low=pl.col("close") - 1, volume=pl.lit(1e6)
    )
    prices.write_parquet(tmp_path / "prices.parquet")
    rows = keys.select(pl.col("date").alias("timestamp"), "symbol")
    number = pl.int_range(pl.len())
    rows.with_columns(score=(number * 7 % 11).cast(pl.Float64)).write_csv(tmp_path / "scores.csv")
    rows.select("timestamp").unique().with_columns(vix=pl.lit(20.0)).write_csv(tmp_path / "context.csv")
    rows.with_columns(weight=pl.lit(0.3)).write_parquet(tmp_path / "weights.parquet")
    rows.with_columns(entry=number % 9 == 0, exit=number % 9 == 5).write_parquet(tmp_path / "signals.parquet")
    rows.filter(number % 10 == 0).with_columns(quantity=pl.lit(300.0)).write_parquet(
        tmp_path / "orders.parquet"
    )
    return tmp_path


def spec_file(folder: Path, text: str) -> Path:
    path = folder / "spec.toml"
    path.write_text(text, encoding="utf-8")
    return path


def refused(folder: Path, text: str) -> str:
    with pytest.raises(InvalidSpec) as error:
        assemble(read(spec_file(folder, text)))
    return str(error.value).removeprefix(f"{folder / 'spec.toml'}")


@pytest.mark.parametrize("zone", [None, "America/New_York"])
def test_from_and_to_take_the_bar_that_ends_at_midnight_with_its_own_day(
    folder: Path, zone: str | None
) -> None:
    hours = pl.Series(np.arange("2024-01-02T01", "2024-01-05T01", dtype="M8[h]").astype("M8[ns]"))
    frame = pl.DataFrame({"date": hours.dt.replace_time_zone(zone), "symbol": "AAA"})
    prices = {name: pl.lit(50.0) for name in ("open", "high", "low", "close", "volume")}
    frame.with_columns(**prices).write_parquet(folder / "prices.parquet")
    text = """
        [strategy]
        name = "tieout.strategies.top:Top"
        [bars]
        path = "prices.parquet"
        columns = { timestamp = "date" }
        from = 2024-01-03
        to = 2024-01-03
    """

    bars = assemble(read(spec_file(folder, text))).bars

    assert 24 == len(bars)
    assert 1 == len(set(bars.date.tolist()))
    assert [False] * 23 + [True] == bars.closing.tolist()


def test_a_spec_is_the_backtest_that_it_describes(folder: Path) -> None:
    backtest = assemble(read(spec_file(folder, WHOLE)))

    assert ("2024-01-03", "2024-01-19") == tuple(
        str(np.datetime64(int(t), "ns"))[:10] for t in backtest.bars.timestamp[[0, -1]]
    )
    assert ({"score"}, {"fear"}) == (set(backtest.features[0].names), set(backtest.features[1].names))
    assert (2, 0.9) == (backtest.strategy.count, backtest.strategy.invested)
    assert CashAccount("20000.50", "cut") == backtest.account
    assert {
        "commission": {"percent": 0.001, "minimum": 1.0},
        "slippage": 0.0005,
        "participation": 0.1,
        "fill_without_volume": True,
    } == backtest.costs.spec()
    assert {
        "default": {"step": "1", "lot": "1", "scale": 4, "multiplier": 1.0},
        "by_symbol": {"B.B": {"step": "0.01", "lot": "0.1", "scale": 4, "multiplier": 2.0}},
    } == backtest.instruments.spec()
    assert ("same_close", "session", "EUR", "lifo", 7, 5) == (
        backtest.fill,
        backtest.statements,
        backtest.currency,
        backtest.relief,
        backtest.seed,
        backtest.recording.block_bars,
    )


BARS = '[bars]\npath = "prices.parquet"\ncolumns = { timestamp = "date" }\n'
TOP = '[strategy]\nname = "tieout.strategies.top:Top"\n'
SCORED = BARS + TOP + '[[features]]\npath = "scores.csv"\n'
GENERATED = '[bars]\ngenerated = "tieout.strategies.universe:generate"\n'
WEIGHTS = BARS + '[program]\nkind = "target_weights"\npath = "weights.parquet"\n'
SIGNALS = BARS + '[program]\nkind = "signals"\npath = "signals.parquet"\n'
ORDERS = BARS + '[program]\nkind = "orders"\npath = "orders.parquet"\n'


@pytest.mark.parametrize(
    ("good", "bad", "message"),
    [
        # keys
        ("fill =", "fil =", ", line 31: there is no key 'fil' in [run] (did you mean 'fill'?)"),
        ("from =", "form =", ", line 4: there is no key 'form' in [bars] (did you mean 'from'?)"),
        ("[run]", "[rnu]", ", line 30: there is no key 'rnu' (did you mean 'run'?)"),
        (
            'path = "context.csv"',
            'paht = "c"',
            ", line 9: there is no key 'paht' in [features] (did you mean 'path'?)",
        ),
        (
            "percent =",
            "percnt =",
            ", line 19: there is no key 'percnt' in [costs.commission] (did you mean 'percent'?)",
        ),
        (
            "lot =",
            "lto =",
            ", line 28: there is no key 'lto' in [instruments.by_symbol.B.B] (did you mean 'lot'?)",
        ),
        ('path = "context.csv"\n', "", ", line 8: [features] needs path"),
        ("count = 2", "cuont = 2", ", line 13: Top has no parameter 'cuont' (did you mean 'count'?)"),
        # values
        ("same_close", "close", ", line 31: fill is one of next_open, same_close, not 'close'"),
        ('kind = "cash"', 'kind = ["cash"]', ", line 15: kind is one of cash, unlimited, not ['cash']"),
        ('kind = "cash"', 'kind = "margin"', ", line 15: kind is one of cash, unlimited, not 'margin'"),
        ("seed = 7", 'seed = "7"', ", line 35: seed is a whole number, not '7'"),
        ("seed = 7", "seed = true", ", line 35: seed is a whole number, not True"),
        ("= true", '= "yes"', ", line 22: fill_without_volume is true or false, not 'yes'"),
        ("2024-01-03", "2024-01-03T10:00:00", ", line 4: from is a date such as 2018-01-31, not 2024"),
        ("2024-01-20", "soon", ", line 5: to is a date such as 2018-01-31, not soon"),
        ('"20000.50"', "20000.5", ', line 16: cash is text such as "1000.50" or a whole number: 20000.5'),
        ('"20000.50"', '"1.2345678"', ", line 16: 1.2345678 EUR: more than 6 decimals"),
        ('"0.001"', '"-1"', ", line 19: percent is a number of zero or more, such as \"0.001\", not '-1'"),
        (
            "0.0005",
            '"a lot"',
            ", line 20: slippage is a number of zero or more, such as \"0.001\", not 'a lot'",
        ),
        ("0.0005", "1", ", line 18: slippage 1.0 is the whole price or more; give a share of it"),
        ('"0.1"\nmul', '"0.001"\nmul', ", line 26: a lot of 0.001 is not a whole number of steps of 0.01"),
        ("columns.fear = ", "columns = ", ", line 10: columns is a table, not 'vix'"),
        ("count = 2", "count = 2024-01-01", ", line 13: count is text, a number, true or false, or a list"),
        ("0.9 }", "nan }", ", line 13: invested must be finite, not nan"),
        (
            "block_bars = 5",
            "block_bars = -5",
            ", line 36: block_bars must be a number of bars, or 0 for no limit, not -5",
        ),
        # what does not go together
        (
            "minimum = 1",
            "maximum = 1",
            ", line 19: the model percent has no maximum; it takes percent, minimum",
        ),
        (
            "minimum = 1",
            "per_order = 1",
            ", line 19: commission needs exactly one of the keys per_order, per_share, percent",
        ),
        (
            'kind = "cash"',
            'kind = "unlimited"',
            ", line 17: the model unlimited has no insufficient; it takes cash",
        ),
        (
            "insufficient =",
            "insuficient =",
            ", line 17: there is no key 'insuficient' in [account] (did you mean",
        ),
        ('"cut"', '"some"', ", line 17: insufficient is one of reject, cut, cut_to_lots, not 'some'"),
        ("minimum = 1", "minimum = true", ", line 19: minimum is a number of zero or more"),
        (
            "0.0005",
            '{ percnt = "0.0005" }',
            ", line 20: there is no key 'percnt' in [costs.slippage] (did you",
        ),
        ('path = "prices.parquet"\n', "", ", line 1: [bars] needs either a path or generated"),
        (
            "[strategy]\n",
            '[program]\nkind = "orders"\npath = "orders.parquet"\n[strategy]\n',
            ": the spec needs either [strategy] or [program]",
        ),
        # what is not there
        ("prices.parquet", "price.parquet", ", line 2: there is no file price.parquet in "),
        ("scores.csv", "score.csv", ", line 7: there is no file score.csv in "),
        (
            "tieout.strategies.top:Top",
            "tieout.strategies.top:Tpo",
            ", line 12: tieout.strategies.top has no 'Tpo' (did you mean 'Top'?)",
        ),
        ("tieout.strategies.top:Top", "plans.tpo:Top", ", line 12: there is no module plans.tpo"),
        ("tieout.strategies.top:Top", "mine.py:Top", ", line 12: there is no file mine.py in "),
        (
            "tieout.strategies.top:Top",
            "tieout.strategies.top",
            ", line 12: 'tieout.strategies.top' is not written as",
        ),
        (
            "tieout.strategies.top:Top",
            "pathlib:Path",
            ", line 12: pathlib:Path is not a subclass of Strategy",
        ),
        ("[run]", "[run", ": this is not TOML: "),
    ],
)
def test_a_fault_is_named_with_its_line(folder: Path, good: str, bad: str, message: str) -> None:
    assert good in WHOLE

    assert refused(folder, WHOLE.replace(good, bad, 1)).startswith(message)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            '[bars]\ngenerated = "os:system"\nparameters = { command = "false" }\n' + TOP,
            ", line 2: os:system is not a function annotated to return Bars",
        ),
        (
            GENERATED + "parameters = { stokcs = 5 }\n" + TOP,
            ", line 3: generate has no parameter 'stokcs' (did you mean 'stocks'?)",
        ),
        (GENERATED + "repair = true\n" + TOP, ", line 3: bars that are generated have no repair"),
        (
            '[bars]\npath = "prices.parquet"\nparameters = { seed = 1 }\n' + TOP,
            ", line 3: parameters are for bars that are generated",
        ),
        ('features = { path = "a" }\n' + BARS + TOP, ", line 1: features is written with double brackets"),
        ("bars = 3\n" + TOP, ", line 1: bars is a table, not 3"),
        (TOP, ": the spec needs bars"),
        (BARS + "window = 0\n" + TOP, ", line 4: window must be one bar or more, not 0"),
        (
            BARS + TOP + "parameters = { count = [1, { a = inf }] }\n",
            ", line 6: count must be finite, not inf",
        ),
        (ORDERS + "percent = 1\n", ", line 7: percent is for signals; orders have their own sizes"),
        (ORDERS + 'tag = "a"\n', ", line 4: orders have a column tag in their frame"),
        (
            SIGNALS.replace("signals.p", "orders.p") + "percent = 1\n",
            ", line 4: entry: there is no column 'entry'",
        ),
        (
            BARS + '[strategy]\nname = "mine.py:Mine"\n',
            ", line 5: mine.py:Mine cannot be imported: ZeroDivisionError(",
        ),
        (BARS + '[strategy]\nname = "needs.py:Needs"\n', ", line 4: Needs needs the parameter days"),
        (
            BARS + '[strategy]\nname = "needs.py:Needs"\nparameters = { days = 0 }\n',
            ", line 6: needs.py:Needs cannot be created: ValueError('no days')",
        ),
    ],
)
def test_so_is_a_fault_of_another_kind_of_spec(folder: Path, text: str, message: str) -> None:
    (folder / "mine.py").write_text("1 / 0")
    (folder / "needs.py").write_text(
        "from tieout import Strategy\n"
        "class Needs(Strategy):\n"
        "    def __init__(self, days):\n"
        "        if not days:\n"
        "            raise ValueError('no days')\n"
    )

    assert refused(folder, text).startswith(message)


def test_a_missing_spec_is_refused() -> None:
    with pytest.raises(InvalidSpec, match=r"^there is no file nowhere\.toml$"):
        read(Path("nowhere.toml"))


def test_a_part_of_a_spec_goes_into_a_journal_and_comes_back(folder: Path) -> None:
    whole = read(spec_file(folder, WHOLE))

    assert whole.spec == structure(part(whole.spec), whole.document)


@pytest.mark.parametrize(
    "text",
    [
        WHOLE,
        SCORED + '[account]\nkind = "unlimited"\n',
        SCORED + '[costs]\nslippage = { percent = "0.001" }\n',
        SCORED + "[account]\ncash = 50000.0\n",
        SCORED + '[costs]\ncommission = { per_share = "0.005", maximum = "0.01" }\n',
        SCORED + "[costs]\ncommission = { per_order = 1 }\n",
        WEIGHTS + 'tag = "mine"\n',
        SIGNALS + 'percent = "0.10"\n',
        ORDERS,
        ORDERS + 'columns = { value = "quantity" }\n',
        GENERATED + "parameters = { stocks = 4, days = 40 }\n" + TOP,
    ],
)
def test_what_a_journal_records_describes_the_same_run(folder: Path, text: str) -> None:
    backtest = assemble(read(spec_file(folder, text)))
    path = folder / "run.duckdb"
    with backtest.run(path) as result:
        fills = result.metrics.fills
    with Reader(path) as reader:
        again = assemble(spec_of(reader, folder))

    assert fills > 0
    assert backtest.description() == again.description()
    assert again.reperform(path).equal


def test_the_folder_and_the_window_change_no_digest(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "folder"
    folder.rename(elsewhere)
    text = SCORED + ""
    heads = [assemble(read(spec_file(elsewhere, text))).run().head]
    elsewhere.rename(folder)
    heads += [
        assemble(read(spec_file(folder, text.replace("[strategy]", "window = 7\n[strategy]")))).run().head
    ]

    assert heads[0] == heads[1]


def test_signals_in_a_frame_are_the_arrays_that_they_spell(folder: Path) -> None:
    text = SIGNALS + 'percent = "0.1"\n'
    backtest = assemble(read(spec_file(folder, text)))
    grid = np.arange(90).reshape(30, 3)

    assert np.array_equal(grid % 9 == 0, backtest.strategy.entries)
    assert np.array_equal(grid % 9 == 5, backtest.strategy.exits)


# --- runs described in Python --------------------------------------------------------------------------


class Once(Strategy):
    def on_bar(self, bar: Bar, broker: Broker) -> None:
        if bar.number == 1:
            broker.buy("AAA", 5)


def flat(quantity: float, notional: float) -> float:
    return 1.0 + 0.0 * quantity + 0.0 * notional


def in_python(folder: Path, **more: Any) -> Backtest:
    frame = pl.read_parquet(folder / "prices.parquet").rename({"date": "timestamp"})
    return evolve(Backtest(bars=frame, strategy=Once()), **more)


def from_a_file(folder: Path, **more: Any) -> Backtest:
    source = {"bars": {"path": "prices.parquet", "columns": {"timestamp": "date"}}, "note": "mine"}
    return in_python(folder, recording=Recording(describe=source), **more)


def test_a_run_that_says_where_its_bars_are_can_be_performed_again(folder: Path) -> None:
    path = folder / "run.duckdb"
    from_a_file(folder).run(path).close()
    with Reader(path) as reader:
        again = assemble(spec_of(reader, folder, may_run_other=True))

    assert again.reperform(path).equal


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (in_python, "the bars of this run were given in memory; build the same Backtest"),
        (
            lambda folder: from_a_file(folder, costs=Costs(CustomCommission(flat))),
            "the commission flat is a function; build the same Backtest",
        ),
        (
            lambda folder: in_python(
                folder, recording=Recording(describe={"bars": {"path": "moved.parquet"}})
            ),
            "there is no file moved.parquet in .*; name the folder with --data-dir",
        ),
    ],
)
def test_an_incomplete_record_is_refused(
    folder: Path, make: Callable[[Path], Backtest], message: str
) -> None:
    path = folder / "run.duckdb"
    make(folder).run(path).close()

    with Reader(path) as reader, pytest.raises(CannotReperform, match=message):
        assemble(spec_of(reader, folder, may_run_other=True))
    assert make(folder).reperform(path).equal


def test_a_journal_of_another_origin_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "books.duckdb"
    Journal.create(path, [currency("USD")]).close()

    with (
        Reader(path) as reader,
        pytest.raises(CannotReperform, match="this journal was not written by a backtest"),
    ):
        spec_of(reader, tmp_path)


def test_a_description_that_cannot_be_read_is_refused(folder: Path) -> None:
    path = folder / "run.duckdb"
    from_a_file(folder).run(path).close()
    with duckdb.connect(str(path)) as connection:
        connection.execute("""update run set spec = replace(spec, '"costs"', '"cots"')""")

    with Reader(path) as reader, pytest.raises(CannotReperform, match="cannot be read: KeyError"):
        spec_of(reader, folder)


def test_every_refusal_is_an_error_of_execution() -> None:
    assert issubclass(InvalidSpec, ExecutionError)
    assert issubclass(CannotReperform, ExecutionError)
