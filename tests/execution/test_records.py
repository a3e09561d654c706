"""Checks of orders and fills against what was booked: in several currencies, on both sides, settled later.

The books are always posted by the rules. The faults are those that a simulator would make.
"""

from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.support.desk import Desk, day, moments, two_weeks
from tieout.execution.kernels.orders import Basis, OrderEvent, Reason
from tieout.ledger.books import events
from tieout.ledger.errors import Overdraft
from tieout.ledger.file.reader import Reader
from tieout.ledger.file.run import Policies


@pytest.fixture
def desk() -> Desk:
    """A desk with money in two currencies, where exposure may be twice the equity."""
    desk = Desk(policies=Policies(others={"leverage_cap": 2.0}))
    desk.deposit("USD", "1000")
    desk.deposit("EUR", "1000")
    desk.today = 1
    return desk


def findings(desk: Desk, check: str) -> list[str]:
    rows = desk.journal.sql(f"from check_{check}").rows()
    return sorted(f"{row['subject']}: {row['actual']}; expected: {row['expected']}" for row in rows)


def examined(desk: Desk, check: str) -> int:
    return int(desk.journal.sql(f"from examined_{check}").rows()[0]["rows"])


ALL = ("fees", "leverage", "notional", "orders", "records", "settlement", "units")


def test_two_weeks_of_everything_are_in_order() -> None:
    desk = two_weeks()

    assert {check: [] for check in ALL} == {check: findings(desk, check) for check in ALL}
    assert [10, 10, 9, 14, 34, 2, 10] == [examined(desk, check) for check in ALL]


# --- orders ----------------------------------------------------------------------------------------------


ENDS = [event for event in OrderEvent if event is not OrderEvent.TRIGGERED]


@pytest.mark.parametrize("end", ENDS)
def test_an_order_ends_in_exactly_one_way(desk: Desk, end: OrderEvent) -> None:
    reason = Reason.INSUFFICIENT_CASH if end is OrderEvent.REJECTED else Reason.NONE
    ended = desk.order("ACME", "1")
    desk.record_event(ended, end, reason)
    desk.trade("ACME", "1", 10.0)
    twice = desk.order("ACME", "1")
    desk.trade("ACME", "1", 10.0, order=twice)
    desk.record_event(twice, end, reason)
    never = desk.order("ACME", "1")
    desk.record_event(never, OrderEvent.TRIGGERED)
    both = " and ".join(sorted(["filled", end.name.lower()]))

    assert [
        f"order {twice}: {both}; expected: one final status",
        f"order {never}: no final status; expected: one final status",
    ] == findings(desk, "orders")


def test_an_order_filled_in_parts_is_filled_by_the_last_of_them(desk: Desk) -> None:
    order = desk.order("BOLT", "-10")
    desk.trade("BOLT", "-4", 10.0, order=order)

    assert ["order 0: no final status; expected: one final status"] == findings(desk, "orders")

    desk.trade("BOLT", "-6", 10.0, order=order)

    assert [] == findings(desk, "orders")

    desk.trade("BOLT", "-1", 10.0, order=order)

    assert [
        "order 0: filled 11; expected: at most 10",
        "order 0: no final status; expected: one final status",
    ] == findings(desk, "orders")


def test_a_fill_is_of_the_side_and_instrument_of_its_order(desk: Desk) -> None:
    for order in (desk.order("BOLT", "-10"), desk.order("ACME", "10"), 99):
        desk.trade("BOLT", "1", 10.0, order=order)
    desk.record_event(0, OrderEvent.EXPIRED)
    desk.record_event(1, OrderEvent.EXPIRED)
    right = "expected: an order for the same instrument and side"

    assert [
        f"fill 0: order 0; {right}",
        f"fill 1: order 1; {right}",
        f"fill 2: order 99; {right}",
    ] == findings(desk, "orders")


def test_an_order_event_has_a_recorded_order_and_valid_codes(desk: Desk) -> None:
    desk.record_event(desk.order("ACME", "1"), OrderEvent.EXPIRED)
    desk.record_event(7, OrderEvent.EXPIRED)
    desk.record_event(0, 9)
    desk.record_event(0, OrderEvent.TRIGGERED, 200)
    right = "expected: a recorded order, a valid event and a valid reason"

    assert [
        f"event 1: order 7, event 2, reason 0; {right}",
        f"event 2: order 0, event 9, reason 0; {right}",
        f"event 3: order 0, event 5, reason 200; {right}",
    ] == findings(desk, "orders")


def test_a_rejection_says_why(desk: Desk) -> None:
    desk.record_event(desk.order("ACME", "1"), OrderEvent.REJECTED, Reason.NO_BAR)
    desk.record_event(desk.order("ACME", "1"), OrderEvent.REJECTED)

    assert ["event 1: rejected without a reason; expected: a reason"] == findings(desk, "orders")


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        ({"instrument": 0}, "instrument 0, type 0, time in force 0, tag 0"),  # a currency
        ({"instrument": 99}, "instrument 99, type 0, time in force 0, tag 0"),
        ({"type": 77}, "instrument 2, type 77, time in force 0, tag 0"),
        ({"tif": 78}, "instrument 2, type 0, time in force 78, tag 0"),
        ({"tag": 1}, "instrument 2, type 0, time in force 0, tag 1"),
        ({"tag": -2}, "instrument 2, type 0, time in force 0, tag -2"),
    ],
)
def test_an_order_has_valid_codes(desk: Desk, terms: dict[str, Any], message: str) -> None:
    desk.record_event(desk.order("ACME", "1"), OrderEvent.EXPIRED)
    desk.record_event(desk.order("ACME", "1", tag=-1), OrderEvent.EXPIRED)  # -1 is none
    desk.record_event(desk.order("ACME", "1", **terms), OrderEvent.EXPIRED)

    assert [f"order 2: {message}; expected: valid ones"] == findings(desk, "orders")


def test_an_order_belongs_to_an_earlier_one(desk: Desk) -> None:
    for _ in range(3):
        desk.record_event(desk.order("ACME", "1"), OrderEvent.EXPIRED)
    for order, other, relation in (
        (1, 0, 1),
        (2, 1, 1),
        (1, 1, 1),
        (1, 2, 1),
        (7, 0, 1),
        (2, -1, 1),
        (2, 0, 9),
    ):
        desk.link(order, other, relation)
    right = "expected: a valid relation of a recorded order to an earlier one"

    assert [
        f"link 2: order 1, relation 1, other 1; {right}",
        f"link 3: order 1, relation 1, other 2; {right}",
        f"link 4: order 7, relation 1, other 0; {right}",
        f"link 5: order 2, relation 1, other -1; {right}",
        f"link 6: order 2, relation 9, other 0; {right}",
    ] == findings(desk, "orders")


@pytest.mark.parametrize(
    ("table", "name"),
    [("orders", "order"), ("order_event", "event"), ("tag", "tag"), ("order_link", "link"), ("fill", "fill")],
)
def test_no_number_is_missing_and_none_is_there_twice(tmp_path: Path, table: str, name: str) -> None:
    path = tmp_path / "books.duckdb"
    two_weeks(path).close()
    with duckdb.connect(str(path)) as connection:
        connection.execute(f"update {table} set id = id + 1")  # noqa: S608  named above
        connection.execute(f"insert into {table} from {table} where id = 1")
    with Reader(path) as reader:
        rows = reader.sql("from check_records where expected like 'number%'").rows()

    assert [
        {"subject": name, "actual": "number 1", "expected": "number 0"},
        {"subject": name, "actual": "number 1", "expected": "number 2"},
    ] == rows


def test_records_are_dated_in_order_and_never_before_their_order(desk: Desk) -> None:
    desk.today = 3
    order = desk.order("ACME", "2")
    desk.fill("ACME", "1", 10.0, order=order)
    desk.record_event(order, OrderEvent.CANCELLED)
    desk.today = 2
    desk.fill("ACME", "1", 10.0, order=order)
    desk.record_event(order, OrderEvent.CANCELLED)
    desk.order("ACME", "1")
    desk.journal.add("benchmark", {"timestamp": moments(2, 1), "value": [1.0, 2.0]})
    then, now = "2024-01-04 00:00:00", "2024-01-03 00:00:00"

    assert [
        f"benchmark 1: 2024-01-02 00:00:00; expected: not before {now}",
        f"event 1: {now}; expected: not before {then}",
        f"event 1: {now}; expected: not before its order, at {then}",
        f"fill 1: {now}; expected: not before {then}",
        f"fill 1: {now}; expected: not before its order, at {then}",
        f"order 1: {now}; expected: not before {then}",
    ] == findings(desk, "records")


# --- what a fill moved -----------------------------------------------------------------------------------


def test_a_fill_moves_its_quantity_and_nothing_else(desk: Desk) -> None:
    unbooked = desk.fill("ACME", "-3", 10.0)
    short = desk.fill("ACME", "3", 10.0)
    with desk.booking(short) as transaction:
        transaction.book(events.buy, "ACME", "2.99999999", "30")
    other = desk.fill("ACME", "1", 10.0)
    with desk.booking(other) as transaction:
        transaction.book(events.buy, "ACME", "1", "10")
        transaction.book(events.buy, "BOLT", "1", "10")

    assert [
        f"fill {unbooked}: moved 0; expected: quantity -300000000",
        f"fill {short}: moved 299999999; expected: quantity 300000000",
        f"fill {other}: moved 100000000 and another instrument; expected: quantity 100000000",
    ] == findings(desk, "units")


def test_a_position_changes_by_fills_and_corporate_actions_alone(desk: Desk) -> None:
    desk.trade("BOLT", "10", 10.0)
    desk.post(events.split, "BOLT", 3, 2)
    desk.post(events.cash_in_lieu, "BOLT", "1", "7")
    desk.journal.reverse(4, day(1))
    desk.post(events.delisting, "BOLT", "0")

    assert [] == findings(desk, "units")

    bought = desk.post(events.buy, "ACME", "1", "10")
    with desk.journal.transaction(day(1), order_id=5, fill_id=5) as transaction:
        transaction.book(events.deposit, "USD", "1")

    assert [
        f"transaction {bought}: buy of fill -1; expected: a recorded fill",
        f"transaction {transaction.number}: deposit of fill 5; expected: a recorded fill",
    ] == findings(desk, "units")


def test_a_fill_corrected_is_judged_by_what_is_left(desk: Desk) -> None:
    fill = desk.fill("ACME", "3", 10.0, "1")
    with desk.booking(fill) as wrong:
        wrong.book(events.buy, "ACME", "30", "300", "10", settled=False)
    expected = [f"fill {fill}: moved 3000000000; expected: quantity 300000000"]

    assert expected == findings(desk, "units")
    assert [f"fill {fill}: charged 10000000; expected: commission 1000000"] == findings(desk, "fees")
    assert [f"fill {fill}: booked 300000000; expected: recomputed 30000000"] == findings(desk, "notional")

    desk.journal.reverse(wrong.number, day(1))
    with desk.booking(fill) as right:
        right.book(events.buy, "ACME", "3", "30", "1", settled=False)
    desk.settle(fill, "USD", "31")

    assert {check: [] for check in ALL} == {check: findings(desk, check) for check in ALL}


def test_a_fee_is_charged_once_and_in_the_currency_of_the_instrument(desk: Desk) -> None:
    desk.trade("CORK", "1", 10.0, "0.25")
    desk.trade("ACME", "1", 10.0, "-0.25")  # a rebate
    for charge in ("0", "0.5"):
        with desk.booking(desk.fill("CORK", "1", 10.0, "0.25")) as transaction:
            transaction.book(events.buy, "CORK", "1", "10", charge)
    with desk.booking(desk.fill("CORK", "1", 10.0, "0.25")) as transaction:
        transaction.book(events.buy, "CORK", "1", "10")
        transaction.transfer("Expenses:Commissions", "Assets:Cash:USD", "0.000025")

    assert [
        "fill 2: charged 0; expected: commission 25",
        "fill 3: charged 50; expected: commission 25",
        "fill 4: charged 0; expected: commission 25",
    ] == findings(desk, "fees")


@pytest.mark.parametrize(
    ("symbol", "quantity", "price", "gross", "performed"),
    [
        ("ACME", "3", 10.005, "30.015", "30.015"),
        ("ACME", "0.00000005", 10.0, "0", "0"),  # half a unit of money, to even
        ("ACME", "0.00000015", 10.0, "0.000002", "0.000002"),
        ("ACME", "0.00000015", 10.0, "0.000001", "0.000002"),
        ("ACME", "-3", 10.0, "30.000001", "30"),
        ("BOLT", "7", 20.0, "0", "140"),  # given away
        ("CORK", "0.5", 0.05, "0.02", "0.02"),  # 2.5 cents, to even
        ("CORK", "-0.5", 0.07, "0.03", "0.04"),
    ],
)
def test_the_money_of_a_fill_is_quantity_times_price_rounded_once(
    desk: Desk, symbol: str, quantity: str, price: float, gross: str, performed: str
) -> None:
    bought = not quantity.startswith("-")
    with desk.booking(desk.fill(symbol, quantity, price)) as transaction:
        event = events.buy if bought else events.short_sale
        transaction.book(event, symbol, quantity.removeprefix("-"), gross)
    money = desk.journal.commodities[1 if symbol == "CORK" else 0]
    sign = 1 if bought else -1
    units = [sign * money.units(amount) for amount in (gross, performed)]

    assert 1 == examined(desk, "notional")
    assert [
        f"fill 0: booked {units[0]}; expected: recomputed {units[1]}" for _ in [0] if gross != performed
    ] == findings(desk, "notional")


@pytest.mark.parametrize(
    ("symbol", "quantity", "price", "gross", "agrees"),
    [
        ("BOLT", "33", 3.0, "100", True),  # what is spent, and as many as that buys
        ("BOLT", "33", 3.0, "102", True),
        ("BOLT", "33", 3.0, "102.000001", False),
        ("BOLT", "33", 3.0, "95.999999", False),
        ("CORK", "333", 0.3, "100", False),
        ("CORK", "333.333", 0.3, "100", True),
        ("CORK", "333.333", 0.3, "100.01", False),  # a unit costs 0.03 cents
        ("ACME", "0.33333333", 300.0, "100", True),
        ("ACME", "0.33333333", 300.0, "100.000003", False),
    ],
)
def test_an_amount_that_is_given_agrees_within_the_price_of_one_unit(
    desk: Desk, symbol: str, quantity: str, price: float, gross: str, *, agrees: bool
) -> None:
    with desk.booking(desk.fill(symbol, quantity, price, basis=Basis.AMOUNT)) as transaction:
        transaction.book(events.buy, symbol, quantity, gross)

    assert agrees == (findings(desk, "notional") == [])


# --- settlement ------------------------------------------------------------------------------------------


def test_what_is_due_for_a_fill_is_paid_in_full_in_part_or_not_yet(desk: Desk) -> None:
    bought = desk.trade("ACME", "10", 10.0, "1", settled=False)
    sold = desk.trade("CORK", "-10", 10.0, "1", settled=False)
    desk.trade("ACME", "1", 10.0)

    assert [] == findings(desk, "settlement")
    assert 2 == examined(desk, "settlement")

    desk.settle(bought, "USD", "100")

    assert [] == findings(desk, "settlement")

    desk.settle(bought, "USD", "1")
    with desk.booking(sold) as transaction:
        transaction.book(events.receive_trades, "EUR", "99")
        transaction.book(events.restrict_proceeds, "CORK", "99")

    assert [] == findings(desk, "settlement")


def test_a_sale_that_its_fee_exceeds_is_settled_by_paying_the_rest(desk: Desk) -> None:
    desk.trade("BOLT", "1", 2.0)
    sold = desk.trade("BOLT", "-1", 2.0, "5", settled=False)

    assert [] == findings(desk, "settlement")

    desk.settle(sold, "USD", "-3")

    assert [] == findings(desk, "settlement")
    assert 0 == desk.journal.balance("Assets:Receivable:Trades")


def test_settlement_is_of_a_fill_and_never_more_than_it(desk: Desk) -> None:
    first = desk.trade("ACME", "10", 10.0, settled=False)
    second = desk.trade("ACME", "5", 10.0, settled=False)
    desk.settle(first, "USD", "110")
    desk.post(events.pay_trades, "USD", "40")
    sold = desk.trade("CORK", "-10", 10.0, settled=False)
    desk.settle(sold, "EUR", "-1")

    assert [
        f"fill {first}: Liabilities:Payable:Trades at 10000000; expected: from 0 to the -100000000 booked",
        f"fill {sold}: Assets:Receivable:Trades at 10100; expected: from 0 to the 10000 booked",
        "no fill: Liabilities:Payable:Trades at 40000000; expected: 0",
    ] == findings(desk, "settlement")
    assert second not in (first, sold)


def test_nothing_is_paid_that_is_not_due_though_there_is_cash(desk: Desk) -> None:
    desk.trade("ACME", "10", 10.0, settled=False)

    with pytest.raises(Overdraft, match="Liabilities:Payable:Trades in USD would be left at 1"):
        desk.settle(0, "USD", "101")
    assert Decimal(-100) == desk.journal.balance("Liabilities:Payable:Trades")


# --- leverage --------------------------------------------------------------------------------------------


def borrow(desk: Desk, currency: str, amount: str) -> None:
    desk.post(events.borrow, currency, amount)


def test_exposure_is_within_the_cap_in_the_currency_of_the_fill(desk: Desk) -> None:
    borrow(desk, "USD", "1500")
    desk.trade("ACME", "200", 10.0)

    assert [] == findings(desk, "leverage")

    # The dollars count for nothing in euros, where 1,000 is what there is, nor the euros in dollars.
    desk.trade("CORK", "100", 10.0)
    desk.mark(ACME=10.0, CORK=10.0)
    desk.today = 2

    assert [] == findings(desk, "leverage")

    desk.trade("BOLT", "1", 0.5)

    assert ["fill 2: gross 2000500000 on equity 1000000000; expected: at most 2.0 times"] == findings(
        desk, "leverage"
    )


def test_the_others_are_valued_at_their_last_mark(desk: Desk) -> None:
    borrow(desk, "USD", "1500")
    desk.trade("ACME", "100", 10.0)
    desk.mark(ACME=9.0)
    desk.today = 2
    desk.trade("BOLT", "90", 10.0)  # 1,800 on 900

    assert [] == findings(desk, "leverage")

    desk.trade("BOLT", "1", 10.0)

    assert ["fill 2: gross 1810000000 on equity 900000000; expected: at most 2.0 times"] == findings(
        desk, "leverage"
    )


def test_a_fill_at_the_moment_of_a_mark_may_have_been_before_it_or_after(desk: Desk) -> None:
    borrow(desk, "USD", "1500")
    desk.trade("ACME", "100", 10.0)
    desk.mark(ACME=10.0)
    desk.today = 2
    desk.trade("BOLT", "100", 10.0)  # at the open: 2,000 on 1,000 at the mark of the day before
    desk.mark(ACME=9.0, BOLT=10.0)

    assert [] == findings(desk, "leverage")

    desk.today = 3
    desk.trade("BOLT", "1", 10.0)
    desk.mark(ACME=9.0, BOLT=10.0)

    assert ["fill 2: gross 1910000000 on equity 900000000; expected: at most 2.0 times"] == findings(
        desk, "leverage"
    )


def test_short_sales_and_the_opening_part_of_a_reversal_add_exposure(desk: Desk) -> None:
    desk.trade("ACME", "-200", 10.0)
    desk.today = 2
    desk.trade("ACME", "1", 12.0)  # a loss, and an exposure past the cap: but it is reduced

    assert [] == findings(desk, "leverage")

    desk.today = 3
    desk.trade("ACME", "199", 11.0)
    desk.trade("BOLT", "10", 10.0)
    desk.trade("BOLT", "-15", 20.0)
    desk.trade("BOLT", "-150", 20.0)

    assert ["fill 5: gross 3100000000 on equity 899000000; expected: at most 2.0 times"] == findings(
        desk, "leverage"
    )


def test_a_position_turned_round_is_judged_though_it_shrinks(desk: Desk) -> None:
    borrow(desk, "USD", "1500")
    desk.trade("ACME", "200", 10.0)
    desk.today = 2
    desk.trade("ACME", "-390", 6.0)  # from 200 to -190, on 200

    assert ["fill 1: gross 1140000000 on equity 200000000; expected: at most 2.0 times"] == findings(
        desk, "leverage"
    )


def test_futures_are_exposure_and_no_equity(desk: Desk) -> None:
    with desk.booking(desk.fill("ES", "1", 40.0)) as transaction:
        transaction.book(events.futures_open, "ES", "1", "200")  # 50 a point: 2,000

    assert [] == findings(desk, "leverage")

    with desk.booking(desk.fill("ES", "0.001", 40.0)) as transaction:
        transaction.book(events.futures_open, "ES", "0.001", "1")

    assert ["fill 1: gross 2002000000 on equity 1000000000; expected: at most 2.0 times"] == findings(
        desk, "leverage"
    )


def test_a_run_without_a_cap_has_no_leverage_to_be_checked() -> None:
    desk = Desk()
    desk.deposit("USD", "1000")
    desk.post(events.borrow, "USD", "99000")
    desk.trade("ACME", "10000", 10.0)

    assert [] == findings(desk, "leverage")
    assert 0 == examined(desk, "leverage")
