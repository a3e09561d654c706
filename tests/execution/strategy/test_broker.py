"""Orders that a broker accepts or refuses, and its view of the account."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.support.stage import Acts, fills, market, orders, perform, perform_acts
from tieout import Bar, Broker, Instruments, Sizing, Strategy
from tieout.execution.errors import MalformedOrder

NAN = float("nan")
INF = float("inf")

TWO_STOCKS = """
    ACME  BOLT
    10    20
    10    20
    10    20
    10    20
"""


# --- what no market could mean ------------------------------------------------------------------------------


REFUSED: list[tuple[Callable[[Broker], Any], str]] = [
    (lambda b: b.buy("CORK", 1), "there is no instrument 'CORK'"),
    (lambda b: b.buy(["ACME"], 1), "there is no instrument ['ACME']"),  # type: ignore[arg-type]
    (lambda b: b.buy("ACME", 0), "ACME: a quantity of 0 is not above zero"),
    (lambda b: b.sell("ACME", -1), "ACME: a quantity of -1 is not above zero"),
    (lambda b: b.buy("ACME", NAN), "nan is not a number"),
    (lambda b: b.buy("ACME", INF), "inf is not a number"),
    (lambda b: b.buy("ACME", None), "None is not a number"),  # type: ignore[arg-type]
    (lambda b: b.buy("ACME", 1.5), "ACME: 1.5 is not a whole number of steps of 1"),
    (lambda b: b.buy("ACME", 1e-9), "ACME: a quantity of 1e-09 is not above zero"),
    (lambda b: b.buy("ACME", 1, limit=0), "ACME: limit 0 is not a price above zero"),
    (lambda b: b.buy("ACME", 1, limit=NAN), "nan is not a number"),
    (lambda b: b.buy("ACME", 1, limit="ten"), "'ten' is not a number"),
    (lambda b: b.sell("ACME", 1, stop=-3), "ACME: stop -3 is not a price above zero"),
    (lambda b: b.sell("ACME", 1, stop=INF), "inf is not a number"),
    (lambda b: b.buy("ACME", 1, limit=9, stop=11), "ACME: an order has a limit or a stop, not both"),
    (lambda b: b.buy("ACME", 1, price=9), "ACME: an order has no price"),
    (lambda b: b.buy("ACME", 1, tif="fok"), "ACME: tif 'fok' is neither gtc nor day"),
    (lambda b: b.buy("ACME", 1, tif="target"), "ACME: tif 'target' is for targets"),
    (lambda b: b.buy("ACME", 1, tag=7), "tag 7 is not text"),
    (
        lambda b: b.buy("ACME", 1, tag="\ud800"),
        r"'\ud800' holds the character '\ud800', which cannot be stored",
    ),
    (lambda b: b.buy("ACME", 1, tag=["x"]), "tag ['x'] is not text"),
    (lambda b: b.buy("ACME", 1, signal="high"), "'high' is not a number"),
    (lambda b: b.order_value("ACME", 0), "ACME: order size is zero"),
    (lambda b: b.order_value("ACME", NAN), "nan is not a number"),
    (lambda b: b.order_percent("ACME", 0.0), "ACME: order size is zero"),
    (lambda b: b.target_quantity("ACME", 0.5), "ACME: 0.5 is not a whole number of steps of 1"),
    (lambda b: b.target_percent("ACME", INF), "inf is not a number"),
    (
        lambda b: b.target_value("ACME", 100, limit=9),
        "ACME: a target is a market order, good for the next bar",
    ),
    (lambda b: b.target_value("ACME", 100, tif="gtc"), "ACME: a target is a market order, good for the next"),
    (lambda b: b.target_weights({"ACME": 0.5, "CORK": 0.5}), "there is no instrument 'CORK'"),
    (lambda b: b.target_weights({"ACME": NAN}), "nan is not a number"),
    (lambda b: b.target_weights({"ACME": "half"}), "'half' is not a number"),  # type: ignore[dict-item]
    (lambda b: b.target_weights(np.array([0.5])), "amounts are finite or NaN, one for each of 2 instruments"),
    (lambda b: b.target_weights(np.array([0.5, INF])), "amounts are finite or NaN"),
    (lambda b: b.order_vector(Sizing.QUANTITY, np.array([1.0, 0.0])), "BOLT: order size is zero"),
    (lambda b: b.order_vector(Sizing.QUANTITY, np.array([1.0, 1e-9])), "BOLT: order size is zero"),
    (
        lambda b: b.order_vector(Sizing.QUANTITY, np.array([1.0, 0.5])),
        "BOLT: 0.5 is not a whole number of st",
    ),
    (lambda b: b.order_vector(Sizing.VALUE, np.array([0.0, NAN])), "ACME: order size is zero"),
]


@pytest.mark.parametrize(("ask", "message"), REFUSED)
def test_a_malformed_order_is_refused_at_the_call_and_leaves_nothing(
    ask: Callable[[Broker], Any], message: str
) -> None:
    def attempt(_: Bar, broker: Broker) -> str:
        with pytest.raises(MalformedOrder) as caught:
            ask(broker)
        return str(caught.value)

    result, answers = perform_acts(market(TWO_STOCKS), {1: attempt})

    assert [message] == [text[: len(message)] for text in answers]
    assert [] == orders(result)


ASKS: list[Callable[[Broker], Any]] = [
    lambda b: b.buy("ACME", 1),
    lambda b: b.target_weights({"ACME": 0.5}),
    lambda b: b.order_vector(Sizing.QUANTITY, np.array([1.0, NAN])),
]


@pytest.mark.parametrize("ask", ASKS)
def test_nothing_can_be_ordered_before_the_first_bar_or_after_the_last(ask: Callable[[Broker], Any]) -> None:
    class Hasty(Strategy):
        def __init__(self) -> None:
            self._refused: list[str] = []

        def _attempt(self, broker: Broker) -> None:
            with pytest.raises(MalformedOrder, match="not in on_start, nor in on_end"):
                ask(broker)
            self._refused.append("refused")

        def on_start(self, broker: Broker) -> None:
            self._attempt(broker)

        def on_end(self, broker: Broker) -> None:
            self._attempt(broker)

    strategy = Hasty()
    result = perform(market(TWO_STOCKS), strategy)

    assert ["refused", "refused"] == strategy._refused
    assert [] == orders(result)


def test_a_quantity_far_too_large_is_rejected_with_a_reason() -> None:
    def ask(_: Bar, broker: Broker) -> None:
        broker.buy("ACME", 1e12)
        broker.target_quantity("BOLT", -1e300)

    result, _ = perform_acts(market(TWO_STOCKS), {1: ask})

    reasons = result.journal.sql(
        "select reason.name from order_event join reason on reason.id = reason order by order_event.id"
    ).rows()
    assert ["quantity_out_of_range", "quantity_out_of_range"] == [row["name"] for row in reasons]


# --- sizes --------------------------------------------------------------------------------------------------


# With 100 ACME held at 10 and 9,000 of cash: equity is 10,000.
SIZES: list[tuple[Callable[[Broker], Any], list[str]]] = [
    (lambda b: b.buy("ACME", 5), ["buy 5 ACME"]),
    (lambda b: b.sell("ACME", 5), ["sell 5 ACME"]),
    (lambda b: b.order_value("BOLT", 119.99), ["buy 5 BOLT"]),
    (lambda b: b.order_value("ACME", -119.99), ["sell 11 ACME"]),
    (lambda b: b.order_percent("BOLT", 0.1), ["buy 50 BOLT"]),
    (lambda b: b.target_quantity("ACME", 70), ["sell 30 ACME target"]),
    (lambda b: b.target_quantity("ACME", 100), []),
    (lambda b: b.target_quantity("BOLT", 0), []),
    (lambda b: b.target_value("ACME", 1_019), ["buy 1 ACME target"]),
    (lambda b: b.target_value("ACME", 981), ["sell 1 ACME target"]),
    (lambda b: b.target_value("ACME", 991), []),
    (lambda b: b.target_percent("BOLT", 0.5), ["buy 250 BOLT target"]),
    (lambda b: b.target_percent("ACME", 0.0), ["sell 100 ACME target"]),
    (lambda b: b.target_weights({"BOLT": 0.5}), ["sell 100 ACME target", "buy 250 BOLT target"]),
    (lambda b: b.target_weights({}), ["sell 100 ACME target"]),
    (lambda b: b.target_weights(np.array([NAN, 0.5])), ["buy 250 BOLT target"]),
    (lambda b: b.target_weights(np.array([NAN, NAN])), []),
    (lambda b: b.order_vector(Sizing.QUANTITY, np.array([-3.0, 4.0])), ["sell 3 ACME", "buy 4 BOLT"]),
    (lambda b: b.order_vector(Sizing.VALUE, np.array([NAN, 119.99])), ["buy 5 BOLT"]),
    (lambda b: b.order_vector(Sizing.TARGET_QUANTITY, np.array([70.0, 0.0])), ["sell 30 ACME target"]),
    (lambda b: b.order_vector(Sizing.TARGET_VALUE, np.array([1_019.0, NAN])), ["buy 1 ACME target"]),
]


@pytest.mark.parametrize(("ask", "expected"), SIZES)
def test_an_order_has_the_size_that_its_words_say(ask: Callable[[Broker], Any], expected: list[str]) -> None:
    result, _ = perform_acts(market(TWO_STOCKS), {0: lambda _, b: b.buy("ACME", 100), 1: lambda _, b: ask(b)})

    assert ["buy 100 ACME -> filled", *(f"{order} -> filled" for order in expected)] == orders(result)


def test_vectors_and_single_orders_are_submitted_in_the_order_of_the_calls() -> None:
    def ask(_: Bar, broker: Broker) -> None:
        broker.buy("BOLT", 1)
        broker.order_vector(Sizing.QUANTITY, np.array([2.0, 3.0]), signal=np.array([0.25, NAN]), tag="vector")
        broker.buy("ACME", 4, tag="single", signal=0.5)

    result, _ = perform_acts(market(TWO_STOCKS), {0: ask})

    expected = [
        f"buy {n} {symbol} -> filled" for n, symbol in ((1, "BOLT"), (2, "ACME"), (3, "BOLT"), (4, "ACME"))
    ]
    assert expected == orders(result)
    assert ["", "vector", "vector", "single"] == result.orders.sort("id")["tag"].to_list()
    assert [None, 0.25, None, 0.5] == result.orders.sort("id")["signal"].to_list()


def test_all_of_a_fraction_can_be_sold() -> None:
    """A float of 12345.67890123 is no whole number of hundred-millionths, to the last bit."""
    bars = market(TWO_STOCKS)

    result, answers = perform_acts(
        bars,
        {
            0: lambda _, b: b.buy("ACME", 12_345.67890123),
            1: lambda _, b: b.sell("ACME", b.position("ACME")),
            2: lambda _, b: b.positions,
        },
        cash="1000000",
        instruments=Instruments.fractional(),
    )

    assert ["buy 12345.67890123 ACME -> filled", "sell 12345.67890123 ACME -> filled"] == orders(result)
    assert {} == answers[-1]


def test_weights_sell_what_an_earlier_target_has_yet_to_buy() -> None:
    def ask(_: Bar, broker: Broker) -> None:
        broker.target_weights({"BOLT": 0.5})
        broker.target_weights({"ACME": 0.5})

    result, answers = perform_acts(market(TWO_STOCKS), {0: ask, 3: lambda _, b: b.positions})

    assert {"ACME": 500.0} == answers[-1]
    assert ["buy 250 BOLT", "buy 500 ACME", "sell 250 BOLT"] == [
        order.removesuffix(" target -> filled") for order in orders(result)
    ]


# --- the account --------------------------------------------------------------------------------------------


def test_the_account_is_what_the_books_say() -> None:
    def look(_: Bar, broker: Broker) -> tuple[Any, ...]:
        return (
            broker.cash,
            broker.equity,
            broker.position("ACME"),
            broker.position("BOLT"),
            broker.positions,
            broker.quantities.tolist(),
        )

    bars = market("""
        ACME   BOLT
        10     20
        11>12  20
        13     20
    """)
    result, answers = perform_acts(
        bars, {0: lambda _, b: (b.buy("ACME", 100), look(_, b))[1], 1: look, 2: look}
    )

    assert [
        (10_000.0, 10_000.0, 0.0, 0.0, {}, [0.0, 0.0]),
        (8_900.0, 10_100.0, 100.0, 0.0, {"ACME": 100.0}, [100.0, 0.0]),
        (8_900.0, 10_200.0, 100.0, 0.0, {"ACME": 100.0}, [100.0, 0.0]),
    ] == answers
    assert [10_000.0, 10_100.0, 10_200.0] == [float(equity) for equity in result.equity["equity"]]


def test_equity_moves_with_the_closes_from_the_fill_on() -> None:
    bars = market("ACME\n100\n101\n102\n103\n104")

    result, _ = perform_acts(bars, {0: lambda _, b: b.buy("ACME", 10)})

    assert [10_000.0, 10_000.0, 10_010.0, 10_020.0, 10_030.0] == [float(e) for e in result.equity["equity"]]


def test_a_position_in_an_unknown_instrument_is_refused() -> None:
    def look(_: Bar, broker: Broker) -> None:
        with pytest.raises(MalformedOrder, match="there is no instrument 'CORK'"):
            broker.position("CORK")

    perform_acts(market(TWO_STOCKS), {0: look, 1: look})


# --- working orders -----------------------------------------------------------------------------------------


def test_a_working_order_can_be_listed_cancelled_and_replaced() -> None:
    tickets: list[Any] = []

    def ask(_: Bar, broker: Broker) -> list[Any]:
        tickets.append(broker.buy("ACME", 5, limit=9))
        tickets.append(broker.sell("BOLT", 2, stop=15))
        return [tickets[1].number, *(str(order).split("(")[1] for order in broker.open_orders)]

    def change(_: Bar, broker: Broker) -> list[Any]:
        tickets.append(broker.buy("BOLT", 3, limit=19, replaces=tickets[1]))
        left = [(o.number, o.symbol, o.quantity, o.type, o.tif, o.limit) for o in broker.open_orders]
        return [left, broker.cancel(tickets[2]), broker.cancel(tickets[2]), broker.cancel(tickets[0])]

    result, answers = perform_acts(market(TWO_STOCKS), {0: ask, 1: change, 2: lambda _, b: b.open_orders})

    assert [
        [
            1,
            "number=0, symbol='ACME', type='limit', tif='gtc', quantity=5.0, limit=9.0, stop=nan)",
            "number=1, symbol='BOLT', type='stop', tif='gtc', quantity=-2.0, limit=nan, stop=15.0)",
        ],
        [[(0, "ACME", 5.0, "limit", "gtc", 9.0), (2, "BOLT", 3.0, "limit", "gtc", 19.0)], True, False, True],
        [],
    ] == answers
    assert [
        "buy 5 ACME limit 9 -> cancelled",
        "sell 2 BOLT stop 15 -> cancelled",
        "buy 3 BOLT limit 19 -> cancelled",
    ] == orders(result)
    assert [None, None, 1] == result.orders.sort("id")["replaces"].to_list()


def test_an_unknown_or_filled_order_cannot_be_cancelled() -> None:
    tickets: list[Any] = []

    def ask(_: Bar, broker: Broker) -> tuple[int, bool]:
        tickets.append(broker.buy("ACME", 5))
        no_order = broker.target_quantity("BOLT", 0)
        return no_order.number, broker.cancel(no_order)

    result, answers = perform_acts(
        market(TWO_STOCKS), {0: ask, 1: lambda _, b: (b.cancel(tickets[0]), b.cancel(99), b.cancel(-1))}
    )

    assert [(-1, False), (False, False, False)] == answers
    assert ["buy 5 ACME -> filled"] == orders(result)


def test_a_filled_order_cannot_be_replaced() -> None:
    tickets: list[Any] = []

    result, answers = perform_acts(
        market(TWO_STOCKS),
        {
            0: lambda _, b: tickets.append(b.buy("ACME", 5)),
            1: lambda _, b: b.buy("ACME", 9, replaces=tickets[0]).number,
        },
    )

    assert [None, -1] == answers
    assert ["buy 5 ACME -> filled"] == orders(result)


def test_an_order_of_another_instrument_cannot_be_replaced() -> None:
    def ask(_: Bar, broker: Broker) -> None:
        ticket = broker.buy("ACME", 5, limit=9)
        with pytest.raises(MalformedOrder, match="BOLT: order 0 is of another instrument"):
            broker.buy("BOLT", 1, replaces=ticket)

    result, _ = perform_acts(market(TWO_STOCKS), {0: ask})

    assert ["buy 5 ACME limit 9 -> open_at_the_end"] == orders(result)


def test_asking_twice_for_a_target_changes_nothing() -> None:
    def ask(_: Bar, broker: Broker) -> None:
        for ask_for in (broker.target_percent, broker.target_percent):
            ask_for("ACME", 0.5)
            broker.target_weights({"ACME": 0.5})

    result, _ = perform_acts(market(TWO_STOCKS), {0: ask, 1: ask})

    assert ["buy 500 ACME target -> filled"] == orders(result)
    assert ["1: +500 ACME @ 10"] == fills(result)


def test_a_target_repeated_at_every_bar_does_not_pile_up() -> None:
    def insist(_: Bar, broker: Broker) -> None:
        for _repetition in range(4):
            broker.target_quantity("ACME", 10)
            broker.target_quantity("BOLT", 5)

    # BOLT has no bar and ACME no volume for a while, so that targets have to wait.
    bars = market("ACME BOLT\n10 10\n10 -\n10*0 10\n10 -\n10 10\n10 10")
    result, answers = perform_acts(bars, dict.fromkeys(range(5), insist) | {5: lambda _, b: b.positions})

    assert {"ACME": 10.0, "BOLT": 5.0} == answers[-1]
    assert 15 == sum(int(fill.split("+")[1].split()[0]) for fill in fills(result))


def test_a_working_stop_or_limit_does_not_count_toward_a_target() -> None:
    def ask(_: Bar, broker: Broker) -> None:
        broker.buy("ACME", 100, limit=5)
        broker.target_quantity("ACME", 100)

    result, _ = perform_acts(market(TWO_STOCKS), {0: ask})

    assert ["buy 100 ACME limit 5 -> open_at_the_end", "buy 100 ACME target -> filled"] == orders(result)


def test_orders_in_reaction_to_a_fill_are_taken() -> None:
    class Protects(Acts):
        def on_fill(self, fill: Any, broker: Broker) -> None:
            if fill.quantity > 0:
                broker.sell(fill.symbol, fill.quantity, stop=0.9 * fill.price)

    bars = market("""
        ACME
        10
        10
        10>8
        8
    """)
    result = perform(bars, Protects({0: lambda _, b: b.buy("ACME", 5)}))

    assert ["1: +5 ACME @ 10", "2: -5 ACME @ 9"] == fills(result)
