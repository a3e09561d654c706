"""Amounts at the door: exact or refused. The refusals' messages are in the gallery of test_refusals."""

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tieout.ledger.books.bounds import MAX_AMOUNT
from tieout.ledger.books.commodity import MAX_SCALE, Commodities, Commodity, currency, instrument
from tieout.ledger.errors import InvalidCommodity, LedgerError, UnknownCommodity
from tieout.ledger.moment import end_of, iso, nanoseconds

USD, JPY, ACME = currency("USD"), currency("JPY", 0), instrument("ACME")


@pytest.mark.parametrize(
    ("commodity", "given_as", "units"),
    [
        (USD, "1", 1_000_000),
        (USD, "1,234,567.89", 1_234_567_890_000),
        (USD, "-12.000001", -12_000_001),
        (USD, "1_000", 1_000_000_000),
        (USD, "1.5000000", 1_500_000),
        (USD, "1e3", 1_000_000_000),
        (USD, Decimal("0.1"), 100_000),
        (USD, 7, 7_000_000),
        (USD, "-0", 0),
        (JPY, "9223372036854775807", MAX_AMOUNT),
        (JPY, "-9223372036854775807", -MAX_AMOUNT),
        (ACME, "0.00000001", 1),
    ],
)
def test_an_amount_is_read_exactly(commodity: Commodity, given_as: str | int | Decimal, units: int) -> None:
    assert units == commodity.units(given_as)


@pytest.mark.parametrize(
    ("commodity", "given_as"),
    [
        (USD, "0.0000001"),
        (JPY, "0.5"),
        (JPY, "9223372036854775808"),
        (JPY, "-9223372036854775808"),
        (USD, "1e-999999999"),
        (USD, "1e999999999"),
        (USD, "12,34"),
        (USD, "1,2345"),
        (USD, ""),
        (USD, "Infinity"),
        (USD, 0.1),
        (USD, False),
    ],
)
def test_an_inexact_amount_is_refused(commodity: Commodity, given_as: str) -> None:
    with pytest.raises(LedgerError):
        commodity.units(given_as)


@given(st.integers(-MAX_AMOUNT, MAX_AMOUNT), st.integers(0, MAX_SCALE))
def test_units_and_decimals_are_the_same_amount(units: int, scale: int) -> None:
    money = currency("X", scale)

    assert units == money.units(money.decimal(units)) == money.units(str(money.decimal(units)))
    assert -scale == money.decimal(units).as_tuple().exponent


def test_commodities_are_numbered_as_they_are_declared() -> None:
    commodities = Commodities()
    for commodity in (USD, ACME, JPY):
        commodities.declare(commodity)

    assert [0, 1, 2] == [commodities.number(symbol) for symbol in ("USD", "ACME", "JPY")]
    assert [1, 1] == commodities.numbers(["ACME", "ACME"])
    assert [(1, ACME), (2, JPY)] == list(commodities.since(1))
    assert (1, 2, 3) == (commodities.instrument("ACME"), commodities.currency("JPY"), len(commodities))


@pytest.mark.parametrize("symbol", ["BTC/USDT:USDT", "BRK B", "0700.HK", "%", "€"])
def test_symbols_may_have_colons_and_single_spaces_within(symbol: str) -> None:
    assert symbol == instrument(symbol).symbol


@pytest.mark.parametrize(
    "symbol",
    ["", " A", "A ", "A  B", "A\tB", ":A", "A:", "A::B", "A: B", 'A"B', "A\x07", "\xa0", "A:Valuation"],
)
def test_a_symbol_that_cannot_be_a_part_of_a_path_is_refused(symbol: str) -> None:
    with pytest.raises(InvalidCommodity, match="symbol"):
        instrument(symbol)


def test_an_instrument_may_be_called_like_its_currency() -> None:
    commodities = Commodities([USD, instrument("USD"), ACME])

    assert (0, 1, 0) == (
        commodities.currency("USD"),
        commodities.instrument("USD"),
        commodities.number("USD"),
    )
    with pytest.raises(InvalidCommodity, match="USD is declared already"):
        commodities.declare(instrument("USD"))


def test_a_declaration_to_one_copy_is_not_in_the_others() -> None:
    declared = Commodities([USD, ACME])
    one, other = declared.copy(), declared.copy()
    one.declare(JPY)
    declared.declare(instrument("BETA"))

    assert [["USD", "ACME", "JPY"], ["USD", "ACME"], ["USD", "ACME", "BETA"]] == [
        [commodity.symbol for commodity in commodities] for commodities in (one, other, declared)
    ]
    assert [0, 0, 2] == one.moneys
    assert [0, 0, 0] == declared.moneys
    assert 2 == one.number("JPY") == declared.number("BETA")
    with pytest.raises(UnknownCommodity, match=r"'JPY' is not declared; known: USD, ACME$"):
        other.number("JPY")


def test_where_nothing_is_declared_no_symbols_are_offered() -> None:
    with pytest.raises(UnknownCommodity, match=r"'USD' is not declared; none is$"):
        Commodities().numbers(["USD"])


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ("2024-01-02", "2024-01-02"),
        ("20240102", "2024-01-02"),
        ("2024-01", "2024-01-01"),
        ("2024-01-02 03:04", "2024-01-02T03:04:00"),
        ("2024-01-02T03:04:05.5", "2024-01-02T03:04:05.5"),
        ("2024-01-02T00:00:00.123456789", "2024-01-02T00:00:00.123456789"),
        ("2024-01-02T02:00:00.123456789+02:00", "2024-01-02T00:00:00.123456789"),
        ("1969-12-31T23:59:59.999999999", "1969-12-31T23:59:59.999999999"),
        (0, "1970-01-01"),
    ],
)
def test_a_moment_is_read_to_the_nanosecond(when: object, expected: str) -> None:
    assert expected == iso(nanoseconds(when))


@pytest.mark.parametrize(
    "when", ["", "NaT", "2500-01-01", "1600-01-01", "2024-01-02T00:00:00.1234567891", -(2**63), True, None]
)
def test_a_moment_beyond_64_bits_is_refused(when: object) -> None:
    with pytest.raises(LedgerError):
        nanoseconds(when)


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ("2024-01-02", "2024-01-02T23:59:59.999999999"),
        ("20240102", "2024-01-02T23:59:59.999999999"),
        (" 2024-01-02", "2024-01-02T23:59:59.999999999"),
        ("2024-01-02T00:00", "2024-01-02"),
        (date(2024, 1, 2), "2024-01-02T23:59:59.999999999"),
        (datetime(2024, 1, 2, tzinfo=UTC), "2024-01-02"),
        (datetime(2024, 1, 2, 2, tzinfo=timezone(timedelta(hours=2))), "2024-01-02"),
        (np.datetime64("2024-01-02"), "2024-01-02T23:59:59.999999999"),
        (np.datetime64("2024-01-02T00:00"), "2024-01-02"),
        (86_400 * 10**9, "1970-01-02"),
    ],
)
def test_books_as_of_a_date_are_those_of_its_end(when: object, expected: str) -> None:
    assert expected == iso(end_of(when))
