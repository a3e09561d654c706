"""Backtrader's rules by hand. A line is a bar, its actions, its notices, and cash or value.

Prices are open, high, low and close. An order is named by its number, which counts actions from 0. Each case
holds for the imitation and for the package.
"""

import math
from typing import Any

import numpy as np

from tieout.ledger.moment import DAY
from tieout.validation.engines.backtrader.imitation import FullOutcome
from tieout.validation.engines.backtrader.scenario import (
    KINDS,
    TYPES,
    Action,
    Rules,
    Scenario,
    of_bars,
    table,
)

MONDAY = 17_532 * DAY
WORDS = {
    "at": "price",
    "limit": "plimit",
    "trail": "trailamount",
    "percent": "trailpercent",
    "valid": "valid",
    "of": "column",
    "oco": "other",
    "under": "parent",
    "order": "other",
}
VERBS = {
    **{kind: kind for kind in KINDS},
    "size": "order_target_size",
    "value": "order_target_value",
    "share": "order_target_percent",
}

Case = tuple[str, Rules, int]
"""Lines, rules, and bars a day."""


def case(lines: str, bars_a_day: int = 1, **rules: Any) -> Case:
    return lines, Rules(**rules), bars_a_day


def action(bar: int, words: str) -> Action:
    """`buy 100 Limit at 10 valid 2`: what is done, how many, how it is executed, and what else is said."""
    verb, *rest = words.split()
    arguments: dict[str, object] = {}
    if rest and rest[0][0].isdigit() | (rest[0][0] == "-"):
        arguments["size"] = float(rest.pop(0))
    if rest and rest[0] in TYPES:
        arguments["type"] = rest.pop(0)
    for word, number in zip(rest[::2], rest[1::2], strict=True):
        whole = word in {"of", "oco", "under", "order"}
        arguments[WORDS[word]] = int(number) if whole else float(number)
    return Action(bar, VERBS[verb], **arguments)  # type: ignore[arg-type]  # names and types as WORDS has them


def lines(case: Case) -> list[list[str]]:
    return [[part.strip() for part in line.split("|")] for line in case[0].strip().splitlines()]


def scenario(case: Case) -> Scenario:
    rows, rules, bars_a_day = lines(case), case[1], case[2]
    actions = [
        action(bar, words.strip())
        for bar, (_, orders, *_) in enumerate(rows)
        for words in orders.split(";")
        if words.strip()
    ]
    prices = np.array(
        [
            [
                [float(price) if price != "-" else math.nan for price in one.split()]
                for one in row[0].split("/")
            ]
            for row in rows
        ]
    )
    bars = {name: prices[:, :, place] for place, name in enumerate(("open", "high", "low", "close"))}
    timestamp = MONDAY + np.arange(len(rows)) * (DAY // bars_a_day)
    return of_bars(timestamp, bars, table(actions), rules)


def describe_bars(case: Case, followed: FullOutcome) -> list[list[str]]:
    """Write the notices of each bar as the case does, with cash, value or both as the case has them."""
    rows = lines(case)
    words_of_bars: list[list[str]] = [[] for _ in rows]
    fills = iter(followed.fills)
    for notice in followed.notices:
        if notice.status in {"Partial", "Completed"}:
            fill = next(fills)
            fee = f" fee {fill.fee:.8g}" if fill.fee else ""
            words_of_bars[notice.bar].append(f"{fill.order}: {fill.quantity:+.8g} @ {fill.price:.8g}{fee}")
        elif notice.status not in {"Submitted", "Accepted"}:
            words_of_bars[notice.bar].append(f"{notice.order}: {notice.status}")
    rows_of_bars = [
        [row[0], row[1], "; ".join(words)] for row, words in zip(rows, words_of_bars, strict=True)
    ]
    for bar, row in enumerate(rows):
        if len(row) > 3:
            name, _ = row[3].split()
            rows_of_bars[bar].append(f"{name} {getattr(followed, name)[bar]:.10g}")
    return rows_of_bars


CASES: dict[str, Case] = {
    "a market order fills at the next open, a sale too": case(
        """
        10 11  9 10 | buy 100  |                       | cash 10000
        11 12 10 12 | sell 100 | 0: +100 @ 11 fee 1.1  | cash 8898.9
        13 14 12 13 |          | 1: -100 @ 13 fee 1.3  | cash 10197.6
        """,
        commission=0.001,
    ),
    "an order whose fee cannot be paid is refused whole": case(
        """
        100 100 100 100 | buy 100 |
        100 100 100 100 |         | 0: Margin | cash 10000
        """,
        commission=0.001,
    ),
    "cash may be spent to the last bit": case(
        """
        100 100 100 100 | buy 100 |
        100 100 100 100 |         | 0: +100 @ 100 fee 10 | cash 0
        """,
        cash=10_010.0,
        commission=0.001,
    ),
    "what is sold first pays for what is bought next": case("""
        100 100 100 100 / 50 50 50 50 | buy 100            |
        100 100 100 100 / 50 50 50 50 | sell 100; buy 200 of 1 | 0: +100 @ 100 | cash 0
        100 100 100 100 / 50 50 50 50 |                    | 1: -100 @ 100; 2: +200 @ 50 | cash 0
        """),
    "a purchase before the sale that pays for it is refused": case("""
        100 100 100 100 / 50 50 50 50 | buy 100            |
        100 100 100 100 / 50 50 50 50 | buy 100 of 1; sell 100 | 0: +100 @ 100 | cash 0
        100 100 100 100 / 50 50 50 50 |                    | 1: Margin; 2: -100 @ 100 | cash 10000
        """),
    "a refused order keeps its cash, and so refuses a sale behind it": case("""
        100 100 100 100 / 50 50 50 50 | buy 60             |
        100 100 100 100 / 50 50 50 50 | buy 500 of 1; sell 60; buy 1 of 1 | 0: +60 @ 100 | cash 4000
        100 100 100 100 / 50 50 50 50 |                    | 1: Margin; 2: Margin; 3: Margin | cash 4000
        """),
    "sales bring the cash of the check back, and what follows is accepted": case("""
        100 100 100 100 / 50 50 50 50 | buy 100            |
        100 100 100 100 / 50 50 50 50 | buy 150 of 1; sell 100; buy 20 of 1 | 0: +100 @ 100 | cash 0
        100 100 100 100 / 50 50 50 50 |                    | 1: Margin; 2: -100 @ 100; 3: +20 @ 50 | cash 9000
        """),
    "a price given to a market order counts in the check alone": case("""
        100 100 100 100 | buy 100 at 101; buy 100 at 99 |
        100 100 100 100 |                               | 0: Margin; 1: Margin
        """),
    "without the check orders are refused where they fill": case(
        """
        100 100 100 100 / 50 50 50 50 | buy 60 ; buy 100 of 1; buy 80 of 1 |
        100 100 100 100 / 50 50 50 50 |                    | 0: +60 @ 100; 1: Margin; 2: +80 @ 50 | cash 0
        """,
        checksubmit=False,
    ),
    "a flip without enough cash closes, and is refused for the rest": case(
        """
        100 100 100 100 | sell 50 |
        100 100 100 100 | buy 250 | 0: -50 @ 100         | cash 15000
        100 100 100 100 |         | 1: +50 @ 100; 1: Margin | cash 10000
        """,
        checksubmit=False,
    ),
    "a short sale of any size is credited": case("""
        100 100 100 100 | sell 100000 |
        100 100 100 100 |             | 0: -100000 @ 100 | cash 10010000
        """),
    "closing is never refused, and cash falls below zero": case(
        """
        100 100 100 100 | sell 100 |
        100 100 100 100 |          | 0: -100 @ 100 | cash 20000
        500 500 500 500 | close    |               | value -30000
        500 500 500 500 | buy 1    | 1: +100 @ 500 | cash -30000
        500 500 500 500 |          | 2: Margin     | cash -30000
        """,
        checksubmit=False,
    ),
    "a limit fills at a better open, or where it is touched": case("""
        10 11  9 10 | buy 10 Limit at 9.5; buy 10 Limit at 8 |
         9 10 8.5 9 | sell 10 Limit at 9.5; sell 10 Limit at 11 | 0: +10 @ 9
        10 10.5 8 9 |           | 1: +10 @ 8; 2: -10 @ 10
        """),
    "a stop fills at the open beyond it, or where it is touched": case("""
        10 11  9 10 | buy 10 Stop at 10.5; sell 10 Stop at 9.5 |
        11 12  9 10 | buy 10 Stop at 12; sell 10 Stop at 9 | 0: +10 @ 11; 1: -10 @ 9.5
         8 12  8 10 |           | 2: +10 @ 12; 3: -10 @ 8
        """),
    "a stop-limit that the open triggers is a limit at once": case("""
        10 11  9 10 | buy 10 StopLimit at 10.5 limit 11 |
        11.5 12 10 11 |         | 0: +10 @ 11
        """),
    "triggered inside a falling bar it fills at a limit below the stop": case("""
        10 10 10 10 | buy 10 StopLimit at 11 limit 9.5; sell 10 StopLimit at 9 limit 9.5 |
        10 11  9  9 |           | 0: +10 @ 9.5 | cash 9905
        10 10 10 10 |           | 1: -10 @ 10
        """),
    "triggered inside a rising bar it waits for the next": case("""
        10 10 10 10 | buy 10 StopLimit at 11 limit 10.4; sell 10 StopLimit at 9 limit 10.4 |
        10 11  9 10.5 |         | 1: -10 @ 10.4
        10 10 10 10 |           | 0: +10 @ 10
        """),
    "a trailing stop follows closes and nothing else": case("""
        10 10 10 10 | buy 10 |
        10 10 10 10 | sell 10 StopTrail trail 2 | 0: +10 @ 10
        10 20 10 12 |           |
        12 12 10.5 11 |         |
        11 11 10 11 |           | 1: -10 @ 10
        """),
    "it may follow by a share of the price": case("""
        10 10 10 10 | sell 10 |
        10 10 10 10 | buy 10 StopTrail percent 0.25 | 0: -10 @ 10
        10 10 4 8   |           |
        8 9 8 9     |           |
        9 11 9 9    |           | 1: +10 @ 10
        """),
    "a trailing stop-limit takes its limit along": case("""
        10 10 10 10 | buy 10 |
        10 10 10 10 | sell 10 StopTrailLimit at 10 limit 9 trail 1 | 0: +10 @ 10
        12 12 12 12 |           |
        12 12 10.5 12 |         | 1: -10 @ 11
        """),
    "a close order fills at the close of the next day": case("""
        10 10 10 10 | buy 10 Close |
        11 13 10 12 |              | 0: +10 @ 12
        """),
    "within a day it fills at the day's last close, when the next has begun": case(
        """
        10 10 10 10 | buy 10 Close |
        11 11 11 11 |              |
        12 12 12 12 |              |
        13 13 13 13 |              |
        14 14 14 14 |              | 0: +10 @ 13
        """,
        bars_a_day=4,
    ),
    "cheating on the close fills at the close that it was decided at": case(
        """
        100 100 100 100 | buy 10 |
         90  98  90  95 |        | 0: +10 @ 100
        """,
        coc=True,
    ),
    "with slippage the next bar caps it": case(
        """
        100 100 100 100 | buy 10 |
         90  98  90  95 |        | 0: +10 @ 98
        """,
        coc=True,
        slip_perc=0.05,
    ),
    "cheating on the open fills at the open of the same bar": case(
        """
        10 10 10 10 |         |
        11 12 10 12 | buy 10  | 0: +10 @ 11
        12 13 12 13 | close   | 1: -10 @ 12
        """,
        coo=True,
    ),
    "slippage is capped by the bar": case(
        """
        100 100 100 100 | buy 10 |
        100 102  97 100 | sell 10 | 0: +10 @ 102
        100 102  97 100 |        | 1: -10 @ 97
        """,
        slip_perc=0.05,
    ),
    "or goes out of it": case(
        """
        100 100 100 100 | buy 10 |
        100 102  97 100 | sell 10 | 0: +10 @ 105
        100 102  97 100 |        | 1: -10 @ 95
        """,
        slip_perc=0.05,
        slip_out=True,
    ),
    "or keeps the order for another bar": case(
        """
        100 100 100 100 | buy 10 |
        100 102  97 100 |        |
        100 106  97 100 |        | 0: +10 @ 105
        """,
        slip_perc=0.05,
        slip_match=False,
    ),
    "or leaves opens alone": case(
        """
        100 100 100 100 | buy 10 |
        100 102  97 100 | sell 10 Stop at 99 | 0: +10 @ 100
        100 102  97 100 |        | 1: -10 @ 98
        """,
        slip_fixed=1.0,
        slip_open=False,
    ),
    "a limit slips no further than the limit": case(
        """
        100 100 100 100 | buy 10 Limit at 101; sell 10 Limit at 99.5 |
        100 102  97 100 |        | 0: +10 @ 101; 1: -10 @ 99.5
        """,
        slip_fixed=3.0,
        slip_match=False,
    ),
    "an order for the day never fills on days": case("""
        10 10 10 10 | buy 10 Limit at 10 valid 0; buy 10 valid 0 |
        10 10 10 10 |            | 0: Expired; 1: +10 @ 10
        """),
    "an order is good through the moment that it is valid until": case("""
        10 10 10 10 | buy 10 Limit at 9 valid 2; buy 10 Limit at 8 valid 2 |
        10 10 10 10 |            |
        10 10  9 10 |            | 0: +10 @ 9
         8  8  8  8 |            | 1: Expired
        """),
    "what was submitted at a bar cannot be cancelled at it": case("""
        10 10 10 10 | buy 10; cancel order 0 |
        10 10 10 10 |            | 0: +10 @ 10
        """),
    "without the check of the submission it can": case(
        """
        10 10 10 10 | buy 10; cancel order 0 |
        10 10 10 10 |            | 0: Canceled
        """,
        checksubmit=False,
    ),
    "one cancels the other, from the last to the first": case("""
        10 10 10 10 | buy 10 Limit at 9; buy 10 Limit at 8 oco 0; buy 10 Limit at 7 oco 1 |
        10 10 10 10 |            |
        10 10  7 10 |            | 0: +10 @ 9; 2: Canceled; 1: Canceled
        """),
    "to cancel one is to cancel all of them": case("""
        10 10 10 10 | buy 10 Limit at 9; buy 10 Limit at 8 oco 0 |
        10 10 10 10 | cancel order 1 |
        10 10  7 10 |            | 1: Canceled; 0: Canceled
        """),
    "a refused member ends its group, and those behind it stand alone": case("""
        10 10 10 10 | buy 10 Limit at 9; buy 9999 Limit at 8 oco 0; sell 9999 Limit at 12 oco 0 |
        10 10 10 10 |            | 1: Margin; 0: Canceled
        10 12 10 10 |            | 2: -9999 @ 12
        """),
    "who comes to a group that has ended is cancelled by one who outlived it": case(
        """
        10 10 10 10 | buy 10 Limit at 9; buy 9999 Limit at 8 oco 0; sell 9999 Limit at 12 oco 0 |
        10 10 10 10 | buy 10 Limit at 8 oco 0 | 1: Margin; 0: Canceled
        10 12 10 10 |            | 2: -9999 @ 12; 3: Canceled
        """
    ),
    "children count from the bar after their parent's": case("""
        10 10 10 10 | buy 10; sell 10 Stop at 9 under 0; sell 10 Limit at 11 under 0 |
        10 12  8 10 |            | 0: +10 @ 10
        10 12  8 10 |            | 1: -10 @ 9; 2: Canceled
        """),
    "a refused parent takes its children along": case("""
        10 10 10 10 | buy 1001; sell 1001 Stop at 9 under 0; sell 1001 Limit at 11 under 0 |
        10 12  8 10 |            | 0: Margin; 1: Rejected; 2: Rejected
        """),
    "a cancelled child takes its parent along": case("""
        10 10 10 10 | buy 10 Limit at 9; sell 10 Stop at 8 under 0; sell 10 Limit at 11 under 0 |
        10 10 10 10 | cancel order 2 |
        10 12  8 10 |            | 2: Canceled; 0: Canceled; 1: Canceled
        """),
    "a child that expires before its parent fills ends both": case("""
        10 10 10 10 | buy 10 Limit at 9; sell 10 Stop at 8 valid 1 under 0 |
        10 10 10 10 |            |
        10 10 10 10 |            | 1: Expired; 0: Canceled
         9  9  9  9 |            |
        """),
    "a target is whole units, rounded down": case("""
        10 10 10 10 | value 999  |
        10 10 10 10 | value 1000 | 0: +99 @ 10
        11 11 11 11 | share 0.5  | 1: +1 @ 11  | cash 8999
        11 11 11 11 |            | 2: +359 @ 11 | cash 5050
        """),
    "a share is of the value before, with short positions below zero": case("""
        50 50 50 50 | share -0.5 |
        50 50 50 50 | share 0.5  | 0: -100 @ 50 | cash 15000
        50 50 50 50 | share 0    | 1: +200 @ 50 | cash 5000
        50 50 50 50 |            | 2: -100 @ 50 | cash 10000
        """),
    "the quotient of a target is that of floats": case("""
        0.1 0.1 0.1 0.1 | value 10000 |
        0.1 0.1 0.1 0.1 |             | 0: +99999 @ 0.1
        """),
    "to trim sells or does nothing, to top up buys or does nothing": case("""
        10 10 10 10 | trim 0.5; top_up 0.5 |
        10 10 10 10 | top_up 0.2; trim 0.2 | 0: +500 @ 10
        10 10 10 10 | enter 5; size 200; size 150 | 1: -300 @ 10
        10 10 10 10 |            | 2: -50 @ 10
        """),
    "a commission for each unit": case(
        """
        10 10 10 10 | buy 100    |
        10 10 10 10 | sell 150   | 0: +100 @ 10 fee 2
        10 10 10 10 |            | 1: -150 @ 10 fee 3 | cash 10495
        """,
        commission=0.02,
        is_per_unit=True,
    ),
    "interest on what is short, at its average price, and once more in the commission": case(
        """
        10 10 10 10 | sell 100 |
        10 10 10 10 |          | 0: -100 @ 10 | cash 11000
        20 20 20 20 |          |              | cash 10999
        20 20 20 20 | close    |              | cash 10998
        20 20 20 20 |          | 1: +100 @ 20 fee 3 | cash 8997
        """,
        interest=0.365,
    ),
    "an instrument without a bar keeps its orders for its next one": case("""
        10 10 10 10 / 20 20 20 20 | buy 10 of 1 |
        10 10 10 10 /  -  -  -  - |             |
        10 10 10 10 / 22 22 22 23 |             | 0: +10 @ 22 | value 10010
        10 10 10 10 /  -  -  -  - |             |             | value 10010
        """),
}
