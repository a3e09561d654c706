"""The errors of transactions that posting refused, each with its remedy."""

from tieout.ledger import errors
from tieout.ledger.books.arithmetic import NO_AMOUNT
from tieout.ledger.books.arrays import Books, Status
from tieout.ledger.books.chart import Chart
from tieout.ledger.moment import iso


def refusal(status: Status, books: Books, chart: Chart, timestamp: int) -> errors.LedgerError:
    """Return the error for a transaction at *timestamp* that ended in *status*."""
    state = books.state[0]
    number, amount = int(state.account), int(state.amount)
    account = chart.name(number)
    quantity = f"{amount} units"
    if 0 <= number < len(chart):
        quantity = f"{chart.commodities[chart.accounts[number].commodity].decimal(amount).normalize():f}"
    match status:
        case Status.BACKDATED:
            return errors.BackdatedTransaction(
                f"{iso(number)} is before {iso(amount)}, the time of the last transaction"
            )
        case Status.EMPTY:
            return errors.EmptyTransaction(f"nothing is moved at {iso(timestamp)}")
        case Status.UNKNOWN_ACCOUNT:
            return errors.UnknownAccount(f"there is no account number {number}")
        case Status.NOT_POSITIVE:
            return errors.AmountNotPositive(f"{quantity} on {account}: give more than zero")
        case Status.SAME_ACCOUNT:
            return errors.SameAccount(f"{account} is both debited and credited {quantity}")
        case Status.COMMODITY_MISMATCH:
            return errors.CommodityMismatch(
                f"{account} and {chart.name(amount)}: post each commodity against its own"
                " counter-account, money through Trading:FX, units through Market"
            )
        case Status.OUT_OF_RANGE if amount == NO_AMOUNT:
            return errors.AmountOutOfRange(f"an amount for {account} does not fit into 64 bits")
        case Status.OUT_OF_RANGE:
            return errors.AmountOutOfRange(f"{quantity} takes {account} past 64 bits")
        case Status.OVERDRAFT:
            return errors.Overdraft(f"{account} would be left at {quantity}")
        case Status.INSUFFICIENT_LOTS:
            return errors.InsufficientLots(f"{account}: the open lots hold only {quantity}; give up no more")
        case Status.UNKNOWN_LOT:
            return errors.UnknownLot(f"lot {number} is not open on that side")
        case Status.LOT_NOT_NAMED:
            return errors.LotNotNamed(f"{account}: relief is specific, name the lot")
        case Status.OPPOSITE_POSITION:
            return errors.OppositePosition(f"{account} stands at {quantity}; close it first, or use flip")
        case _:
            return errors.LotsDisturbed(
                f"lot {number} would keep cost without units or fall below zero;"
                " reverse what it was used for first"
            )
