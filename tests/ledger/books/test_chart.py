"""The chart of accounts: runs laid out alike, types and sides that follow from the path."""

import pytest

from tieout.ledger.books.chart import CURRENCY_RUN, IN_UNITS, INSTRUMENT_RUN, Chart
from tieout.ledger.books.commodity import Commodities, currency, instrument
from tieout.ledger.errors import InvalidAccount, UnknownAccount


def chart(*free: str) -> Chart:
    commodities = Commodities()
    new = Chart(commodities, frozenset(free))
    for commodity in (
        currency("USD"),
        instrument("ACME"),
        currency("EUR"),
        instrument("SAP", currency="EUR"),
    ):
        commodities.declare(commodity)
        new.open_commodities()
    return new


def test_every_commodity_owns_a_run_laid_out_alike() -> None:
    books = chart()

    assert [0, 26, 36, 62] == books.first
    for symbol, first, run in (("EUR", 36, CURRENCY_RUN), ("SAP", 62, INSTRUMENT_RUN)):
        paths = [account.path for account in books.accounts[first : first + len(run)]]
        assert [path.format(symbol).removesuffix("*") for path in run] == paths


def test_an_instrument_is_counted_in_units_and_carried_in_its_currency() -> None:
    books = chart()
    run = books.accounts[62:]

    assert [3] * IN_UNITS + [2] * (len(INSTRUMENT_RUN) - IN_UNITS) == [a.commodity for a in run]
    assert {3} == {account.instrument for account in run}


@pytest.mark.parametrize(
    ("path", "kind", "side", "floor"),
    [
        ("Assets:Cash:USD", "asset", "debit", 1),
        ("Assets:Receivable:Trades", "asset", "debit", 0),
        ("Liabilities:Payable:Trades", "liability", "credit", -1),
        ("Liabilities:MarginLoan:USD", "liability", "credit", -1),
        ("Equity:Contributions", "equity", "credit", 0),
        ("Income:Dividends", "income", "credit", 0),
        ("Expenses:Commissions", "expense", "debit", 0),
        ("Trading:FX:USD", "contra", "credit", 0),
        ("Memo:Margin:Required", "memo", "debit", 1),
        ("Memo:Margin:Contra", "memo", "credit", 0),
        ("Liabilities:Short:ACME", "liability", "credit", -1),
        ("Assets:Positions:ACME:Valuation", "asset", "debit", 0),
    ],
)
def test_type_side_and_floor_of_an_account(path: str, kind: str, side: str, floor: int) -> None:
    books = chart()
    account = books.accounts[books.number(path, 0)]

    assert (kind, side, floor) == (account.type, account.normal_side, account.floor)


def test_an_account_may_be_overdrawn_where_the_policy_says_so() -> None:
    books = chart("Assets:Cash:USD")

    assert [0, 1] == [books.accounts[books.first[n]].floor for n in (0, 2)]


def test_one_path_in_two_commodities_is_two_accounts() -> None:
    books = chart()
    units, cost = books.number("Assets:Positions:ACME", 1), books.number("Assets:Positions:ACME", 0)

    assert units != cost
    assert "Assets:Positions:ACME in ACME" == books.name(units)
    with pytest.raises(UnknownAccount, match="exists in ACME, USD, not in EUR"):
        books.number("Assets:Positions:ACME", 2)


def test_an_account_opened_by_path_takes_its_type_from_the_first_part() -> None:
    books = chart()
    number = books.open("Assets:Petty", 0, floored=True)

    assert len(books) - 1 == number == books.number("Assets:Petty", 0)
    assert ("asset", 1) == (books.accounts[number].type, books.accounts[number].floor)
    for path in ("Assets:Petty", "Petty", "Assets:", "Costs:Petty", "Assets: Petty"):
        with pytest.raises(InvalidAccount):
            books.open(path, 0, floored=False)


@pytest.mark.parametrize(
    "free",
    [
        (),
        ("Assets:Cash:USD",),
        ("Assets:Cash:EUR", "Liabilities:Accrued:Interest", "Assets:Positions:SAP", "Liabilities:Short:ACME"),
        ("Assets:Margin:Futures:SAP", "Assets:Cash:ACME", "Assets:Positions:ACME:Valuation"),
    ],
)
@pytest.mark.parametrize("have", [0, 26, 30, 36, 62, 72])
def test_commodities_and_floors_are_the_same_before_and_after_paths_are_written_out(
    free: tuple[str, ...], have: int
) -> None:
    before, after = chart(*free), chart(*free)
    accounts = after.accounts[have:]
    expected = [account.commodity for account in accounts], [account.floor for account in accounts]

    assert len(after) == len(before)
    assert expected == tuple(column.tolist() for column in before.commodities_and_floors(have))
    assert expected == tuple(column.tolist() for column in after.commodities_and_floors(have))
