"""The package Backtrader on a scenario.

The feeds are filled from arrays at once. The strategy makes the calls of the actions in sequence, and records
all notices. The only change to the package is in the hook of its commissions for interest, which records the
charges.
"""

import datetime as dt
import math
from array import array
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from typing import Any

import backtrader as bt
import numpy as np

from tieout.ledger.moment import DAY
from tieout.validation.engines.backtrader.imitation import STATUSES, Credit, FullOutcome, Notice, refusals_of
from tieout.validation.engines.backtrader.scenario import KINDS, Rules, Scenario
from tieout.validation.engines.backtrader.tables import BUY, CANCEL, CLOSE, ENTER, SELL, TOP_UP, TRIM
from tieout.validation.foreign.outcome import Fill

_EPOCH = 719_163
"""1970-01-01 as Backtrader counts days."""
_TYPES = (
    bt.Order.Market,
    bt.Order.Close,
    bt.Order.Limit,
    bt.Order.Stop,
    bt.Order.StopLimit,
    bt.Order.StopTrail,
    bt.Order.StopTrailLimit,
)
_PRICE_ARGUMENTS = ("price", "plimit", "trailamount", "trailpercent")


def versions() -> dict[str, str]:
    """Return the version of each package."""
    return {"backtrader": version("backtrader")}


def run(scenario: Scenario) -> FullOutcome:
    """Return the outcome of a scenario in Backtrader."""
    rules = scenario.rules
    cerebro = bt.Cerebro(stdstats=False, cheat_on_open=rules.coo)
    commission_info = _RecordingCommission(**_commission(rules))
    broker = cerebro.broker
    broker.setcash(rules.cash)
    broker.addcommissioninfo(commission_info)
    _set(broker, rules)
    days = scenario.timestamp / DAY + _EPOCH
    panels = {"datetime": np.broadcast_to(days[:, None], scenario.close.shape), **scenario.bars}
    for column in range(scenario.columns):
        there = scenario.there[:, column]
        cerebro.adddata(_Feed(columns={name: panel[there, column] for name, panel in panels.items()}))
    cerebro.addstrategy(_ActionStrategy, scenario=scenario, commission_info=commission_info)
    (strategy,) = cerebro.run()
    outcome: FullOutcome = strategy.outcome()
    return outcome


def _commission(rules: Rules) -> Mapping[str, Any]:
    kind = bt.CommInfoBase.COMM_FIXED if rules.is_per_unit else bt.CommInfoBase.COMM_PERC
    return {
        "commission": rules.commission,
        "commtype": kind,
        "percabs": True,
        "stocklike": True,
        "interest": rules.interest,
        "interest_long": rules.interest_long,
    }


def _set(broker: Any, rules: Rules) -> None:
    broker.set_checksubmit(rules.checksubmit)
    broker.set_coc(rules.coc)
    broker.set_coo(rules.coo)
    broker.set_int2pnl(rules.int2pnl)
    slips = {name: getattr(rules, f"slip_{name}") for name in ("open", "limit", "match", "out")}
    options = {f"slip_{name}": value for name, value in slips.items()}
    if rules.slip_perc:
        broker.set_slippage_perc(rules.slip_perc, **options)
    else:
        broker.set_slippage_fixed(rules.slip_fixed, **options)


class _Feed(bt.feed.DataBase):  # type: ignore[misc]  # Backtrader has no types
    """A feed whose lines are columns by field."""

    params = (("columns", None),)

    def preload(self) -> None:
        """Fill the lines, and return to the position before the first row."""
        columns = self.p.columns
        empty = [math.nan] * len(columns["datetime"])
        for name in self.lines.getlinealiases():
            getattr(self.lines, name).array = array("d", columns.get(name, empty))
        self._last()
        self.home()


class _RecordingCommission(bt.CommInfoBase):  # type: ignore[misc]  # as above
    """A commission that records the interest that it charges, by feed."""

    def __init__(self) -> None:
        super().__init__()
        self.charges: list[tuple[Any, float]] = []

    def _get_credit_interest(self, data: Any, *arguments: Any) -> float:
        interest: float = super()._get_credit_interest(data, *arguments)
        self.charges.append((data, interest))
        return interest


class _ActionStrategy(bt.Strategy):  # type: ignore[misc]  # as above
    """A strategy that makes the calls of the actions, and records all notices."""

    params = (("scenario", None), ("commission_info", None))

    def __init__(self) -> None:
        scenario = self.p.scenario
        parent = scenario.actions["parent"]
        self.first = np.searchsorted(scenario.actions["bar"], np.arange(scenario.timestamp.size + 1)).tolist()
        self.is_parent = set(parent.tolist())
        # The last of a bracket transmits all of it. An order by itself is the last of one.
        family = np.where(parent >= 0, parent, np.arange(parent.size))
        self.is_last = (family != np.append(parent[1:], -1)).tolist()
        self.orders: list[Any] = [None] * scenario.actions.size
        self.number: dict[int, int] = {}  # by Backtrader's own number, which counts on from run to run
        self.columns: list[int] = []
        self.column = {id(data): column for column, data in enumerate(self.datas)}
        self.days = {moment: bar for bar, moment in enumerate((scenario.timestamp / DAY + _EPOCH).tolist())}
        self.fills: list[Fill] = []
        self.stamps: list[int] = []
        self.notices: list[Notice] = []
        self.credits: list[Credit] = []
        self.cash: list[float] = []
        self.value: list[float] = []
        self.coming = 0

    def notify_order(self, order: Any) -> None:
        """Record the status and the executions."""
        bar, number = len(self) - 1, self.number[order.ref]
        column = self.columns[number]
        for execution in order.executed.iterpending():
            self.fills.append(
                Fill(
                    bar, column, number, float(execution.size), float(execution.price), float(execution.comm)
                )
            )
            self.stamps.append(self.days[execution.dt])
        self.notices.append(Notice(bar, number, STATUSES[order.status]))

    def prenext(self) -> None:
        """Trade before every instrument has its first bar."""
        self.next()

    def next(self) -> None:
        """Record the account, then decide."""
        bar = len(self) - 1
        self.cash.append(self.broker.getcash())
        self.value.append(self.broker.getvalue())
        self.credits += [
            Credit(bar, self.column[id(data)], interest)
            for data, interest in self.p.commission_info.charges
            if interest
        ]
        self.p.commission_info.charges.clear()
        if not self.p.scenario.rules.coo:
            self.decide(bar)

    def prenext_open(self) -> None:
        """Trade before every instrument has its first bar, as `prenext` does."""
        self.next_open()

    def next_open(self) -> None:
        """Decide before the open of a bar."""
        if self.p.scenario.rules.coo:
            self.decide(self.coming)
        self.coming += 1

    def decide(self, bar: int) -> None:
        """Make the calls of a bar's actions."""
        first, last = self.first[bar : bar + 2]
        for row, action in enumerate(self.p.scenario.actions[first:last].tolist(), first):
            _, column, kind, how, amount, *numbers, other, parent = action
            if kind == CANCEL:
                if self.orders[other] is not None:
                    self.cancel(self.orders[other])
                continue
            data = self.datas[column]
            options = {"exectype": _TYPES[how], **dict(_options(numbers))}
            if other >= 0:
                options["oco"] = self.orders[other]
            if parent >= 0:
                options["parent"] = self.orders[parent]
            if parent >= 0 or row in self.is_parent:
                options["transmit"] = self.is_last[row]
            order = self.order_for(data, kind, amount, options)
            self.orders[row] = order
            if order is not None:
                self.number[order.ref] = len(self.columns)
                self.columns.append(column)

    def order_for(self, data: Any, kind: int, amount: float, options: dict[str, Any]) -> Any:
        """Make the order of an action, if it has one."""
        if kind == BUY:
            return self.buy(data, size=amount, **options)
        if kind == SELL:
            return self.sell(data, size=amount, **options)
        if kind == ENTER:
            return None if self.getposition(data).size else self.buy(data, size=amount, **options)
        if kind == CLOSE:
            return self.close(data, **options)
        if kind in {TRIM, TOP_UP}:
            value, target = self.broker.getvalue([data]), amount * self.broker.getvalue()
            is_order = target < value if kind == TRIM else target > value
            return self.order_target_percent(data, target=amount, **options) if is_order else None
        return getattr(self, KINDS[kind])(data, target=amount, **options)

    def outcome(self) -> FullOutcome:
        """Return all records as an outcome."""
        return FullOutcome(
            fills=self.fills,
            refusals=refusals_of(self.notices, self.columns),
            cash=np.array(self.cash),
            value=np.array(self.value),
            notices=self.notices,
            stamps=self.stamps,
            credits=self.credits,
        )


def _options(numbers: list[float]) -> Iterator[tuple[str, Any]]:
    """Yield the options of price, limit, trail and time that an action has."""
    *prices, days = numbers
    for name, number in zip(_PRICE_ARGUMENTS, prices, strict=True):
        if not math.isnan(number):
            yield name, number
    if not math.isnan(days):
        yield "valid", dt.timedelta(days=days) if days else bt.Order.DAY
