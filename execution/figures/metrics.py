"""The figures by which a run is judged, computed from the rows of its journal and from nothing else.

A return is that of one statement on the one before it: equity then, over equity before plus what was put in
between (contributions, withdrawals, money exchanged for another currency's; the view `period`), less one.
Growth is the product of one plus each return, so it does not move with what is put in. Statements before the
first equity above zero are left out. A figure that is not defined, such as a Sharpe ratio from one statement,
is NaN; so is every figure of growth once nothing, or less, is left to earn a return on.

Money is exact, as the journal has it; ratios are float64. Trades count once closed, net of commission.
"""

import math
from decimal import Decimal

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from tieout.execution.figures.record import ENDS, FILLED, Floats, History
from tieout.ledger.books.commodity import EXACT

DAYS_A_YEAR = 365.25
NAN = float("nan")
NO_MONEY = Decimal("NaN")
NO_TIME = np.datetime64("NaT", "ns")

Moments = NDArray[np.datetime64]


@frozen
class Metrics:
    """The figures of a run in one currency. Periods are those between statements."""

    currency: str
    periods_per_year: float
    start: np.datetime64
    """The first statement; NaT where there is none."""
    end: np.datetime64
    """The last statement."""
    start_equity: Decimal
    end_equity: Decimal
    total_return: float
    """growth - 1"""
    cagr: float
    """growth ** (365.25 / calendar days from start to end) - 1"""
    volatility: float
    """sample standard deviation of the returns x sqrt(periods_per_year)"""
    sharpe: float
    """mean return / sample standard deviation of the returns x sqrt(periods_per_year); risk-free rate 0"""
    sortino: float
    """mean return / sqrt(mean of min(return, 0) ** 2 over all periods) x sqrt(periods_per_year)"""
    max_drawdown: float
    """minimum of growth so far / its maximum so far - 1: zero or below"""
    drawdown_start: np.datetime64
    """The last moment of the high before the maximum drawdown; NaT where growth never fell."""
    drawdown_bottom: np.datetime64
    """The first moment of its low."""
    calmar: float
    """cagr / -max_drawdown"""
    turnover: float
    """(bought + sold) / 2 / mean equity of the statements / (calendar days from start to end / 365.25)"""
    average_exposure: float
    """mean over the statements of gross market value / equity"""
    fills: int
    orders: dict[str, int]
    """How many ended in each way; those without an end as ``working``."""
    commission: Decimal
    """What was charged for the trades, open ones included, less rebates."""
    trades: int
    """Round trips that are closed."""
    open_trades: int
    win_rate: float
    """trades with net above zero / trades"""
    profit_factor: float
    """sum of net above zero / -(sum of net below zero)"""
    average_trade: float
    """mean net"""
    best_trade: Decimal
    """maximum net"""
    worst_trade: Decimal
    """minimum net"""
    expectancy: float
    """mean net / -(mean of net below zero): what a trade earns for each unit of money that a loser loses"""


@frozen
class _Record:
    """The statements of a currency from its first equity above zero on; money exact at both ends."""

    timestamp: Moments
    equity: Floats
    put_in: Floats
    exposure: Floats
    start_equity: Decimal
    end_equity: Decimal

    @property
    def years(self) -> float:
        """Calendar years from the first statement to the last."""
        if self.timestamp.size == 0:
            return 0.0
        return float((self.timestamp[-1] - self.timestamp[0]) / np.timedelta64(1, "D")) / DAYS_A_YEAR


@frozen
class _Trades:
    """Net of the closed trades; of all trades how many are open, their commission and notional."""

    net: Floats
    best: Decimal
    worst: Decimal
    still_open: int
    commission: Decimal
    notional: float


def metrics(history: History, currency: str = "USD", periods_per_year: float = 252.0) -> Metrics:
    """The figures of a run: ``metrics(History(journal))``.

    Raises `UnknownCommodity` where it has no such currency, and `ValueError` where *periods_per_year* is not
    a number above zero.
    """
    if not 0 < periods_per_year < math.inf:
        raise ValueError(f"periods_per_year is a number above zero, not {periods_per_year!r}")
    number = history.commodities.numbered(currency)
    record = _record(history, number)
    ended, fills = history.ends(number)
    orders = dict.fromkeys((FILLED, *ENDS.values()), 0) | ended
    closed = _trades(history, number)
    net = closed.net
    gains, losses = net[net > 0], net[net < 0]
    earned = returns(record.equity, record.put_in)
    grown = growth(record.equity, record.put_in)
    per_year = cagr(grown, record.years)
    fall, top, bottom = drawdown(grown)
    is_empty = record.timestamp.size == 0
    return Metrics(
        currency=currency,
        periods_per_year=periods_per_year,
        start=NO_TIME if is_empty else record.timestamp[0],
        end=NO_TIME if is_empty else record.timestamp[-1],
        start_equity=record.start_equity,
        end_equity=record.end_equity,
        total_return=float(grown[-1]) - 1 if grown.size > 1 else NAN,
        cagr=per_year,
        volatility=_deviation(earned) * math.sqrt(periods_per_year),
        sharpe=_ratio(_mean(earned), _deviation(earned)) * math.sqrt(periods_per_year),
        sortino=_ratio(_mean(earned), _downside(earned)) * math.sqrt(periods_per_year),
        max_drawdown=fall,
        drawdown_start=NO_TIME if top < 0 else record.timestamp[top],
        drawdown_bottom=NO_TIME if bottom < 0 else record.timestamp[bottom],
        calmar=_ratio(per_year, -fall),
        turnover=_ratio(_ratio(closed.notional / 2, _mean(record.equity)), record.years),
        average_exposure=_mean(record.exposure),
        fills=fills,
        orders=orders,
        commission=closed.commission,
        trades=net.size,
        open_trades=closed.still_open,
        win_rate=_ratio(gains.size, net.size),
        profit_factor=_ratio(float(gains.sum()), -float(losses.sum())),
        average_trade=_mean(net),
        best_trade=closed.best,
        worst_trade=closed.worst,
        expectancy=_ratio(_mean(net), -_mean(losses)),
    )


def returns(equity: Floats, put_in: Floats) -> Floats:
    """equity[t] / (equity[t - 1] + put_in[t]) - 1 for t from 1; NaN where there was nothing to earn on."""
    base = equity[:-1] + put_in[1:]
    earned: Floats = np.divide(equity[1:], base, out=np.full(base.size, NAN), where=base > 0) - 1
    return earned


def growth(equity: Floats, put_in: Floats) -> Floats:
    """The product of one plus the returns so far, 1 at the first statement."""
    if equity.size == 0:
        return equity
    base = equity[:-1] + put_in[1:]
    # Exactly equity over equity as long as nothing is put in: the product telescopes but for what is.
    kept = np.divide(equity[:-1], base, out=np.full(base.size, NAN), where=base > 0)
    grown: Floats = equity / equity[0] * np.concatenate(([1.0], np.cumprod(kept)))
    return grown


def cagr(grown: Floats, years: float) -> float:
    """grown[-1] ** (1 / years) - 1."""
    if grown.size < 2 or years <= 0 or not grown[-1] >= 0:  # noqa: PLR2004  of one statement there is no growth
        return NAN
    return math.pow(float(grown[-1]), 1 / years) - 1


def drawdown(grown: Floats) -> tuple[float, int, int]:
    """The deepest fall of *grown* from its highest so far, and where it began and ended (-1: nowhere)."""
    if grown.size < 2 or np.isnan(grown).any():  # noqa: PLR2004  as above
        return NAN, -1, -1
    highest = np.maximum.accumulate(grown)
    below = grown / highest - 1
    bottom = int(below.argmin())
    if below[bottom] == 0:
        return 0.0, -1, -1
    top = int(np.flatnonzero(grown[:bottom] == highest[bottom])[-1])
    return float(below[bottom]), top, bottom


def _record(history: History, currency: int) -> _Record:
    statements, things = history.statements, history.commodities
    own = np.flatnonzero(statements.currency == currency)
    above = np.flatnonzero(statements.equity[own] > 0)
    own = own[above[0] :] if above.size else own[:0]
    equity, one = statements.equity[own], things.one[currency]
    exposure = np.full(own.size, NAN)
    np.divide(history.stakes.gross[own], equity, out=exposure, where=equity != 0)
    scale = int(things.scale[currency])
    return _Record(
        timestamp=statements.timestamp[own],
        equity=equity / one,
        put_in=history.put_in[own] / one,
        exposure=exposure,
        start_equity=_decimal(equity[0], scale) if own.size else NO_MONEY,
        end_equity=_decimal(equity[-1], scale) if own.size else NO_MONEY,
    )


def _trades(history: History, currency: int) -> _Trades:
    things, trips = history.commodities, history.trips
    own = np.flatnonzero(things.currency[trips["instrument"]] == currency)
    is_open = trips["position"][own] != 0
    net = history.pnl[own[~is_open]]
    one, scale = things.one[currency], int(things.scale[currency])
    return _Trades(
        net=net / one,
        best=_decimal(net.max(), scale) if net.size else NO_MONEY,
        worst=_decimal(net.min(), scale) if net.size else NO_MONEY,
        still_open=int(is_open.sum()),
        commission=_decimal(sum(trips["commission"][own].tolist()), scale),
        notional=float((history.notional[own] / one).sum()),
    )


def _decimal(units: int, scale: int) -> Decimal:
    """The exact amount that *units* stand for."""
    return Decimal(int(units)).scaleb(-scale, EXACT)


def _ratio(numerator: float, denominator: float) -> float:
    return numerator / denominator if denominator else NAN


def _mean(values: Floats) -> float:
    return float(values.mean()) if values.size else NAN


def _deviation(values: Floats) -> float:
    return float(values.std(ddof=1)) if values.size > 1 else NAN


def _downside(values: Floats) -> float:
    return math.sqrt(_mean(np.minimum(values, 0) ** 2)) if values.size else NAN
