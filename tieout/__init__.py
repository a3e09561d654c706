"""tieout: backtests whose every figure is derived from a double-entry journal.

    from tieout import Backtest, CashAccount, Costs, PercentCommission, Strategy
    from tieout import Journal, buy, currency, deposit, instrument

Names are imported when they are first used: to read a journal, nothing is compiled.
"""

from importlib import import_module

TYPE_CHECKING = False
"""A type checker takes this to be true. Importing the module `typing` for it would take longer."""

_HOMES = {
    "Backtest": "execution.backtest",
    "Bar": "execution.strategy.strategy",
    "Bars": "execution.data.bars",
    "borrow": "ledger.books.events",
    "borrow_fee": "ledger.books.events",
    "borrow_fee_payment": "ledger.books.events",
    "Broker": "execution.strategy.broker",
    "buy": "ledger.books.events",
    "cash_in_lieu": "ledger.books.events",
    "CashAccount": "execution.models.accounts.cash",
    "Commodity": "ledger.books.commodity",
    "Costs": "execution.models.costs",
    "cover": "ledger.books.events",
    "currency": "ledger.books.commodity",
    "CustomCommission": "execution.models.commissions.custom",
    "delisting": "ledger.books.events",
    "deposit": "ledger.books.events",
    "dividend": "ledger.books.events",
    "dividend_on_short": "ledger.books.events",
    "dividend_on_short_payment": "ledger.books.events",
    "dividend_payment": "ledger.books.events",
    "fx_trade": "ledger.books.events",
    "ExecutionError": "execution.errors",
    "Fill": "execution.strategy.strategy",
    "perpetual_funding": "ledger.books.events",
    "futures_close": "ledger.books.events",
    "futures_open": "ledger.books.events",
    "Instrument": "execution.strategy.strategy",
    "instrument": "ledger.books.commodity",
    "Instruments": "execution.data.instruments",
    "InstrumentSpec": "execution.data.instruments",
    "interest": "ledger.books.events",
    "interest_payment": "ledger.books.events",
    "Journal": "ledger.journal",
    "Kind": "ledger.books.kinds",
    "LedgerError": "ledger.errors",
    "margin_interest": "ledger.books.events",
    "margin_interest_payment": "ledger.books.events",
    "Orders": "execution.strategy.programs",
    "pay_trades": "ledger.books.events",
    "PercentCommission": "execution.models.commissions.percent",
    "PercentSlippage": "execution.models.slippage.percent",
    "PerOrderCommission": "execution.models.commissions.per_order",
    "PerShareCommission": "execution.models.commissions.per_share",
    "Policies": "ledger.file.run",
    "Query": "ledger.file.query",
    "Reader": "ledger.file.reader",
    "Recording": "execution.recording",
    "receive_trades": "ledger.books.events",
    "Rejection": "execution.strategy.strategy",
    "repay": "ledger.books.events",
    "margin_requirement": "ledger.books.events",
    "restrict_proceeds": "ledger.books.events",
    "Result": "execution.result",
    "flip": "ledger.books.events",
    "Run": "ledger.file.run",
    "Schema": "ledger.file.schema",
    "sell": "ledger.books.events",
    "short_sale": "ledger.books.events",
    "Signals": "execution.strategy.programs",
    "Sizing": "execution.kernels.orders",
    "split": "ledger.books.events",
    "Strategy": "execution.strategy.strategy",
    "TargetWeights": "execution.strategy.programs",
    "UnlimitedAccount": "execution.models.accounts.unlimited",
    "valuation": "ledger.books.events",
    "variation_margin": "ledger.books.events",
    "withdrawal": "ledger.books.events",
}
"""The module of each public name."""

__all__ = [*_HOMES]  # noqa: PLE0604  names of the table above

if TYPE_CHECKING:
    from tieout.execution.backtest import Backtest as Backtest
    from tieout.execution.data.bars import Bars as Bars
    from tieout.execution.data.instruments import Instruments as Instruments
    from tieout.execution.data.instruments import InstrumentSpec as InstrumentSpec
    from tieout.execution.errors import ExecutionError as ExecutionError
    from tieout.execution.kernels.orders import Sizing as Sizing
    from tieout.execution.models.accounts.cash import CashAccount as CashAccount
    from tieout.execution.models.accounts.unlimited import UnlimitedAccount as UnlimitedAccount
    from tieout.execution.models.commissions.custom import CustomCommission as CustomCommission
    from tieout.execution.models.commissions.per_order import PerOrderCommission as PerOrderCommission
    from tieout.execution.models.commissions.per_share import PerShareCommission as PerShareCommission
    from tieout.execution.models.commissions.percent import PercentCommission as PercentCommission
    from tieout.execution.models.costs import Costs as Costs
    from tieout.execution.models.slippage.percent import PercentSlippage as PercentSlippage
    from tieout.execution.recording import Recording as Recording
    from tieout.execution.result import Result as Result
    from tieout.execution.strategy.broker import Broker as Broker
    from tieout.execution.strategy.programs import Orders as Orders
    from tieout.execution.strategy.programs import Signals as Signals
    from tieout.execution.strategy.programs import TargetWeights as TargetWeights
    from tieout.execution.strategy.strategy import Bar as Bar
    from tieout.execution.strategy.strategy import Fill as Fill
    from tieout.execution.strategy.strategy import Instrument as Instrument
    from tieout.execution.strategy.strategy import Rejection as Rejection
    from tieout.execution.strategy.strategy import Strategy as Strategy
    from tieout.ledger.books.commodity import Commodity as Commodity
    from tieout.ledger.books.commodity import currency as currency
    from tieout.ledger.books.commodity import instrument as instrument
    from tieout.ledger.books.events import borrow as borrow
    from tieout.ledger.books.events import borrow_fee as borrow_fee
    from tieout.ledger.books.events import borrow_fee_payment as borrow_fee_payment
    from tieout.ledger.books.events import buy as buy
    from tieout.ledger.books.events import cash_in_lieu as cash_in_lieu
    from tieout.ledger.books.events import cover as cover
    from tieout.ledger.books.events import delisting as delisting
    from tieout.ledger.books.events import deposit as deposit
    from tieout.ledger.books.events import dividend as dividend
    from tieout.ledger.books.events import dividend_on_short as dividend_on_short
    from tieout.ledger.books.events import dividend_on_short_payment as dividend_on_short_payment
    from tieout.ledger.books.events import dividend_payment as dividend_payment
    from tieout.ledger.books.events import flip as flip
    from tieout.ledger.books.events import futures_close as futures_close
    from tieout.ledger.books.events import futures_open as futures_open
    from tieout.ledger.books.events import fx_trade as fx_trade
    from tieout.ledger.books.events import interest as interest
    from tieout.ledger.books.events import interest_payment as interest_payment
    from tieout.ledger.books.events import margin_interest as margin_interest
    from tieout.ledger.books.events import margin_interest_payment as margin_interest_payment
    from tieout.ledger.books.events import margin_requirement as margin_requirement
    from tieout.ledger.books.events import pay_trades as pay_trades
    from tieout.ledger.books.events import perpetual_funding as perpetual_funding
    from tieout.ledger.books.events import receive_trades as receive_trades
    from tieout.ledger.books.events import repay as repay
    from tieout.ledger.books.events import restrict_proceeds as restrict_proceeds
    from tieout.ledger.books.events import sell as sell
    from tieout.ledger.books.events import short_sale as short_sale
    from tieout.ledger.books.events import split as split
    from tieout.ledger.books.events import valuation as valuation
    from tieout.ledger.books.events import variation_margin as variation_margin
    from tieout.ledger.books.events import withdrawal as withdrawal
    from tieout.ledger.books.kinds import Kind as Kind
    from tieout.ledger.errors import LedgerError as LedgerError
    from tieout.ledger.file.query import Query as Query
    from tieout.ledger.file.reader import Reader as Reader
    from tieout.ledger.file.run import Policies as Policies
    from tieout.ledger.file.run import Run as Run
    from tieout.ledger.file.schema import Schema as Schema
    from tieout.ledger.journal import Journal as Journal
else:
    # Hidden from a type checker, which would otherwise accept any name.
    def __getattr__(name: str) -> object:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(f"tieout.{_HOMES[name]}"), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
