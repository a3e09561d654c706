"""Files that an audit is given: their columns tell who wrote them, and a sentence what is wrong with them."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from attrs import evolve
from typer.testing import CliRunner

from tests.validation.audit.account import OPENING, Account, changed, charged, clean, fees
from tieout.execution.errors import ExecutionError
from tieout.ledger.application import application
from tieout.ledger.file.reader import Reader
from tieout.ledger.file.verify import verify
from tieout.validation.audit.audit import Files, Terms, audit
from tieout.validation.audit.books import Costs
from tieout.validation.audit.faults import Rules
from tieout.validation.audit.reading import AuditRefused, read_claims, read_fills, read_prices

VECTORBT = """,Order Id,Column,Timestamp,Size,Price,Fees,Side
0,0,ACME,2024-03-01,110.5,50.25,38.0,Buy
1,1,BULL,2024-03-02,10.0,53.83,1.5,Sell
"""
BACKTRADER = """date,amount,price,sid,symbol,value
2024-03-01,110.5,50.25,0,ACME,-5552.625
2024-03-02,-10,53.83,1,BULL,538.3
"""
ZIPLINE = """amount,dt,price,order_id,sid,commission
110.5,2024-03-01 16:00:00+00:00,50.25,6aa91088,Equity(30 [ACME]),
-10,2024-03-02 16:00:00+00:00,53.83,b0e2d170,Equity(18 [BULL]),
"""
ML4T = """order_id,asset,side,quantity,price,timestamp,commission,slippage,order_type,limit_price,stop_price
ORD-1,ACME,buy,110.5,50.25,2024-03-01T00:00:00.000000,38.0,0.0,market,,
ORD-2,BULL,OrderSide.SELL,10.0,53.83,2024-03-02T00:00:00.000000,1.5,0.0,market,,
"""
OTHER_NAMES = """time,ticker,qty,px
2024-03-01,ACME,110.5,50.25
2024-03-02,BULL,-10,53.83
"""


def file(folder: Path, text: str, name: str = "fills.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("text", "form", "fees"),
    [
        (VECTORBT, "vectorbt", [38.0, 1.5]),
        (BACKTRADER, "backtrader", [0.0, 0.0]),
        (ZIPLINE, "zipline", [0.0, 0.0]),
        (ML4T, "ml4t", [38.0, 1.5]),
        (OTHER_NAMES, None, [0.0, 0.0]),
    ],
)
def test_the_columns_tell_who_wrote_the_fills(
    tmp_path: Path, text: str, form: str | None, fees: list[float]
) -> None:
    fills = read_fills(file(tmp_path, text), None, {})

    assert form == fills.form
    assert ["ACME", "BULL"] == fills.symbol.tolist()
    assert [110.5, -10.0] == fills.quantity.tolist()
    assert [50.25, 53.83] == fills.price.tolist()
    assert fees == fills.fee.tolist()
    assert ["2024-03-01", "2024-03-02"] == fills.day.astype("M8[D]").astype(str).tolist()


def test_an_export_of_parquet_is_the_same(tmp_path: Path) -> None:
    account = clean()
    names = {"prices": account.prices, "fills": account.fills, "curve": account.curve}
    for name, frame in names.items():
        frame.write_parquet(tmp_path / f"{name}.parquet")
    paths = {name: tmp_path / f"{name}.parquet" for name in names}

    assert audit(Files(paths["fills"], paths["prices"], [paths["curve"]]), Terms()).agrees


def test_columns_of_other_names_are_mapped(tmp_path: Path) -> None:
    account = clean()
    account = evolve(
        account,
        fills=account.fills.rename({"price": "at", "symbol": "what"}),
        prices=account.prices.rename({"timestamp": "session"}),
        curve=account.curve.rename({"cash": "money at hand"}),
    )
    columns = ["fills.price=at", "fills.symbol=what", "prices.timestamp=session", "claims.cash=money at hand"]

    assert account.examined(tmp_path, "curve", columns=columns).agrees


def test_a_mapped_column_may_be_in_one_of_several_claims(tmp_path: Path) -> None:
    account = clean()
    account = evolve(
        account,
        curve=account.curve.select("timestamp", money="cash"),
        positions=account.curve.select("timestamp", "equity"),
    )
    examination = account.examined(tmp_path, "curve", "positions", columns=["claims.cash=money"])

    assert (["cash", "equity"], True) == ([tie.what for tie in examination.ties], examination.agrees)


def test_fills_within_the_day_belong_to_the_bar_that_ends_after_them(tmp_path: Path) -> None:
    bars = pl.DataFrame(
        {
            "timestamp": ["2024-03-01T10:00:00", "2024-03-01T11:00:00"],
            "symbol": "ACME",
            **dict.fromkeys(("open", "high", "low", "close"), 10.0),
        }
    ).with_columns(pl.col("timestamp").str.to_datetime())
    bars.write_parquet(tmp_path / "bars.parquet")
    text = "timestamp,symbol,quantity,price\n2024-03-01T10:00:00,ACME,1,10\n2024-03-01T10:00:01,ACME,2,10\n"
    files = Files(file(tmp_path, text), tmp_path / "bars.parquet")
    result = audit(files, Terms(100.0))

    assert [1.0, 3.0] == result.books.positions[:, 0].tolist()
    assert result.agrees


def test_commission_that_no_column_says_is_worked_out(tmp_path: Path) -> None:
    account = clean()
    account = evolve(account, fills=account.fills.drop("fee"))

    assert account.examined(tmp_path, "curve", terms=Terms(OPENING, Costs(per_unit=0.02))).agrees


def _fill(**values: object) -> Callable[[Account], Account]:
    return lambda account: evolve(account, fills=changed(account.fills, 2, **values))


REFUSED: list[tuple[Callable[[Account], Account], dict[str, Any], str]] = [
    (
        _fill(price=None),
        {},
        "fills.csv, row 3: price is missing or not finite; complete the row or leave it out",
    ),
    (_fill(price=-1.0), {}, "fills.csv, row 3: price is negative; leave out the row"),
    (_fill(quantity=0.0), {}, "fills.csv, row 3: quantity is zero; leave out the row"),
    (_fill(symbol=None), {}, "fills.csv, row 3: symbol is missing; complete the row or leave it out"),
    (_fill(timestamp=None), {}, "fills.csv, row 3: timestamp is missing; write it as 2024-03-31"),
    (_fill(symbol="ACNE"), {}, "fills.csv, row 3: there is no price of 'ACNE' in"),
    (_fill(quantity=1e12), {}, "fills.csv, row 3: quantity is too large to be exact to the last unit"),
    (
        lambda a: evolve(a, fills=a.fills.drop("price")),
        {},
        "there are timestamp, symbol, quantity, fee, order; name it with --columns fills.price=THEIRS",
    ),
    (
        lambda a: evolve(a, fills=a.fills.with_columns(side=pl.lit("hold"))),
        {},
        "fills.csv, row 1: side is neither buy nor sell (and in 8 more); write one of these",
    ),
    (
        lambda a: evolve(a, fills=a.fills.with_columns(price=pl.lit("much"))),
        {},
        "fills.csv, row 1: price is not a number (and in 8 more); write it without separators and currency",
    ),
    (
        lambda a: evolve(a, fills=a.fills.with_columns(pl.col("timestamp").dt.strftime("%m/%d/%Y"))),
        {},
        "fills.csv, row 1: timestamp is 03/02/2024, not an ISO time (and in 8 more); write it as 2024-03-31",
    ),
    (
        lambda a: evolve(a, prices=a.prices.with_columns(pl.col("timestamp").dt.strftime("%d.%m.%Y"))),
        {},
        "prices.csv: timestamp does not begin with the year, so that day and month could be either",
    ),
    (
        lambda a: evolve(a, fills=a.fills.with_columns(side=pl.lit("buy"))),
        {},
        "fills.csv, row 3: side is buy and quantity is negative (and in 3 more); correct one",
    ),
    (
        lambda a: evolve(a, fills=a.fills.rename({"timestamp": "date"}).with_columns(time=pl.lit("10:00"))),
        {},
        "columns 'date' and 'time' may both be 'timestamp'; choose one with --columns fills.timestamp=THEIRS",
    ),
    (
        lambda a: evolve(a, fills=a.fills.with_columns(commission=pl.lit(1.0))),
        {},
        "may both be 'fee'; choose one with --columns fills.fee=THEIRS, or add them up in one",
    ),
    (
        lambda a: evolve(a, curve=a.curve.clear()),
        {},
        "curve.csv: the file has no rows; leave it out, or export the claims",
    ),
    (
        lambda a: evolve(a, curve=changed(a.curve, 1, cash=float("inf"))),
        {},
        "curve.csv, row 2: cash is not finite; complete the row or leave it out",
    ),
    (
        lambda a: evolve(a, curve=a.curve.with_columns(cash=None)),
        {},
        "curve.csv: every row of cash is empty; leave out the column, or complete it",
    ),
    (
        lambda a: evolve(a, curve=a.curve.with_columns(pl.col("timestamp").dt.offset_by("-1y"))),
        {},
        "curve.csv: every claim is before the first bar of",
    ),
    (
        lambda a: a,
        {"terms": Terms(OPENING, tolerance=-1.0)},
        "--tolerance is -1.0; give a number of zero or more",
    ),
    (
        lambda a: a,
        {"terms": Terms(OPENING, rules=Rules(slippage=float("nan")))},
        "--slippage is nan; give a number of zero or more",
    ),
    (
        lambda a: a,
        {"terms": Terms(OPENING, Costs(rate=float("inf")))},
        "--commission-rate is inf; give a number",
    ),
    (
        lambda a: evolve(a, curve=a.curve.reverse()),
        {},
        "curve.csv, row 2: its time is before that of the row above (and in 18 more); sort the claims",
    ),
    (
        lambda a: evolve(a, curve=a.curve.select("timestamp")),
        {},
        "curve.csv: columns timestamp are not claims; give timestamp with cash, equity or pnl",
    ),
    (
        lambda a: evolve(a, curve=a.curve.with_columns(pl.col("timestamp").dt.offset_by("1y"))),
        {},
        "curve.csv, row 1: the claim at 2025-03-01T00:00:00 is after the last bar of",
    ),
    (
        lambda a: evolve(a, prices=a.prices.with_columns(close=-pl.col("close"))),
        {},
        "prices.csv: a price is not above zero in 60 rows",
    ),
    (
        lambda a: a,
        {"columns": ["fills.cost=fee"]},
        "--columns fills.cost=fee: 'cost' is not a column of fills",
    ),
    (
        lambda a: a,
        {"columns": ["claims.cash=money"]},
        "--columns claims.cash=money: no file of claims has this column",
    ),
    (lambda a: a, {"columns": ["price=px"]}, "--columns price=px: use FILE.OURS=THEIRS, e.g. fills.price=px"),
    (
        lambda a: a,
        {"columns": ["fills.price=px"]},
        "fills.csv: there is no column 'px'; there are timestamp, symbol, quantity, price",
    ),
    (
        lambda a: a,
        {"form": "excel"},
        "there is no format 'excel'; there are backtrader, ml4t, vectorbt, zipline",
    ),
    (
        lambda a: a,
        {"terms": Terms(OPENING, Costs(rate=0.001))},
        "fills.csv has a column of commissions; leave out the options that compute them",
    ),
    (
        lambda a: evolve(a, curve=a.curve.select("timestamp", "pnl")),
        {"terms": Terms()},
        "fills.csv: opening cash is unknown; give --cash, or claims with cash or equity",
    ),
]


@pytest.mark.parametrize(("spoil", "others", "message"), REFUSED)
def test_what_cannot_be_audited_is_refused_with_file_row_and_remedy(
    tmp_path: Path, spoil: Callable[[Account], Account], others: dict[str, Any], message: str
) -> None:
    with pytest.raises(ExecutionError, match=re.escape(message)):
        spoil(clean()).examined(tmp_path, "curve", **others)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    for reading in (
        lambda path: read_fills(path, None, {}),
        lambda path: read_claims(path, None, {}),
    ):
        with pytest.raises(AuditRefused, match=r"there is no file .*none\.csv"):
            reading(tmp_path / "none.csv")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("timestamp;symbol;quantity;price\n", "its columns are separated by semicolons; save it with commas"),
        ("timestamp,symbol,quantity,price,price\n", "there are two columns 'price'; leave one out"),
    ],
)
def test_a_header_that_is_none_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(AuditRefused, match=re.escape(message)):
        read_fills(file(tmp_path, text), None, {})


def test_a_column_of_lists_is_refused(tmp_path: Path) -> None:
    clean().fills.with_columns(pl.concat_list("price")).write_parquet(tmp_path / "fills.parquet")

    with pytest.raises(AuditRefused, match=r"row 1: price is List\(Float64\), not one value; give a column"):
        read_fills(tmp_path / "fills.parquet", None, {})


def test_sides_are_told_in_the_words_of_brokers(tmp_path: Path) -> None:
    rows = ("BUY,1", "Sell Short,2", " B ,3", "SLD,-4", "Buy to Cover,5", "sell-to-close,6")
    text = "Date, Symbol ,Side,Quantity,Price\n" + "".join(f"2024-03-01,ACME,{row},9\n" for row in rows)

    assert [1.0, -2.0, 3.0, -4.0, 5.0, -6.0] == read_fills(file(tmp_path, text), None, {}).quantity.tolist()


@pytest.mark.parametrize("stamp", [" 00:00:00-05:00", "T16:00:00", "T21:00:00Z", " 00:00:00+09:00"])
def test_bars_of_days_are_of_their_days_however_they_are_stamped(tmp_path: Path, stamp: str) -> None:
    account = clean()
    stamped = pl.col("timestamp").cast(pl.String) + stamp
    account = evolve(account, prices=account.prices.with_columns(stamped))
    fills = account.fills.with_columns(pl.col("timestamp").cast(pl.String) + "T20:00:00-05:00")

    assert account.examined(tmp_path, "curve", "positions", "trades").agrees
    assert evolve(account, fills=fills).examined(tmp_path, "curve", "positions", "trades").agrees


def test_a_date_is_the_end_of_its_day_where_bars_are_within_days(tmp_path: Path) -> None:
    hours = [f"2024-03-0{day}T{hour}:00:00,ACME,10,10,10,10\n" for day in (1, 2) for hour in (10, 16)]
    prices = file(tmp_path, "timestamp,symbol,open,high,low,close\n" + "".join(hours), "prices.csv")
    header = "timestamp,symbol,quantity,price\n"
    claims = file(tmp_path, "timestamp,cash\n2024-03-01,90\n2024-03-02,70\n", "claims.csv")
    fills = file(tmp_path, header + "2024-03-01T12:00:00,ACME,1,10\n2024-03-02T09:30:00,ACME,2,10\n")
    result = audit(Files(fills, prices, [claims]), Terms(100.0))

    assert ([1, 3], True) == (result.ties[0].bar.tolist(), result.agrees)
    with pytest.raises(
        AuditRefused, match=r"row 1: fills are dated without an hour, and .* has bars within days"
    ):
        audit(Files(file(tmp_path, header + "2024-03-01,ACME,1,10\n"), prices), Terms(100.0))


def test_weeks_have_bars_on_one_of_their_days(tmp_path: Path) -> None:
    weeks = [f"2024-03-{day},ACME,10,10,10,10\n" for day in ("08", "15", "22")]
    prices = file(tmp_path, "timestamp,symbol,open,high,low,close\n" + "".join(weeks), "prices.csv")
    fills = file(tmp_path, "timestamp,symbol,quantity,price\n2024-03-05,ACME,1,10\n2024-03-13,ACME,1,10\n")
    result = audit(Files(fills, prices), Terms(100.0))

    assert ([1.0, 2.0, 2.0], True) == (result.books.positions[:, 0].tolist(), result.agrees)


def test_prices_are_bars_of_the_same_rules(tmp_path: Path) -> None:
    account = clean()
    account.prices.write_csv(tmp_path / "prices.csv")
    prices = read_prices(tmp_path / "prices.csv", {})

    assert (20, 3) == prices.close.shape
    assert prices.is_daily
    assert np.array_equal(prices.close.ravel(), account.prices["close"].to_numpy())


def audit_account(folder: Path, account: Account, *options: str) -> tuple[int, str]:
    for name in ("prices", "fills", "curve"):
        getattr(account, name).write_csv(folder / f"{name}.csv")
    files = ("--fills", "fills.csv", "--prices", "prices.csv", "--claims", "curve.csv")
    arguments = [str(folder / part) if part.endswith(".csv") else part for part in files]
    result = CliRunner().invoke(application(), ["audit", *arguments, *options])
    return result.exit_code, result.output


def test_the_command_ends_with_0_where_all_agrees(tmp_path: Path) -> None:
    status, output = audit_account(tmp_path, clean(), "--journal", str(tmp_path / "kept.duckdb"))

    assert 0 == status
    assert "9 fills in 3 instruments" in output
    assert "opening cash 20,000.00, from the first cash claimed" in output
    assert "no fault found, all 80 figures tie to the fills" in output
    with Reader(tmp_path / "kept.duckdb") as reader:
        assert verify(reader).head in output


def test_books_are_not_kept_over_others(tmp_path: Path) -> None:
    (tmp_path / "kept.duckdb").write_text("another's")
    status, output = audit_account(tmp_path, clean(), "--journal", str(tmp_path / "kept.duckdb"))

    assert 2 == status
    assert "kept.duckdb exists already; name a new file" in output
    assert "another's" == (tmp_path / "kept.duckdb").read_text()


def test_the_command_ends_with_1_and_tells_the_fault_where_and_by_how_much(tmp_path: Path) -> None:
    account = clean()
    account = evolve(account, curve=charged(account.curve, fees(account)))
    status, output = audit_account(tmp_path, account, "--cash", "20000")

    assert 1 == status
    assert "1. Commission counted twice, 7 times, from 2024-03-02, -8.51 in total" in output
    assert "2.80 less than the fills imply: the amount of their commission" in output
    assert "First difference at 2024-03-02: cash by -2.80, equity by -2.80, P&L by -2.80" in output


def test_what_cannot_be_compared_does_not_agree(tmp_path: Path) -> None:
    """ACME is never flat, so that no P&L of its trades can be told from its fills."""
    account = clean([(1, "ACME", 10.0)])
    account = evolve(account, curve=account.trades)
    status, output = audit_account(tmp_path, account, "--cash", "20000")

    assert 0 == status
    assert "nothing to compare" in output
    assert "no fault found, no figure of the claims could be compared" in output


def test_fills_after_the_last_claim_are_counted(tmp_path: Path) -> None:
    account = clean()
    status, output = audit_account(tmp_path, evolve(account, curve=account.curve[:17]))

    assert 0 == status
    assert "all 68 figures tie to the fills, 1 fill after the last claim not compared" in output


def test_what_departs_without_a_fault_of_a_name_is_said_so(tmp_path: Path) -> None:
    account = clean([(1, "ACME", 1 / 7)])
    curve = account.curve.select("timestamp", cash=account.curve["cash"].round(2) + 0.01)
    status, output = audit_account(tmp_path, evolve(account, curve=curve), "--cash", "20000")

    assert 1 == status
    assert "no known fault explains it, cash differs" in output


def test_commission_below_zero_is_said_and_its_sign_is_named(tmp_path: Path) -> None:
    account = clean()
    account = evolve(account, fills=account.fills.with_columns(-pl.col("fee")))
    status, output = audit_account(tmp_path, account, "--cash", "20000")

    assert 1 == status
    assert "commission is negative in 9 of them, booked as rebates" in output
    assert "1. Commission of the wrong sign, 7 times, from 2024-03-02, -17.02 in total" in output


def test_the_command_ends_with_2_where_it_cannot_run(tmp_path: Path) -> None:
    account = clean()
    status, output = audit_account(tmp_path, evolve(account, fills=changed(account.fills, 0, quantity=0.0)))

    assert 2 == status
    assert "fills.csv, row 1: quantity is zero" in output
