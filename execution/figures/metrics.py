"""Return, risk, cost and trade figures of a run, computed from the rows of its journal alone.

The record begins with the opening: what was paid in before the first statement. A period ends with the last
statement of a session, so that figures do not depend on how often was stated, or by request with each
statement. Its return is equity / (equity at the previous statement + net flow) - 1. The net flow is
contributions less withdrawals since that statement, currency exchange included (the view `period`). Growth is
the product of one plus each return, so a net flow does not move it.

Figures of a year follow the sessions of the data: the median number of sessions in a full calendar year. Of
data without a full year it is the nearest of 365, 252, 52, 12, 4 and 1 to the rate of the sessions.

A figure that does not exist is NaN, and `Metrics.missing` has the reason. Each figure stands by itself: after
a ruin the total return is there, and the Sharpe ratio is missing, because a period that begins with nothing
has no return. Returns that differ by no more than the rounding of money have no variance, and so no Sharpe
ratio.

Money is exact, as in the journal, and ratios are float64. Trades count once closed, net of commission.
"""

import math
from collections.abc import Iterator
from decimal import Decimal
from typing import Literal

import numpy as np
from attrs import evolve, frozen
from numpy.typing import NDArray

from tieout.execution.figures.history import END_STATUSES, FILLED, History
from tieout.ledger.books.commodity import EXACT
from tieout.ledger.numeric import Floats, Int64s

DAYS_A_YEAR = 365.25
NANOSECONDS_A_DAY = 86_400 * 10**9
SHORTEST_RECORD = 30
"""Calendar days below which there is no annual return."""
USUAL_SESSIONS = (365.0, 252.0, 52.0, 12.0, 4.0, 1.0)
"""Sessions a year of common data: every day, every trading day, week, month, quarter, year."""
_FIRST_WEEK, _LAST_WEEK = 7, 25
"""A calendar year is full from a session by 7 January to one from 25 December on."""
FLOAT_ROUNDING = 1e-12
"""Relative difference that the arithmetic of returns alone may bring about."""
NAN = float("nan")
NO_AMOUNT = Decimal("NaN")
NO_TIMESTAMP = np.datetime64("NaT", "ns")

Timestamps = NDArray[np.datetime64]


@frozen
class Metrics:
    """Figures of a run in one currency. A period is a session, or by request that between two statements."""

    currency: str
    periods_per_year: float
    """Median sessions a calendar year of the data, or what was asked for"""
    start: np.datetime64
    """Timestamp of the first contribution, NaT without a statement"""
    end: np.datetime64
    """Timestamp of the last statement"""
    start_equity: Decimal
    """What was paid in before the first statement"""
    end_equity: Decimal
    total_return: float
    """growth - 1, below -1 where debt is left"""
    cagr: float
    """growth ** (365.25 / calendar days from start to end) - 1, of 30 days or more"""
    volatility: float
    """sample standard deviation of the returns x sqrt(periods_per_year), 0 within the rounding of money"""
    sharpe: float
    """mean return / sample standard deviation of the returns x sqrt(periods_per_year), risk-free rate 0"""
    sortino: float
    """mean return / sqrt(mean of min(return, 0) ** 2 over all periods) x sqrt(periods_per_year)"""
    max_drawdown: float
    """minimum of growth / its maximum so far - 1: zero or below, and below -1 where debt is left"""
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
    ended: int
    """Number of positions that were closed at their last close because the instrument has no later bar"""
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
    """The equity curve of a currency from its opening on. Money is exact at both ends.

    The first point is the opening, without a net flow. Where nothing was paid in, it is the first statement
    above zero.
    """

    timestamp: Timestamps
    equity: Floats
    net_flows: Floats
    rounding: Floats
    """The most by which the rounding of its holdings to whole units may move each equity"""
    start_equity: Decimal
    end_equity: Decimal
    stated: Floats
    """Equity of the statements, one a period"""
    exposure: Floats
    """Gross market value / equity of the statements, NaN where equity is not above zero"""
    sessions: Int64s
    """Days since 1970 of the sessions that have a statement"""
    periods: int
    """Number of statements in these sessions that end a period"""

    @property
    def days(self) -> float:
        """Calendar days from the opening to the last statement."""
        if self.timestamp.size == 0:
            return 0.0
        # The whole range of times is longer than 64 bits of nanoseconds.
        first, last = (int(self.timestamp[place].astype(np.int64)) for place in (0, -1))
        return (last - first) / NANOSECONDS_A_DAY

    @property
    def years(self) -> float:
        """Calendar years from the opening to the last statement."""
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


def metrics(
    history: History,
    currency: str = "USD",
    periods_per_year: float | None = None,
    by: Literal["session", "bar"] = "session",
) -> Metrics:
    """Compute the figures of a run: ``metrics(History(journal))``.

    A period is a session, or with *by* ``"bar"`` the time between two statements. *periods_per_year* is by
    default that of the data. Raises `UnknownCommodity` for a currency that the journal does not have, and
    `ValueError` where *periods_per_year* is not a number above zero, or *by* is another text.
    """
    if periods_per_year is not None and not 0 < periods_per_year < math.inf:
        raise ValueError(f"periods_per_year is a number above zero, not {periods_per_year!r}")
    if by not in ("session", "bar"):
        raise ValueError(f"by is 'session' or 'bar', not {by!r}")
    number = history.commodities.currency_number(currency)
    curve = _curve(history, number, by)
    if periods_per_year is None:
        share = curve.periods / curve.sessions.size if curve.sessions.size else 1.0
        periods_per_year = sessions_per_year(curve.sessions) * share
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
        turnover=_ratio(_ratio(trades.notional / 2, max(_mean(curve.stated), 0.0)), curve.years),
        average_exposure=_mean(curve.exposure),
        fills=fills,
        orders=orders,
        ended=history.closings(number),
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
    points = curve.timestamp.size
    reasons = (
        (points == 0, "no statement", _OF_CURVE),
        (points == 1, "one statement", _OF_CURVE),
        (figures.trades == 0, "no trade", _OF_TRADES),
        (losses == 0, "no loss", _OF_TRADES),
        (points == 2, "one return", ("volatility", "sharpe")),  # noqa: PLR2004  two have one return
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
    """Compute the product of one plus the returns so far, 1 at the first point.

    It goes on below zero while nothing is paid in or out, and is NaN from a flow that meets a debt on.
    """
    if equity.size == 0:
        return equity
    base = equity[:-1] + net_flows[1:]
    # Without net flows this is exactly equity / equity[0]. A product of returns would round at each step.
    factors = np.divide(equity[:-1], base, out=np.full(base.size, NAN), where=base > 0)
    factors[net_flows[1:] == 0] = 1.0
    factors[(net_flows[1:] != 0) & (equity[:-1] < 0)] = NAN  # a gain would make a debt larger
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


def sessions_per_year(sessions: Int64s) -> float:
    """Return the sessions a year of data with *sessions*, in days since 1970, rising.

    The median over the full calendar years, or else the usual number that is nearest to their rate by ratio.
    Data of one session are taken for those of trading days.
    """
    if sessions.size < 2:  # noqa: PLR2004  one has no rate
        return 252.0
    days = sessions.astype("M8[D]")
    years = days.astype("M8[Y]")
    counts = []
    for year in np.unique(years):
        first, last = days[0], days[-1]
        begins = first < year.astype("M8[D]") + _FIRST_WEEK
        ends = last >= (year.astype("M8[M]") + 11).astype("M8[D]") + _LAST_WEEK - 1
        if begins and ends:
            counts.append(int(np.count_nonzero(years == year)))
    if counts:
        return float(np.median(counts))
    rate = (sessions.size - 1) / (int(sessions[-1] - sessions[0]) / DAYS_A_YEAR)
    return min(USUAL_SESSIONS, key=lambda usual: abs(math.log(usual / rate)))


def _curve(history: History, currency: int, by: str) -> _Curve:
    statements, commodities = history.statements, history.commodities
    rows = np.flatnonzero(statements.currency == currency)
    session = statements.session[rows].view(np.int64)
    is_last = np.ones(rows.size, bool)
    if by == "session":
        is_last[:-1] = session[1:] != session[:-1]
    # Of each period: its last statement, its flows, and the time of the first of these.
    begins = np.flatnonzero(np.concatenate(([True], is_last[:-1]))) if rows.size else rows
    flows, times = history.net_flows[rows], history.first_flows[rows]
    net_flows = np.add.reduceat(flows, begins) if rows.size else flows
    first_flows = np.fmin.reduceat(times, begins) if rows.size else times
    rows = rows[is_last]
    equity, one = statements.equity[rows], commodities.one[currency]
    base = np.concatenate(([0], equity[:-1])) + net_flows if rows.size else equity
    above = np.flatnonzero((base > 0) | (equity > 0))
    start = int(above[0]) if above.size else rows.size
    rows, equity, net_flows = rows[start:], equity[start:], net_flows[start:].copy()
    exposure = np.full(rows.size, NAN)
    positions = history.exposure.positions[rows]
    np.divide(history.exposure.gross[rows], equity, out=exposure, where=equity > 0)
    timestamp, points, holdings = statements.timestamp[rows], equity, positions
    if rows.size:
        net_flows[0] = 0
    if rows.size and base[start] > 0:
        timestamp = np.concatenate((first_flows[start : start + 1], timestamp))
        points, net_flows, holdings = (
            np.concatenate(([figure], values))
            for figure, values in ((base[start], equity), (0, net_flows), (0, positions))
        )
    scale = int(commodities.scale[currency])
    days = np.unique(statements.session[rows].astype("M8[D]").astype(np.int64))
    return _Curve(
        timestamp=timestamp,
        equity=points / one,
        net_flows=net_flows / one,
        rounding=np.maximum(holdings, 1) / 2 / one,
        start_equity=_decimal(points[0], scale) if rows.size else NO_AMOUNT,
        end_equity=_decimal(points[-1], scale) if rows.size else NO_AMOUNT,
        stated=equity / one,
        exposure=exposure,
        sessions=days,
        periods=rows.size,
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
