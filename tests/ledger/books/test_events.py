"""Every event: what it changes, what it refuses, and the worked example of its description."""

import re
from decimal import Decimal

import pytest

from tests.support.notation import Bench, check
from tieout.ledger.books import events
from tieout.ledger.books.kinds import KINDS


def test_money_paid_in_and_out() -> None:
    check("""
        deposit 10000        | cash +10000  contributions +10000
        deposit 250.25 EUR   | cash/EUR +250.25  contributions/EUR +250.25
        withdrawal 500       | cash -500  contributions -500
        withdrawal 9500.01   ! overdraft
        withdrawal 1000 EUR  ! overdraft
        deposit 0            ! amount_not_positive
        withdrawal -1        ! amount_not_positive
        withdrawal 9500      | cash -9500  contributions -9500
    """)


def test_a_purchase_is_carried_at_cost_and_its_fee_is_expensed() -> None:
    check("""
        buy 10 ACME @ 100               ! overdraft
        deposit 3000                    | cash +3000  contributions +3000
        buy 10 ACME @ 100 fee 1         | cash -1001  holding +10  cost +1000  commissions +1
        buy 1 ACME for 0                | holding +1
        buy 10 ACME @ 120 fee -0.5      | cash -1199.5  holding +10  cost +1200  rebates +0.5
        buy 0 ACME for 10               ! amount_not_positive
        buy -1 ACME for 10              ! amount_not_positive
        buy 1 ACME for -10              ! amount_not_positive
        buy 10 ACME @ 100               ! overdraft
    """)


def test_a_purchase_unsettled_is_payable_until_paid() -> None:
    check("""
        buy 10 ACME @ 100 fee 1 unsettled  | payable +1001  holding +10  cost +1000  commissions +1
        pay_trades 1001                    ! overdraft
        deposit 2000                       | cash +2000  contributions +2000
        pay_trades 1001.01                 ! overdraft
        pay_trades 0                       ! amount_not_positive
        pay_trades 1001                    | cash -1001  payable -1001
    """)


def test_a_sale_gives_up_the_oldest_lot_first() -> None:
    check("""
        deposit 3000            | cash +3000  contributions +3000
        buy 10 ACME @ 100       | cash -1000  holding +10  cost +1000
        buy 10 ACME @ 120       | cash -1200  holding +10  cost +1200
        sell 15 ACME @ 130      | cash +1950  holding -15  cost -1600  gain +350
        sell 6 ACME @ 130       ! insufficient_lots
        sell 0 ACME for 1       ! amount_not_positive
        sell 5 ACME for -1      ! amount_not_positive
        sell 1 ACME lot 0 for 1 ! unknown_lot
        sell 1 BETA for 1       ! insufficient_lots
        sell 4 ACME for 0       | holding -4  cost -480  gain -480
        sell 1 ACME @ 100 fee 3 | cash +97  holding -1  cost -120  gain -20  commissions +3
    """)


def test_a_sale_unsettled_is_receivable_until_received() -> None:
    check("""
        deposit 1000                     | cash +1000  contributions +1000
        buy 10 ACME @ 100                | cash -1000  holding +10  cost +1000
        sell 4 ACME @ 120 fee 1 unsettled| receivable +479  holding -4  cost -400  gain +80  commissions +1
        sell 1 ACME for 0 fee 5 unsettled| receivable -5  holding -1  cost -100  gain -100  commissions +5
        receive_trades 0                 ! empty_transaction
        receive_trades 479               | cash +479  receivable -479
        receive_trades -5                | cash -5  receivable +5
        receive_trades -475              ! overdraft
    """)


def test_a_short_sale_owes_its_proceeds_and_sets_them_aside() -> None:
    check("""
        deposit 100               | cash +100  contributions +100
        short_sale 10 ACME @ 100 fee 1 | cash -1  holding -10  owed +1000  restricted +1000  commissions +1
        buy 1 ACME for 100        ! opposite_position
        sell 1 ACME for 100       ! insufficient_lots
        short_sale 0 ACME for 1   ! amount_not_positive
        short_sale 1 ACME for -1  ! amount_not_positive
        cover 11 ACME @ 90        ! insufficient_lots
        cover 4 ACME @ 90 fee 1   | cash +39  holding +4  owed -400  restricted -400  gain +40  commissions +1
        cover 1 ACME @ 150        | cash -50  holding +1  owed -100  restricted -100  gain -50
        cover 5 ACME @ 200        ! overdraft
        cover 5 ACME for 0        | cash +500  holding +5  owed -500  restricted -500  gain +500
        buy 1 ACME for 100        | cash -100  holding +1  cost +100
        short_sale 1 ACME for 100 ! opposite_position
        cover 1 ACME for 100      ! insufficient_lots
    """)


def test_a_short_sale_unsettled_is_restricted_on_receipt_for_the_part_still_open() -> None:
    check("""
        short_sale 10 ACME @ 100 unsettled | receivable +1000  holding -10  owed +1000
        cover 4 ACME @ 100 unsettled | payable +400  holding +4  owed -400
        receive_trades 1000         | cash +1000  receivable -1000
        restrict_proceeds ACME -1   ! amount_not_positive
        restrict_proceeds ACME 1000 | cash -600  restricted +600
        restrict_proceeds ACME 1    ! empty_transaction
        cover 1 ACME @ 90 unsettled | cash +100  payable +90  holding +1  owed -100  restricted -100  gain +10
        short_sale 1 ACME @ 100 unrestricted| cash +100  holding -1  owed +100
    """)


def test_a_reversal_closes_one_side_and_opens_the_other() -> None:
    check("""
        deposit 2000 | cash +2000  contributions +2000
        flip 10 ACME @ 100 | cash -1000  holding +10  cost +1000
        flip -15 ACME @ 100       | cash +1000  holding -15  cost -1000  owed +500  restricted +500
        flip -1 ACME for 101 | holding -1  owed +101  restricted +101
        flip 2 ACME for 199 | cash +1  holding +2  owed -200  restricted -200  gain +1
        flip 6 ACME @ 110 | cash -259  holding +6  owed -401  restricted -401  cost +220  gain -39
        flip 0 ACME for 1 ! amount_not_positive
        flip 1 ACME for -1 ! amount_not_positive
        flip 100 ACME @ 100 ! overdraft
        flip -2 ACME @ 120 unsettled | receivable +240  holding -2  cost -220  gain +20
        flip -2 ACME @ 120 unsettled | receivable +240  holding -2  owed +240
        flip 3 ACME @ 100 unsettled | payable +300  holding +3  owed -240  cost +100  gain +40
    """)


def test_a_delisting_closes_the_whole_position() -> None:
    check("""
        deposit 2000                  | cash +2000  contributions +2000
        delisting ACME 30             ! amount_not_positive
        buy 10 ACME @ 100             | cash -1000  holding +10  cost +1000
        delisting ACME 30             | cash +30  holding -10  cost -1000  gain -970
        short_sale 10 ACME @ 100      | holding -10  owed +1000  restricted +1000
        delisting ACME -1             ! amount_not_positive
        delisting ACME 0              | cash +1000  holding +10  owed -1000  restricted -1000  gain +1000
    """)


def test_borrowing_and_the_margin_requirement() -> None:
    check("""
        borrow 2000          | cash +2000  loan +2000
        repay 2000.5         ! overdraft
        repay 500            | cash -500  loan -500
        borrow 0             ! amount_not_positive
        repay -1             ! amount_not_positive
        margin_requirement 500      | required +500
        margin_requirement 800      | required +300
        margin_requirement 800      ! empty_transaction
        margin_requirement -1       ! overdraft
        margin_requirement 0        | required -800
    """)


def test_a_loan_is_drawn_within_the_transaction_that_needs_it() -> None:
    check("""
        deposit 1000                        | cash +1000  contributions +1000
        buy 15 ACME @ 100 ; borrow 499      ! overdraft
        buy 15 ACME @ 100 ; borrow 500      | cash -1000  holding +15  cost +1500  loan +500
        sell 15 ACME @ 100 ; repay 500      | cash +1000  holding -15  cost -1500  loan -500
        deposit 5 ; sell 1 ACME for 1 ; deposit 7   ! insufficient_lots
        deposit 5 ; withdrawal 5            |
    """)


def test_dividends_are_earned_on_the_ex_date_and_paid_later() -> None:
    check("""
        deposit 10                           | cash +10  contributions +10
        dividend ACME 5                      | dividends-due +5  dividends +5
        dividend BETA 3                      | dividends-due/EUR +3  dividends/EUR +3
        dividend ACME 0                      ! amount_not_positive
        dividend_payment 6                   ! overdraft
        dividend_payment 0                   ! amount_not_positive
        dividend_payment 5 tax -1            ! amount_not_positive
        dividend_payment 5 tax 0.75          | cash +4.25  tax +0.75  dividends-due -5
        dividend_payment 3 EUR tax 3         | tax/EUR +3  dividends-due/EUR -3
        dividend_on_short ACME 5             | dividends-on-shorts +5  dividends-owed +5
        dividend_on_short ACME 0             ! amount_not_positive
        dividend_on_short_payment 5.01       ! overdraft
        dividend_on_short_payment 5          | cash -5  dividends-owed -5
    """)


def test_a_split_changes_units_and_never_cost() -> None:
    check("""
        deposit 3000              | cash +3000  contributions +3000
        buy 10 ACME @ 100         | cash -1000  holding +10  cost +1000
        buy 3 ACME @ 100          | cash -300  holding +3  cost +300
        split ACME 2:1            | holding +13
        split ACME 1:2            | holding -13
        split ACME 3:2            | holding +6.5
        split ACME 0:1            ! amount_not_positive
        split ACME 1:0            ! amount_not_positive
        split BETA 2:1            ! empty_transaction
        split ACME 1:1            ! empty_transaction
        split ACME 9223372036854775807:1   ! amount_out_of_range
        sell 19.5 ACME for 1300   | cash +1300  holding -19.5  cost -1300
    """)


def test_a_split_rounds_the_position_alone() -> None:
    check("""
        deposit 1000                   | cash +1000  contributions +1000
        buy 10.33333333 ACME for 100   | cash -100  holding +10.33333333  cost +100
        buy 19.66666667 ACME for 200   | cash -200  holding +19.66666667  cost +200
        split ACME 21:20               | holding +1.5
        sell 31.5 ACME for 300         | cash +300  holding -31.5  cost -300
        short_sale 10.33333333 ACME for 100  | holding -10.33333333  owed +100  restricted +100
        short_sale 19.66666667 ACME for 200  | holding -19.66666667  owed +200  restricted +200
        split ACME 21:20               | holding -1.5
    """)


def test_a_lot_that_a_split_leaves_without_units_realises_its_cost() -> None:
    check("""
        deposit 100 EUR     | cash/EUR +100  contributions/EUR +100
        buy 3 BETA for 30   | cash/EUR -30  holding +3  cost +30
        buy 1 BETA for 10   | cash/EUR -10  holding +1  cost +10
        buy 1 BETA for 15   | cash/EUR -15  holding +1  cost +15
        split BETA 1:2      | holding -3  cost -15  gain -15
        sell 2 BETA for 60  | cash/EUR +60  holding -2  cost -40  gain +20
        short_sale 3 BETA for 30 | holding -3  owed +30  restricted +30
        short_sale 2 BETA for 20 | holding -2  owed +20  restricted +20
        short_sale 1 BETA for 15 | holding -1  owed +15  restricted +15
        split BETA 1:4      | cash/EUR +45  holding +5  owed -45  restricted -45  gain +45
    """)


def test_cash_in_lieu_is_paid_for_the_lot_that_relief_takes_first() -> None:
    rows = """
        deposit 3000                           | cash +3000  contributions +3000
        buy 3 ACME @ 100                       | cash -300  holding +3  cost +300
        buy 3 ACME @ 200                       | cash -600  holding +3  cost +600
        cash_in_lieu 7 ACME for 25             ! insufficient_lots
        cash_in_lieu 0 ACME for 25             ! amount_not_positive
        split ACME 1:4 ; cash_in_lieu 0.5 ACME for {} | cash {}  holding -5  cost {}  gain {}
    """
    check(rows.format(250, +250, -200, +50))
    check(rows.format(450, +450, -400, +50), relief="lifo")
    check(rows.format(250, +250, -200, +50), relief="specific")
    check("""
        short_sale 3 ACME @ 100                | holding -3  owed +300  restricted +300
        cash_in_lieu 0.5 ACME for 60           ! overdraft
        cash_in_lieu 0.5 ACME for 40           | cash +10  holding +0.5  owed -50  restricted -50  gain +10
    """)


def test_financing_accrues_and_is_paid() -> None:
    check("""
        deposit 100                  | cash +100  contributions +100
        borrow_fee 0.12              | borrow-fees +0.12  fees-accrued +0.12
        borrow_fee 0                 ! amount_not_positive
        borrow_fee_payment 0.13      ! overdraft
        borrow_fee_payment 0.12      | cash -0.12  fees-accrued -0.12
        margin_interest 0.3          | margin-interest +0.3  interest-accrued +0.3
        margin_interest -1           ! amount_not_positive
        margin_interest_payment 0.31 ! overdraft
        margin_interest_payment 0.3  | cash -0.3  interest-accrued -0.3
        interest 0.2                 | interest-due +0.2  interest +0.2
        interest 0                   ! amount_not_positive
        interest_payment 0.3         ! overdraft
        interest_payment 0.2         | cash +0.2  interest-due -0.2
        perpetual_funding -2                   | cash -2  funding-paid +2
        perpetual_funding 2                    | cash +2  funding-received +2
        perpetual_funding 0                    ! amount_not_positive
        perpetual_funding -99.79               ! overdraft
    """)


def test_futures_settle_in_cash_and_carry_no_cost() -> None:
    check("""
        futures_open 2 ES for 2000 fee 4 ! overdraft
        deposit 5000 | cash +5000  contributions +5000
        futures_open 2 ES for 2000 fee 4 | cash -2004  holding +2  margin +2000  commissions +4
        futures_open -1 ES for 1000 ! opposite_position
        futures_open 0 ES for 1000 ! amount_not_positive
        futures_open 1 ES for -1 ! amount_not_positive
        variation_margin ES 150 | cash +150  variation +150
        variation_margin ES -200 | cash -200  variation -200
        variation_margin ES 0 ! empty_transaction
        variation_margin ES -3000 ! overdraft
        futures_close 3 ES for 0 ! insufficient_lots
        futures_close 0 ES for 0 ! amount_not_positive
        futures_close 1 ES for 30 fee 2 | cash +1028  holding -1  margin -1000  variation +30  commissions +2
        futures_close 1 ES for 0 | cash +1000  holding -1  margin -1000
        futures_open -3 ES for 1000 | cash -1000  holding -3  margin +1000
        futures_open 1 ES for 1000 ! opposite_position
        futures_close 1 ES for -5 | cash +328.333333  holding +1  margin -333.333333  variation -5
        futures_close 2 ES for 0 | cash +666.666667  holding +2  margin -666.666667
    """)


def test_one_currency_is_exchanged_for_another() -> None:
    check("""
        deposit 200                     | cash +200  contributions +200
        fx_trade 100 EUR 110 USD        | cash/EUR +100  fx/EUR +100  cash -110  fx -110
        fx_trade 10 USD 101 EUR         ! overdraft
        fx_trade 0 USD 1 EUR            ! amount_not_positive
        fx_trade 1 USD 0 EUR            ! amount_not_positive
        fx_trade 11 USD 10 EUR          | cash +11  fx +11  cash/EUR -10  fx/EUR -10
    """)


def test_a_valuation_brings_the_allowance_to_the_market_value() -> None:
    check("""
        deposit 2000              | cash +2000  contributions +2000
        buy 10 ACME @ 100         | cash -1000  holding +10  cost +1000
        valuation ACME 1100       | valuation +100  unrealised +100
        valuation ACME 1150       | valuation +50  unrealised +50
        valuation ACME 1150       ! empty_transaction
        valuation ACME 900        | valuation -250  unrealised -250
        sell 10 ACME @ 110        | cash +1100  holding -10  cost -1000  gain +100
        valuation ACME 0          | valuation +100  unrealised +100
        short_sale 10 ACME @ 100  | holding -10  owed +1000  restricted +1000
        valuation ACME -1100      | short-valuation +100  unrealised -100
        valuation ACME -900       | short-valuation -200  unrealised +200
        cover 10 ACME @ 90        | cash +100  holding +10  owed -1000  restricted -1000  gain +100
        valuation ACME 0          | short-valuation +100  unrealised -100
    """)


def test_a_valuation_past_64_bits_is_refused_on_either_side() -> None:
    check("""
        deposit 9000000000000             | cash +9000000000000  contributions +9000000000000
        buy 1 ACME for 9000000000000      | cash -9000000000000  holding +1  cost +9000000000000
        valuation ACME -300000000000      ! amount_out_of_range
        valuation ACME 0                  | valuation -9000000000000  unrealised -9000000000000
        sell 1 ACME for 1                 | cash +1  holding -1  cost -9000000000000  gain -8999999999999
        valuation ACME 300000000000       ! amount_out_of_range
        margin_requirement -9223372036854        ! overdraft
        margin_requirement 9223372036854         | required +9223372036854
        margin_requirement -9223372036854        ! amount_out_of_range
    """)


def test_transfers_by_hand() -> None:
    check("""
        deposit 100                                   | cash +100  contributions +100
        transfer Expenses:Fees:Data Assets:Cash:USD 9 | cash -9  data +9
        transfer Expenses:Fees:Data Assets:Cash:USD 0 ! amount_not_positive
        transfer Assets:Cash:USD Assets:Cash:USD 1    ! same_account
        transfer Assets:Cash:EUR Assets:Cash:USD 1    ! commodity_mismatch
        transfer Expenses:Fees:Data Assets:Cash:USD 92 ! overdraft
    """)


def test_a_correction_undoes_every_side_of_a_transaction() -> None:
    check("""
        deposit 1000                | cash +1000  contributions +1000
        buy 3 ACME for 400 fee 1    | cash -401  holding +3  cost +400  commissions +1
        sell 1 ACME for 90          | cash +90  holding -1  cost -133.333333  gain -43.333333
        reverse 1                   ! lots_disturbed
        reverse 9                   ! unknown_transaction
        reverse -1                  ! unknown_transaction
        reverse 0                   ! overdraft
        reverse 2                   | cash -90  holding +1  cost +133.333333  gain +43.333333
        reverse 2                   ! already_reversed
        reverse 3                   ! already_reversed
        reverse 1                   | cash +401  holding -3  cost -400  commissions -1
    """)


def test_a_short_sale_is_reversed_only_after_the_restriction_of_its_proceeds() -> None:
    check("""
        short_sale 10 ACME @ 100 unsettled  | receivable +1000  holding -10  owed +1000
        receive_trades 1000                 | cash +1000  receivable -1000
        restrict_proceeds ACME 1000         | cash -1000  restricted +1000
        reverse 0                           ! lots_disturbed
        reverse 2                           | cash +1000  restricted -1000
        reverse 0                           | receivable -1000  holding +10  owed -1000
    """)


def test_a_year_end_close_leaves_no_income_and_no_expense() -> None:
    check("""
        close_year             ! empty_transaction
        deposit 100            | cash +100  contributions +100
        interest 20            | interest-due +20  interest +20
        borrow_fee 5           | borrow-fees +5  fees-accrued +5
        dividend BETA 3        | dividends-due/EUR +3  dividends/EUR +3
        close_year             | interest -20  borrow-fees -5  retained +15  dividends/EUR -3  retained/EUR +3
        close_year             ! empty_transaction
    """)


# The rows before the example in an event's description, and the example as a row.
EXAMPLES: dict[str, tuple[list[str], str]] = {
    "deposit": ([], "deposit 10000"),
    "withdrawal": (["deposit 500"], "withdrawal 500"),
    "buy": (["deposit 1001"], "buy 10 ACME @ 100 fee 1"),
    "sell": (["deposit 1000", "buy 10 ACME for 1000"], "sell 4 ACME @ 120 fee 1"),
    "short_sale": (["deposit 1"], "short_sale 10 ACME @ 100 fee 1"),
    "cover": (["short_sale 10 ACME for 1000"], "cover 4 ACME @ 90 fee 1"),
    "pay_trades": (["deposit 1001", "buy 10 ACME for 1001 unsettled"], "pay_trades 1001"),
    "receive_trades": ([], "receive_trades 479"),
    "restrict_proceeds": (
        ["short_sale 10 ACME @ 100 unsettled", "receive_trades 1000"],
        "restrict_proceeds ACME 1000",
    ),
    "borrow": ([], "borrow 2000"),
    "repay": (["borrow 2000"], "repay 2000"),
    "margin_requirement": (["margin_requirement 500"], "margin_requirement 800"),
    "dividend": ([], "dividend ACME 5"),
    "dividend_payment": (["dividend ACME 5"], "dividend_payment 5 tax 0.75"),
    "dividend_on_short": ([], "dividend_on_short ACME 5"),
    "dividend_on_short_payment": (
        ["deposit 5", "dividend_on_short ACME 5"],
        "dividend_on_short_payment 5",
    ),
    "split": (["deposit 1000", "buy 10 ACME for 1000"], "split ACME 2:1"),
    "borrow_fee": ([], "borrow_fee 0.12"),
    "borrow_fee_payment": (["deposit 5", "borrow_fee 3.6"], "borrow_fee_payment 3.6"),
    "margin_interest": ([], "margin_interest 0.3"),
    "margin_interest_payment": (["deposit 9", "margin_interest 9"], "margin_interest_payment 9"),
    "interest": ([], "interest 0.2"),
    "interest_payment": (["interest 6"], "interest_payment 6"),
    "perpetual_funding": (["deposit 2"], "perpetual_funding -2"),
    "futures_open": (["deposit 2004"], "futures_open 2 ES for 2000 fee 4"),
    "variation_margin": ([], "variation_margin ES 150"),
    "futures_close": (["deposit 2000", "futures_open 2 ES for 2000"], "futures_close 1 ES for 30 fee 2"),
    "fx_trade": (["deposit 110"], "fx_trade 100 EUR 110 USD"),
    "valuation": (
        ["deposit 1000", "buy 10 ACME for 1000", "valuation ACME 1100"],
        "valuation ACME 1150",
    ),
}
# These describe themselves as another event: "as a sale of 10 for 30".
ALIKE: dict[str, tuple[list[str], str, str]] = {
    "delisting": (["deposit 1000", "buy 10 ACME for 1000"], "delisting ACME 30", "sell 10 ACME for 30"),
    "cash_in_lieu": (
        ["deposit 1000", "buy 10 ACME for 1000"],
        "cash_in_lieu 0.5 ACME for 25",
        "sell 0.5 ACME for 25",
    ),
    "flip": (
        ["deposit 1000", "buy 10 ACME for 1000"],
        "flip -15 ACME for 1500",
        "sell 10 ACME for 1000 ; short_sale 5 ACME for 500",
    ),
}
Move = tuple[str, str, str, Decimal]


def transfers_of(before: list[str], row: str) -> list[Move]:
    bench = Bench()
    for line in [*before, row]:
        bench.perform(line)
    rows = bench.journal.sql("""
        select debit.path as debit, credit.path as credit, commodity.symbol, amount * unit.value as amount
        from transfer
        join account as debit on debit.id = transfer.debit
        join account as credit on credit.id = transfer.credit
        join commodity on commodity.id = debit.commodity
        join unit on unit.scale = commodity.scale
        where txn = (select max(id) from txn)
        order by seq
    """).rows()
    return [(r["debit"], r["credit"], r["symbol"], r["amount"]) for r in rows]


def described_transfers(name: str) -> list[Move]:
    """Read the transfers and amounts in the description of an event."""
    text = " ".join((getattr(events, name).__doc__ or "").split())
    example = r"`([\w:]+) <- ([\w:]+)` (\d[\d,]*(?:\.\d+)?)(?: ([A-Z]{2,4})\b)?"
    return [
        (debit, credit, symbol or "USD", Decimal(amount.replace(",", "")))
        for debit, credit, amount, symbol in re.findall(example, text)
    ]


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_worked_example_of_an_event_is_what_it_posts(name: str) -> None:
    before, row = EXAMPLES[name]
    expected = described_transfers(name)
    transfers = transfers_of(before, row)

    assert expected
    # Some descriptions go on to a second example: the other way round.
    assert expected[: len(transfers)] == transfers
    assert name == "perpetual_funding" or len(expected) == len(transfers)


@pytest.mark.parametrize("name", ALIKE)
def test_an_event_described_as_another_posts_the_same(name: str) -> None:
    before, row, other = ALIKE[name]

    assert transfers_of(before, other) == transfers_of(before, row)


def test_every_event_has_its_example() -> None:
    assert {event.__name__ for event in KINDS} == EXAMPLES.keys() | ALIKE.keys()
