"""The auditor finds what is wrong with an account, by its name, and nothing where nothing is wrong."""

from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl
import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from tests.validation.audit.account import (
    OPENING,
    SYMBOLS,
    TRADED,
    Account,
    Plant,
    changed,
    charged,
    clean,
    fees,
    of_curve,
    of_fills,
)
from tieout.ledger.file.reader import Reader
from tieout.ledger.file.verify import verify
from tieout.validation.audit.audit import Terms
from tieout.validation.audit.faults import Rules

CLAIMS = ("curve", "positions", "trades")


def test_an_account_that_is_right_ties(tmp_path: Path) -> None:
    examination = clean().examined(tmp_path, *CLAIMS)

    assert examination.agrees
    assert [
        ("cash", 20),
        ("equity", 20),
        ("pnl", 20),
        ("total_pnl", 20),
        ("positions", 45),
        ("trades", 2),
    ] == [(tie.what, tie.bar.size) for tie in examination.ties]


@pytest.mark.parametrize("claim", ["cash", "equity"])
def test_opening_cash_is_that_of_the_first_claim(tmp_path: Path, claim: str) -> None:
    account = clean()
    account = evolve(account, curve=account.curve.select("timestamp", claim))
    examination = account.examined(tmp_path, "curve", terms=Terms())

    assert (OPENING, f"from the first {claim} claimed, in {tmp_path / 'curve.csv'}") == (
        examination.books.opening,
        examination.opening,
    )
    assert examination.agrees


def test_claims_in_cents_are_of_an_opening_in_cents(tmp_path: Path) -> None:
    """The purchase at the first bar is not in whole cents, and no claim is before it."""
    account = clean([(0, "ACME", 1 / 7), (0, "BULL", -1 / 3), (9, "CORP", 1 / 3)])
    account = evolve(account, curve=account.curve.with_columns(pl.exclude("timestamp").round(2)))
    examination = account.examined(tmp_path, "curve", terms=Terms())

    assert (OPENING, True) == (examination.books.opening, examination.agrees)


def _without(row: int) -> Plant:
    return of_fills(lambda fills: fills.filter(pl.int_range(pl.len()) != row))


def _again(row: int) -> Plant:
    return of_fills(lambda fills: pl.concat([fills[: row + 1], fills[row : row + 1], fills[row + 1 :]]))


def _at(row: int, **values: object) -> Plant:
    return of_fills(lambda fills: changed(fills, row, **values))


def _twice(curve: pl.DataFrame, account: Account) -> pl.DataFrame:
    return charged(curve, fees(account))


def _left_out(curve: pl.DataFrame, account: Account) -> pl.DataFrame:
    return charged(curve, {day: -fee for day, fee in fees(account).items()})


def _interest(curve: pl.DataFrame, _: Account) -> pl.DataFrame:
    return charged(curve, {7: 12.34})


def _gross(curve: pl.DataFrame, account: Account) -> pl.DataFrame:
    paid = np.zeros(curve.height)
    for day, fee in fees(account).items():
        paid[day] = fee
    return curve.with_columns(pnl=curve["pnl"] + paid)


def _realised(curve: pl.DataFrame, _: Account) -> pl.DataFrame:
    return curve.with_columns(pnl=curve["cash"].diff().fill_null(0.0))


def _at_the_close_before(curve: pl.DataFrame, account: Account) -> pl.DataFrame:
    wide = account.prices.pivot("symbol", index="timestamp", values="close").drop("timestamp").to_numpy()
    held = (
        account.positions.pivot("symbol", index="timestamp", values="quantity").drop("timestamp").to_numpy()
    )
    before = np.vstack([wide[:1], wide[:-1]])
    equity = curve["cash"].to_numpy() + (held * before).sum(axis=1)
    return curve.select("timestamp", "cash", equity=equity)


def _monthly(account: Account) -> Account:
    """BULL is bought and sold between the opening and the first claim, and the sale is not there."""
    return evolve(_without(4)(account), curve=account.curve[[9, 19]].drop("pnl"))


def _trades_before_commission(account: Account) -> Account:
    trades = account.trades
    return evolve(account, trades=changed(trades, 0, pnl=trades["pnl"][0] + 2.0))


def _claims_more(account: Account) -> Account:
    return evolve(account, positions=changed(account.positions, 3 * 12, quantity=60.0))


def _so_far(curve: pl.DataFrame, _: Account) -> pl.DataFrame:
    return curve.with_columns(pnl="total_pnl").drop("total_pnl")


CURVE = ("curve",)
PLANTED: list[tuple[str, Plant, tuple[str, ...], list[str], int]] = [
    # what, plant, claims, faults, day of the first
    ("commission twice in cash", of_curve(_twice), CURVE, ["COMMISSION_TWICE"], 1),
    ("commission not in cash", of_curve(_left_out), CURVE, ["COMMISSION_LEFT_OUT"], 1),
    (
        "commission of one fill twice",
        of_curve(lambda c, _: charged(c, {11: 0.6})),
        CURVE,
        ["COMMISSION_TWICE"],
        11,
    ),
    (
        "commission missing from the fills",
        of_fills(lambda f: f.drop("fee")),
        CURVE,
        ["COMMISSION_MISSING"],
        1,
    ),
    ("cash that moved by itself", of_curve(_interest), CURVE, ["CASH"], 7),
    ("equity at old prices", of_curve(_at_the_close_before), CURVE, ["EQUITY"], 1),
    ("P&L before commission", of_curve(_gross), CURVE, ["PNL"], 1),
    ("P&L that is the change of cash", of_curve(_realised), CURVE, ["PNL"], 1),
    ("P&L that is added up", of_curve(_so_far), CURVE, ["PNL"], 2),
    (
        "commission of the wrong sign",
        of_fills(lambda f: f.with_columns(-pl.col("fee"))),
        CURVE,
        ["COMMISSION_REVERSED"],
        1,
    ),
    (
        "commission twice from a day on",
        of_curve(lambda c, a: charged(c, {day: fee for day, fee in fees(a).items() if day > 8})),
        CURVE,
        ["COMMISSION_TWICE"],
        9,
    ),
    ("a deposit", of_curve(lambda c, _: charged(c, {8: -5_000.0})), CURVE, ["CASH"], 8),
    ("a sale is left out of a month", _monthly, CURVE, ["MISSING"], 9),
    ("a sale is left out", _without(4), CURVE, ["MISSING"], 9),
    ("a sale is left out, positions claimed", _without(4), ("curve", "positions"), ["MISSING"], 9),
    ("a duplicated fill", _again(3), CURVE, ["TWICE"], 6),
    ("a duplicated fill, by its order", _again(3), (), ["TWICE"], 6),
    ("a fill the claims do not have", _at(3, quantity=35.5), ("positions",), ["POSITION"], 6),
    ("a position that is not there", _claims_more, ("positions",), ["POSITION"], 12),
    ("a price above the high", _at(2, price=99.0), (), ["RANGE"], 4),
    ("a fill before prices", _at(0, timestamp=date(2024, 2, 28)), (), ["BEFORE"], 0),
    ("a fill after prices", _at(8, timestamp=date(2024, 3, 28)), (), ["AFTER"], 19),
    ("cash below zero", _at(1, quantity=1_000.0), (), ["NEGATIVE_CASH"], 1),
    ("trades before commission", _trades_before_commission, ("trades",), ["TRADES"], 9),
]


@pytest.mark.parametrize(
    ("what", "plant", "claims", "faults", "day"), PLANTED, ids=[row[0] for row in PLANTED]
)
def test_a_planted_fault_is_named(
    tmp_path: Path, what: str, plant: Plant, claims: tuple[str, ...], faults: list[str], day: int
) -> None:
    examination = plant(clean()).examined(tmp_path, *claims)

    assert (what, faults) == (what, [finding.fault.name for finding in examination.findings])
    assert day == examination.findings[0].bar
    assert not examination.agrees


@pytest.mark.parametrize(
    ("row", "day", "faults"), [(0, 0, ["MISSING"]), (2, 19, ["MISSING"])], ids=["first", "last"]
)
def test_a_fill_is_missing_at_the_first_or_the_last_bar(
    tmp_path: Path, row: int, day: int, faults: list[str]
) -> None:
    account = _without(row)(clean([(0, "ACME", 10.0), (0, "BULL", 5.0), (19, "ACME", -10.0)]))
    findings = account.examined(tmp_path, "curve").findings

    assert [(fault, day) for fault in faults] == [(finding.fault.name, finding.bar) for finding in findings]


def test_two_fills_that_are_missing_at_one_bar_are_named(tmp_path: Path) -> None:
    account = _without(5)(_without(5)(clean()))

    assert ["MISSING"] == account.faults(tmp_path, "curve")


def test_of_two_files_of_one_claim_either_may_depart(tmp_path: Path) -> None:
    """Positions here are cash of another file."""
    account = clean()
    other = charged(account.curve, {7: 12.34}).select("timestamp", "cash")

    assert ["CASH"] == evolve(account, positions=other).faults(tmp_path, "curve", "positions")


def test_what_is_short_or_owed_within_a_day_counts(tmp_path: Path) -> None:
    """The sequence of fills at one time is unknown."""
    account = clean([(3, "ACME", -10.0), (3, "ACME", 10.0), (4, "ACME", 500.0), (4, "ACME", -500.0)])
    timed = account.fills.with_columns(
        pl.col("timestamp").cast(pl.Datetime) + pl.duration(hours=pl.int_range(pl.len()))
    )
    rules = Rules(allow_short=False)

    assert [] == account.faults(tmp_path, rules=rules)
    assert ["OVERSOLD", "NEGATIVE_CASH"] == evolve(account, fills=timed).faults(tmp_path, rules=rules)


def test_more_sold_than_held_is_a_fault_where_shorts_are_not_allowed(tmp_path: Path) -> None:
    account = _at(2, quantity=-50.0)(clean())

    assert ["OVERSOLD"] == account.faults(tmp_path, rules=Rules(allow_short=False))
    assert [] == account.faults(tmp_path)


def test_cash_below_zero_and_prices_outside_may_be_allowed(tmp_path: Path) -> None:
    assert [] == _at(1, quantity=1_000.0)(clean()).faults(tmp_path, rules=Rules(allow_negative_cash=True))
    assert [] == _at(2, price=99.0)(clean()).faults(tmp_path, rules=Rules(slippage=2.0))


def test_a_fill_without_a_bar_is_named(tmp_path: Path) -> None:
    account = clean()
    prices = account.prices.filter((pl.col("symbol") != "ACME") | (pl.int_range(pl.len()) // 3 != 4))

    assert ["NO_BAR"] == evolve(account, prices=prices).faults(tmp_path)


def test_a_fill_on_a_day_without_any_bar_is_named(tmp_path: Path) -> None:
    account = clean()
    prices = account.prices.filter(pl.col("timestamp") != date(2024, 3, 5))
    account = evolve(account, prices=prices)

    assert ["NO_BAR"] == account.faults(tmp_path)
    assert "row 3 is at 2024-03-05, where ACME has no bar" == account.examined(tmp_path).findings[0].text


def test_a_fill_outside_of_the_prices_is_reported_at_its_own_day(tmp_path: Path) -> None:
    early = _at(0, timestamp=date(2024, 2, 28))(clean()).examined(tmp_path).findings
    late = _at(8, timestamp=date(2024, 3, 28))(clean()).examined(tmp_path).findings

    assert [
        "row 1 is at 2024-02-28, the first bar of ACME at 2024-03-01",
        "row 9 is at 2024-03-28, the last bar of CORP at 2024-03-20",
    ] == [finding.text for finding in early + late]


def test_claims_of_days_without_bars_are_those_of_the_bar_before(tmp_path: Path) -> None:
    """The day before the first bar is the opening, and a day in between is as the one before it."""
    account = clean()
    opening = (date(2024, 2, 29), OPENING, OPENING, 0.0, 0.0)
    curve = pl.concat([pl.DataFrame([opening], account.curve.schema, orient="row"), account.curve])
    prices = account.prices.filter(pl.col("timestamp") != date(2024, 3, 4))
    curve = curve.with_columns(
        pl.when(pl.col("timestamp") == date(2024, 3, 4))
        .then(pl.col(c).shift(1))
        .otherwise(pl.col(c))
        .alias(c)
        for c in ("cash", "equity")
    ).drop("pnl", "total_pnl")
    account = evolve(account, prices=prices, curve=curve)

    assert [] == account.faults(tmp_path, "curve")
    assert [-1, 0, 1, 2, 2, 3] == account.examined(tmp_path, "curve").ties[0].bar[:6].tolist()


def test_the_first_departure_tells_what_was_claimed_and_the_fills_since(tmp_path: Path) -> None:
    """From day 6 to day 11, the next with a claim, BULL is sold, ACME bought and BULL bought again."""
    account = of_curve(lambda curve, _: charged(curve, {11: 5.0})[[0, 3, 6, 11, 14, 19]])(clean())
    examination = account.examined(tmp_path, "curve")
    cash = examination.ties[0]

    assert (11, 6) == (int(cash.bar[cash.first]), int(cash.last[cash.first]))
    assert -5.0 == pytest.approx(cash.difference[cash.first])
    assert ["BULL", "ACME", "BULL"] == examination.books.placed.fills.symbol[cash.fills].tolist()
    assert 3 == int(cash.differs.sum())


def _scaled(row: int, column: str, factor: float) -> Plant:
    return of_fills(lambda fills: changed(fills, row, **{column: fills[column][row] * factor}))


def _later(row: int) -> Plant:
    return of_fills(lambda fills: changed(fills, row, timestamp=fills["timestamp"][row] + timedelta(2)))


WHEREVER = {
    "a missing fill": ("MISSING", _without),
    "a duplicated fill": ("TWICE", _again),
    "a fill is of half its size": ("ALTERED", lambda row: _scaled(row, "quantity", 0.5)),
    "a fill is on the other side": ("ALTERED", lambda row: _scaled(row, "quantity", -1.0)),
    "a fill is at another price": ("ALTERED", lambda row: _scaled(row, "price", 1.3)),
    "a fill is of another day": ("MOVED", _later),
}


@pytest.mark.parametrize("what", WHEREVER)
@pytest.mark.parametrize("row", range(9))
def test_a_fault_is_named_wherever_it_is(tmp_path: Path, what: str, row: int) -> None:
    fault, plant = WHEREVER[what]

    assert fault in plant(row)(clean()).faults(tmp_path, "curve")


@pytest.mark.parametrize("what", WHEREVER)
def test_claims_may_be_rounded_to_the_cent(tmp_path: Path, what: str) -> None:
    fault, plant = WHEREVER[what]
    account = clean([(day, symbol, quantity / 3) for day, symbol, quantity in TRADED])
    account = evolve(account, curve=account.curve.with_columns(pl.exclude("timestamp").round(2)))

    assert [] == account.faults(tmp_path, "curve")
    assert fault in plant(4)(account).faults(tmp_path, "curve")


@st.composite
def orders(draw: st.DrawFn) -> list[tuple[int, str, float]]:
    """Fills of three instruments, long and short, in thirds of a unit, some of them closing."""
    days = sorted(draw(st.lists(st.integers(0, 19), min_size=1, max_size=12)))
    sizes = st.integers(-60, 60).filter(bool).map(lambda thirds: thirds / 3)
    return [(day, draw(st.sampled_from(SYMBOLS)), draw(sizes)) for day in days]


@given(orders())
def test_no_fault_is_found_where_there_is_none(traded: list[tuple[int, str, float]]) -> None:
    with TemporaryDirectory() as folder:
        examination = clean(traded).examined(Path(folder), *CLAIMS)

    assert [] == examination.findings
    assert examination.agrees


def test_two_missing_fills_are_both_reported(tmp_path: Path) -> None:
    """Remove ACME on day 4 and BULL on day 9: the second explains the rest of the difference."""
    findings = _without(2)(_without(4)(clean())).examined(tmp_path, "curve").findings

    assert [("MISSING", 4, 2)] == [(finding.fault.name, finding.bar, finding.times) for finding in findings]


def test_two_fills_alike_are_no_fault_where_claims_agree_with_both(tmp_path: Path) -> None:
    """Half of an order, twice: only the claims can tell, or numbers of executions."""
    account = clean()
    halves = account.fills.with_columns(pl.col("quantity", "fee") / 2)
    account = evolve(account, fills=pl.concat([halves, halves]))
    numbered = evolve(account, fills=account.fills.with_row_index("execution"))

    assert [] == account.faults(tmp_path, "curve")
    assert ["TWICE"] == account.faults(tmp_path)
    assert [] == numbered.faults(tmp_path)


def test_several_faults_are_told_apart(tmp_path: Path) -> None:
    account = _at(7, price=20.0)(of_curve(_twice)(clean()))

    assert {"COMMISSION_TWICE", "RANGE", "ALTERED"} == set(account.faults(tmp_path, "curve"))


def test_the_books_that_are_kept_verify(tmp_path: Path) -> None:
    from tieout.validation.audit.audit import Files, audit

    account = clean()
    account.examined(tmp_path, *CLAIMS)
    files = Files(tmp_path / "fills.csv", tmp_path / "prices.csv", [tmp_path / "curve.csv"])
    result = audit(files, Terms(OPENING), tmp_path / "kept.duckdb")
    with Reader(tmp_path / "kept.duckdb") as reader:
        report = verify(reader)
        equity = [float(row["equity"]) for row in reader.view("equity").rows()]

    assert report.ok
    assert report.head == result.verified.head
    assert np.allclose(equity, account.curve["equity"].to_numpy(), atol=1e-6, rtol=0)
