"""Return, risk, cost and trade figures of a run, computed from the rows of its journal alone.

The return of a period is equity / (equity at the previous statement + net flow) - 1. The net flow is
contributions less withdrawals since that statement, currency exchange included (the view `period`). Growth is
the product of one plus each return, so a net flow does not move it. Statements before the first equity above
zero are left out.

A figure that does not exist is NaN, and `Metrics.missing` has the reason: the Sharpe ratio of one statement,
or every figure of growth once no positive amount is left to earn a return on. Returns that differ by no more
than the rounding of money have no variance, and so no Sharpe ratio.

Money is exact, as in the journal, and ratios are float64. Trades count once closed, net of commission.
"""

import math
from collections.abc import Iterator
from decimal import Decimal

import numpy as np
from attrs import evolve, frozen
from numpy.typing import NDArray

from tieout.execution.figures.history import END_STATUSES, FILLED, History
from tieout.ledger.books.commodity import EXACT
from tieout.ledger.numeric import Floats

DAYS_A_YEAR = 365.25
NANOSECONDS_A_DAY = 86_400 * 10**9
SHORTEST_RECORD = 30
"""Calendar days below which there is no annual return."""
FLOAT_ROUNDING = 1e-12
"""Relative difference that the arithmetic of returns alone may bring about."""
NAN = float("nan")
NO_AMOUNT = Decimal("NaN")
NO_TIMESTAMP = np.datetime64("NaT", "ns")

Timestamps = NDArray[np.datetime64]


@frozen
class Metrics:
    """Figures of a run in one currency. A period is the time between two statements."""

    currency: str
    periods_per_year: float
    start: np.datetime64
    """Timestamp of the first statement, NaT without one"""
    end: np.datetime64
    """Timestamp of the last statement"""
    start_equity: Decimal
    end_equity: Decimal
    total_return: float
    """growth - 1"""
    cagr: float
    """growth ** (365.25 / calendar days from start to end) - 1, of 30 days or more"""
    volatility: float
    """sample standard deviation of the returns x sqrt(periods_per_year), 0 within the rounding of money"""
    sharpe: float
    """mean return / sample standard deviation of the returns x sqrt(periods_per_year), risk-free rate 0"""
    sortino: float
    """mean return / sqrt(mean of min(return, 0) ** 2 over all periods) x sqrt(periods_per_year)"""
    max_drawdown: float
    """minimum of growth / its maximum so far - 1: zero or below"""
    drawdown_start: np.datetime64
    """Timestamp of the last high before the maximum drawdown, NaT where growth never fell"""
    drawdown_bottom: np.datetime64
    """Timestamp of its first low"""
    calmar: float
    """cagr / -max_drawdown"""
    turnover: float
    """(bought + sold) / 2 / mean equity of the statements / (calendar days from start to end / 365.25)"""
    average_exposure: float
    """mean over the statements of gross market value / equity"""
    fills: int
    orders: dict[str, int]
    """Number of orders by status. An order without a final status is ``working``."""
    commission: Decimal
    """Commissions of all trades, open ones included, less rebates"""
    trades: int
    """Number of closed round trips"""
    open_trades: int
    win_rate: float
    """trades with P&L above zero / trades. P&L is net of commission."""
    profit_factor: float
    """sum of P&L above zero / -(sum of P&L below zero)"""
    average_trade: float
    """mean P&L"""
    best_trade: Decimal
    """maximum P&L"""
    worst_trade: Decimal
    """minimum P&L"""
    expectancy: float
    """mean P&L / -(mean of P&L below zero): the gain per trade for each unit of money that a loser loses"""
    missing: dict[str, str]
    """The reason for each figure that does not exist, by the name of its field"""

    def text(self, name: str, form: str) -> str:
        """Return a figure in the format *form*, or the reason why it does not exist."""
        return self.missing.get(name) or format(getattr(self, name), form)


@frozen
class _Curve:
    """The equity curve of a currency from its first equity above zero on. Money is exact at both ends."""

    timestamp: Timestamps
    equity: Floats
    net_flows: Floats
    exposure: Floats
    rounding: Floats
    """The most by which the rounding of its holdings to whole units may move each equity"""
    start_equity: Decimal
    end_equity: Decimal

    @property
    def days(self) -> float:
        """Calendar days from the first statement to the last."""
        if self.timestamp.size == 0:
            return 0.0
        # The whole range of times is longer than 64 bits of nanoseconds.
        first, last = (int(self.timestamp[place].astype(np.int64)) for place in (0, -1))
        return (last - first) / NANOSECONDS_A_DAY

    @property
    def years(self) -> float:
        """Calendar years from the first statement to the last."""
        return self.days / DAYS_A_YEAR

    @property
    def is_ruined(self) -> bool:
        """Check whether everything was lost, or a period began with nothing to earn a return on."""
        return bool(np.any(self.equity <= 0) or np.any(self.equity[:-1] + self.net_flows[1:] <= 0))


@frozen
class _Trades:
    """P&L of the closed trades. The count of open trades, and commission and notional of all."""

    pnl: Floats
    best: Decimal
    worst: Decimal
    open_count: int
    commission: Decimal
    notional: float


def metrics(history: History, currency: str = "USD", periods_per_year: float = 252.0) -> Metrics:
    """Compute the figures of a run: ``metrics(History(journal))``.

    Raises `UnknownCommodity` for a currency that the journal does not have, and `ValueError` where
    *periods_per_year* is not a number above zero.
    """
    if not 0 < periods_per_year < math.inf:
        raise ValueError(f"periods_per_year is a number above zero, not {periods_per_year!r}")
    number = history.commodities.currency_number(currency)
    curve = _curve(history, number)
    counts, fills = history.order_counts(number)
    orders = dict.fromkeys((FILLED, *END_STATUSES.values()), 0) | counts
    trades = _trades(history, number)
    pnl = trades.pnl
    gains, losses = pnl[pnl > 0], pnl[pnl < 0]
    rates = returns(curve.equity, curve.net_flows)
    index = growth(curve.equity, curve.net_flows)
    noise = _noise(curve)
    deviation = _deviation(rates, noise)
    per_year = cagr(index, curve.days)
    depth, top, bottom = drawdown(index)
    is_empty = curve.timestamp.size == 0
    figures = Metrics(
        currency=currency,
        periods_per_year=periods_per_year,
        start=NO_TIMESTAMP if is_empty else curve.timestamp[0],
        end=NO_TIMESTAMP if is_empty else curve.timestamp[-1],
        start_equity=curve.start_equity,
        end_equity=curve.end_equity,
        total_return=float(index[-1]) - 1 if index.size > 1 else NAN,
        cagr=per_year,
        volatility=deviation * math.sqrt(periods_per_year),
        sharpe=_ratio(_mean(rates), deviation) * math.sqrt(periods_per_year),
        sortino=_ratio(_mean(rates), _downside(rates, noise)) * math.sqrt(periods_per_year),
        max_drawdown=depth,
        drawdown_start=NO_TIMESTAMP if top < 0 else curve.timestamp[top],
        drawdown_bottom=NO_TIMESTAMP if bottom < 0 else curve.timestamp[bottom],
        calmar=_ratio(per_year, 0.0 if -depth <= noise else -depth),
        turnover=_ratio(_ratio(trades.notional / 2, _mean(curve.equity)), curve.years),
        average_exposure=_mean(curve.exposure),
        fills=fills,
        orders=orders,
        commission=trades.commission,
        trades=pnl.size,
        open_trades=trades.open_count,
        win_rate=_ratio(gains.size, pnl.size),
        profit_factor=_ratio(float(gains.sum()), -float(losses.sum())),
        average_trade=_mean(pnl),
        best_trade=trades.best,
        worst_trade=trades.worst,
        expectancy=_ratio(_mean(pnl), -_mean(losses)),
        missing={},
    )
    return evolve(figures, missing=dict(_missing(figures, curve, losses.size)))


_OF_CURVE = (
    "start_equity", "end_equity", "total_return", "cagr", "volatility", "sharpe", "sortino", "max_drawdown",
    "calmar", "turnover", "average_exposure",
)  # fmt: skip
_OF_TRADES = ("win_rate", "profit_factor", "average_trade", "best_trade", "worst_trade", "expectancy")


def _missing(figures: Metrics, curve: _Curve, losses: int) -> Iterator[tuple[str, str]]:
    """Yield each figure that does not exist, with the first reason that applies."""
    statements = curve.timestamp.size
    reasons = (
        (statements == 0, "no statement", _OF_CURVE),
        (statements == 1, "one statement", _OF_CURVE),
        (figures.trades == 0, "no trade", _OF_TRADES),
        (losses == 0, "no loss", _OF_TRADES),
        (statements == 2, "one return", ("volatility", "sharpe")),  # noqa: PLR2004  two have one return
        (curve.is_ruined, "ruin", _OF_CURVE),
        (curve.days < SHORTEST_RECORD, "less than 30 days", ("cagr", "calmar")),
        (curve.days == 0, "one moment", ("turnover",)),
        (figures.volatility == 0, "no variance", ("sharpe",)),
        (figures.total_return < math.inf, "no loss", ("sortino",)),
        (figures.cagr < math.inf, "no drawdown", ("calmar",)),
        (True, "out of range", _OF_CURVE),
    )
    for name in _OF_CURVE + _OF_TRADES:
        if math.isnan(getattr(figures, name)):
            yield name, next(reason for applies, reason, names in reasons if applies and name in names)


def returns(equity: Floats, net_flows: Floats) -> Floats:
    """Compute equity[t] / (equity[t - 1] + net_flows[t]) - 1 for t >= 1, NaN unless the base is positive."""
    base = equity[:-1] + net_flows[1:]
    rates: Floats = np.divide(equity[1:], base, out=np.full(base.size, NAN), where=base > 0) - 1
    return rates


def growth(equity: Floats, net_flows: Floats) -> Floats:
    """Compute the product of one plus the returns so far, 1 at the first statement."""
    if equity.size == 0:
        return equity
    base = equity[:-1] + net_flows[1:]
    # Without net flows this is exactly equity / equity[0]. A product of returns would round at each step.
    factors = np.divide(equity[:-1], base, out=np.full(base.size, NAN), where=base > 0)
    with np.errstate(over="ignore", invalid="ignore"):  # what float64 does not hold is no figure
        index: Floats = equity / equity[0] * np.concatenate(([1.0], np.cumprod(factors)))
    return np.where(np.isfinite(index), index, NAN)


def cagr(index: Floats, days: float) -> float:
    """Compute index[-1] ** (365.25 / days) - 1 of a growth index.

    NaN for less than 30 days, after a loss of everything, and where float64 does not hold the figure.
    """
    if index.size < 2 or days < SHORTEST_RECORD or not index[-1] > 0:  # noqa: PLR2004  one has no growth
        return NAN
    try:
        return math.pow(float(index[-1]), DAYS_A_YEAR / days) - 1
    except OverflowError:
        return NAN


def drawdown(index: Floats) -> tuple[float, int, int]:
    """Return the maximum drawdown of a growth index, and the places of its high and its low (-1 for none)."""
    if index.size < 2 or np.isnan(index).any():  # noqa: PLR2004  as above
        return NAN, -1, -1
    highest = np.maximum.accumulate(index)
    depths = index / highest - 1
    bottom = int(depths.argmin())
    if depths[bottom] == 0:
        return 0.0, -1, -1
    top = int(np.flatnonzero(index[:bottom] == highest[bottom])[-1])
    return float(depths[bottom]), top, bottom


def _curve(history: History, currency: int) -> _Curve:
    statements, commodities = history.statements, history.commodities
    rows = np.flatnonzero(statements.currency == currency)
    above = np.flatnonzero(statements.equity[rows] > 0)
    rows = rows[above[0] :] if above.size else rows[:0]
    equity, one = statements.equity[rows], commodities.one[currency]
    exposure = np.full(rows.size, NAN)
    positions = history.exposure.positions[rows]
    np.divide(history.exposure.gross[rows], equity, out=exposure, where=equity != 0)
    scale = int(commodities.scale[currency])
    return _Curve(
        timestamp=statements.timestamp[rows],
        equity=equity / one,
        net_flows=history.net_flows[rows] / one,
        exposure=exposure,
        rounding=np.maximum(positions, 1) / 2 / one,
        start_equity=_decimal(equity[0], scale) if rows.size else NO_AMOUNT,
        end_equity=_decimal(equity[-1], scale) if rows.size else NO_AMOUNT,
    )


def _trades(history: History, currency: int) -> _Trades:
    commodities, trips = history.commodities, history.round_trips
    rows = np.flatnonzero(commodities.currency[trips["instrument"]] == currency)
    is_open = trips["position"][rows] != 0
    pnl = history.pnl[rows[~is_open]]
    one, scale = commodities.one[currency], int(commodities.scale[currency])
    return _Trades(
        pnl=pnl / one,
        best=_decimal(pnl.max(), scale) if pnl.size else NO_AMOUNT,
        worst=_decimal(pnl.min(), scale) if pnl.size else NO_AMOUNT,
        open_count=int(is_open.sum()),
        commission=_decimal(sum(trips["commission"][rows].tolist()), scale),
        notional=float((history.notional[rows] / one).sum()),
    )


def _decimal(units: int, scale: int) -> Decimal:
    """Convert units to an exact amount."""
    return Decimal(int(units)).scaleb(-scale, EXACT)


def _ratio(numerator: float, denominator: float) -> float:
    """Divide. NaN where the denominator is zero, or float64 does not hold the quotient."""
    quotient = numerator / denominator if denominator else NAN
    return quotient if math.isfinite(quotient) else NAN


def _mean(values: Floats) -> float:
    return float(values.mean()) if values.size else NAN


def _noise(curve: _Curve) -> float:
    """Return the most by which rounding alone may move a return, as a distance from its true value."""
    base = curve.equity[:-1] + curve.net_flows[1:]
    if not base.size or not np.all(base > 0):
        return 0.0
    grown = np.abs(curve.equity[1:]) / base
    moved = (curve.rounding[1:] + curve.rounding[:-1] * grown) / base
    return float(np.max(moved + FLOAT_ROUNDING * grown))


def _deviation(values: Floats, noise: float) -> float:
    """Compute the sample standard deviation, 0 if rounding alone may explain the spread."""
    if values.size < 2:  # noqa: PLR2004  one value has none
        return NAN
    return 0.0 if np.ptp(values) <= 2 * noise else float(values.std(ddof=1))


def _downside(values: Floats, noise: float) -> float:
    """Compute the root of the mean square below zero. A loss within rounding is none."""
    losses = np.where(values >= -noise, 0, values)  # NaN stays
    return math.sqrt(_mean(losses**2)) if values.size else NAN
