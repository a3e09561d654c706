"""Compiled folds of the journal's rows: round trips, and the exposure at each statement.

They work on plain columns, in exact integers. A sum that may exceed 64 bits is kept as two parts, and the
*high* one counts 2**31. Neither part overflows, for as many amounts as a journal can have. The views `trade`,
`exposure` and `period` compute the same in SQL.
"""

from typing import Any, NamedTuple

import numpy as np

from tieout.execution.kernels.compiled import entry, inlined, shared
from tieout.ledger.books.arithmetic import NO_AMOUNT, less, notional, share
from tieout.ledger.numeric import Int32s, Int64s

Rows = Any
"""A numpy recarray of one of the types below."""
Row = Any

ROUND_TRIP = np.dtype(
    [
        ("instrument", "i8"),
        ("opened", "i8"),  # timestamp
        ("last_move", "i8"),  # timestamp at which units moved last
        ("position", "i8"),  # at the end
        ("side", "i8"),
        ("quantity", "i8"),  # the largest position, without sign
        ("realized_pnl", "i8"),
        ("commission", "i8"),
        ("bought_high", "i8"),
        ("bought_low", "i8"),
        ("sold_high", "i8"),
        ("sold_low", "i8"),
        ("units_bought_high", "i8"),
        ("units_bought_low", "i8"),
        ("units_sold_high", "i8"),
        ("units_sold_low", "i8"),
        ("has_cost", "i8"),
        ("next", "i8"),  # the instrument's next trip, -1 for none
        ("part", "i8"),  # its first part of the charge being shared, -1 for none
        ("marks", "i8"),  # number of marks while it was open
        ("highest", "f8"),
        ("lowest", "f8"),
    ]
)
"""A round trip of one instrument, from flat to flat."""
PROGRESS = np.dtype(
    [
        ("position", "i8"),
        ("first", "i8"),  # trip, -1 for none
        ("trip", "i8"),  # the last one, -1 for none
        ("split_part", "i8"),  # part whose units a split moved, -1 for none
        ("split_units", "i8"),  # the number of these units
    ]
)
"""State of an instrument while its trips are folded."""
PART = np.dtype([("cause", "i8"), ("trip", "i8"), ("units", "i8")])
"""Part of a trip: the units that one transaction traded, without sign."""
AMOUNT = np.dtype([("cause", "i8"), ("commodity", "i8"), ("amount", "i8")])
"""An amount of a commodity in a transaction: a charge, a net flow, or a move in lots."""
TXN = np.dtype([("timestamp", "i8"), ("cause", "i8"), ("instrument", "i4"), ("trait", "i4")])
"""A transaction. Its *cause* is its fill, or a unique number below -1 where it has none."""
ACCOUNT = np.dtype([("instrument", "i4"), ("commodity", "i4"), ("trait", "i4")])
COMMODITY = np.dtype(
    [
        ("currency", "i8"),
        ("multiplier", "f8"),  # this and the ratio are the factors of a notional
        ("ratio", "f8"),
        ("position", "i8"),
        ("statement", "i8"),  # at which it was marked last, -1 for none
        ("charge", "i8"),  # of a currency: the charge being shared,
        ("units", "i8"),  # by so many units,
        ("served_units", "i8"),  # of which these have their share,
        ("served_charge", "i8"),  # so much of the charge
    ]
)
"""A commodity, and its state while statements are valued and charges shared."""
MARK = np.dtype([("timestamp", "i8"), ("price", "f8"), ("instrument", "i8")])
EXPOSURE = np.dtype(
    [
        ("txn", "i8"),  # the last that the statement covers
        ("currency", "i8"),
        ("begin", "i8"),  # marks of its timestamp
        ("end", "i8"),
        ("long", "i8"),
        ("short", "i8"),
        ("positions", "i8"),
    ]
)
"""Market values of the positions at a statement, and the number of positions."""

# Traits of an account: it holds units, a cost, realized P&L, variation margin, commissions, external capital.
UNITS, COST, REALIZED, VARIATION, COMMISSION, CAPITAL = (1 << bit for bit in range(6))
# Traits of a transaction: it was not reversed, is a split, its P&L counts, its net flow counts, it closes a
# position whose instrument ended.
LIVE, SPLIT, GAINS, FLOWS, CLOSES = (1 << bit for bit in range(5))

# Outcomes of a fold.
COMPLETE, UNKNOWN_ROW, OUT_OF_RANGE = range(3)

_BITS = 31
_LOW = (1 << _BITS) - 1


class Transfers(NamedTuple):
    """Columns of the table transfer."""

    txn: Int64s
    debit: Int32s
    credit: Int32s
    amount: Int64s
    lot: Int64s


class FoldRows(NamedTuple):
    """Rows of a fold, with room for the most that can come, and the *counts* of each, in this order."""

    trips: Rows
    parts: Rows
    charges: Rows
    flows: Rows
    moves: Rows
    counts: Int64s


# --- round trips ---------------------------------------------------------------------------------------


@entry
def fold_round_trips(transfers: Transfers, txns: Rows, accounts: Rows, progress: Rows, rows: FoldRows) -> int:
    """Fold the journal from its first transfer to its last.

    A trip begins where a position leaves zero, and where it changes sides. Transfers have to be in the order
    of their transactions. Return `UNKNOWN_ROW` where they are not, or name a row that does not exist.
    """
    last = 0
    for i in range(transfers.txn.size):
        number, amount, lot = transfers.txn[i], transfers.amount[i], transfers.lot[i]
        debit, credit = transfers.debit[i], transfers.credit[i]
        if number < last or number >= txns.size or debit < 0 or credit < 0:
            return UNKNOWN_ROW
        if debit >= accounts.size or credit >= accounts.size:
            return UNKNOWN_ROW
        last = number
        txn = txns[number]
        debit_account, credit_account = accounts[debit], accounts[credit]
        units = _fold_leg(number, txn, debit_account, lot, amount, rows) + _fold_leg(
            number, txn, credit_account, lot, -amount, rows
        )
        if not txn.trait & LIVE:
            continue
        instrument = debit_account.instrument if debit_account.instrument >= 0 else credit_account.instrument
        if (debit_account.trait | credit_account.trait) & VARIATION:
            instrument = txn.instrument
        if instrument < 0:
            continue
        bought = amount if lot >= 0 and debit_account.trait & COST and credit_account.instrument < 0 else 0
        sold = amount if lot >= 0 and credit_account.trait & COST and debit_account.instrument < 0 else 0
        realized_pnl = 0
        if txn.trait & GAINS:
            if credit_account.trait & (REALIZED | VARIATION):
                realized_pnl = amount
            elif debit_account.trait & (REALIZED | VARIATION):
                realized_pnl = -amount
        if units != 0 or bought != 0 or sold != 0 or realized_pnl != 0:
            state = progress[instrument]
            if units != 0:
                _move_units(state, rows.trips, rows.counts, instrument, units, txn.timestamp)
                if state.position == NO_AMOUNT:
                    return OUT_OF_RANGE
            if state.trip >= 0:
                _trade_units(state, rows, txn, units, bought + sold)
                _book_money(rows.trips[state.trip], lot, bought, sold, realized_pnl)
    return COMPLETE


@shared
def _fold_leg(number: int, txn: Row, account: Row, lot: int, amount: int, rows: FoldRows) -> int:
    """Record the charge, net flow or move in lots of one leg, debit above zero. Return its units."""
    if txn.trait & FLOWS and account.trait & CAPITAL:
        _append(rows.flows, rows.counts, 3, number, account.commodity, -amount)
    if txn.trait & LIVE and account.trait & COMMISSION:
        _append(rows.charges, rows.counts, 2, txn.cause, account.commodity, amount)
    if not account.trait & UNITS:
        return 0
    if lot >= 0:
        _append(rows.moves, rows.counts, 4, number, account.commodity, amount)
    return amount


@inlined
def _append(rows: Rows, count: Int64s, which: int, cause: int, commodity: int, amount: int) -> None:
    """Append an `AMOUNT`. *which* is the place of *rows* among the counts."""
    row = rows[count[which]]
    row.cause = cause
    row.commodity = commodity
    row.amount = amount
    count[which] += 1


@inlined
def _move_units(state: Row, trips: Rows, count: Int64s, instrument: int, units: int, timestamp: int) -> None:
    """Add *units* to the position, and begin a trip where it leaves zero or changes sides."""
    before = state.position
    position = less(before, -units)
    state.position = position
    if (position > 0 and before <= 0) or (position < 0 and before >= 0):
        new = trips[count[0]]
        new.instrument = instrument
        new.opened = new.last_move = timestamp
        new.side = 1 if units > 0 else -1
        new.next = new.part = -1
        if state.trip < 0:
            state.first = count[0]
        else:
            trips[state.trip].next = count[0]
        state.trip = count[0]
        count[0] += 1
    if state.trip >= 0:
        trip = trips[state.trip]
        trip.last_move = timestamp
        trip.position = position
        trip.quantity = max(trip.quantity, abs(position))


@inlined
def _trade_units(state: Row, rows: FoldRows, txn: Row, units: int, money: int) -> None:
    """Count the units as bought or sold.

    Units that a split adds or takes were not traded, except a fraction given up for cash: the transfer of the
    money comes next.
    """
    if state.split_part >= 0:
        if money != 0:
            part = rows.parts[state.split_part]
            part.units = abs(state.split_units)
            _count_units(rows.trips[part.trip], state.split_units)
        state.split_part = -1
    if units != 0:
        number = rows.counts[1]
        rows.counts[1] += 1
        part = rows.parts[number]
        part.cause = txn.cause
        part.trip = state.trip
        part.units = 0
        if txn.trait & SPLIT:
            state.split_part = number
            state.split_units = units
        else:
            part.units = abs(units)
            _count_units(rows.trips[state.trip], units)


@inlined
def _count_units(trip: Row, units: int) -> None:
    """Add units to the bought ones, or units below zero to the sold ones."""
    if units > 0:
        trip.units_bought_high += units >> _BITS
        trip.units_bought_low += units & _LOW
    else:
        trip.units_sold_high += -units >> _BITS
        trip.units_sold_low += -units & _LOW


@inlined
def _book_money(trip: Row, lot: int, bought: int, sold: int, realized_pnl: int) -> None:
    """Add the money of one transfer to a trip."""
    if lot >= 0:
        trip.has_cost = 1
    trip.bought_high += bought >> _BITS
    trip.bought_low += bought & _LOW
    trip.sold_high += sold >> _BITS
    trip.sold_low += sold & _LOW
    trip.realized_pnl = less(trip.realized_pnl, -realized_pnl)


@entry
def fold_marks(marks: Rows, progress: Rows, trips: Rows) -> None:
    """Set the highest and the lowest mark of each trip while it was open.

    A mark belongs to the last trip opened by its timestamp. A mark at or after the close of that trip
    belongs to none. *progress* comes from `fold_round_trips`, with the last trip of each instrument reset
    to -1. As in SQL, NaN is higher than any number.
    """
    for row in range(marks.size):
        mark = marks[row]
        if mark.instrument < 0 or mark.instrument >= progress.size:
            continue
        state, timestamp, price = progress[mark.instrument], mark.timestamp, mark.price
        following = state.first if state.trip < 0 else trips[state.trip].next
        while following >= 0 and trips[following].opened <= timestamp:
            state.trip = following
            following = trips[following].next
        if state.trip < 0:
            continue
        trip = trips[state.trip]
        if trip.position == 0 and timestamp >= trip.last_move:
            continue
        if trip.marks == 0 or price > trip.highest or price != price:  # noqa: PLR0124  NaN is not itself
            trip.highest = price
        if trip.marks == 0 or price < trip.lowest or trip.lowest != trip.lowest:
            trip.lowest = price
        trip.marks += 1


@entry
def share_charges(parts: Rows, charges: Rows, trips: Rows, commodities: Rows) -> int:
    """Add to each trip its share of the charges of the transactions that traded it.

    A charge is shared by units, rounded toward zero cumulatively, so the last trip takes the remainder.
    *parts* and *charges* are in the order of their causes.
    """
    begin = charge = 0
    while begin < parts.size:
        cause, end, top = parts[begin].cause, begin, begin
        while end < parts.size and parts[end].cause == cause:
            part = parts[end]
            # A trip that was traded several times takes its share at the first.
            trip = trips[part.trip]
            if part.units > 0 and begin <= trip.part < top:
                whole = parts[trip.part]
                whole.units = less(whole.units, -part.units)
            elif part.units > 0:
                trip.part = top
                parts[top].trip, parts[top].units = part.trip, part.units
                top += 1
            end += 1
        while charge < charges.size and charges[charge].cause < cause:
            charge += 1
        for number in range(begin, top):
            row = commodities[commodities[trips[parts[number].trip].instrument].currency]
            row.charge = row.units = row.served_units = row.served_charge = 0
        while charge < charges.size and charges[charge].cause == cause:
            row = commodities[charges[charge].commodity]
            row.charge = less(row.charge, -charges[charge].amount)
            charge += 1
        for number in range(begin, top):
            row = commodities[commodities[trips[parts[number].trip].instrument].currency]
            row.units = less(row.units, -parts[number].units)
        for number in range(begin, top):
            trip = trips[parts[number].trip]
            row = commodities[commodities[trip.instrument].currency]
            if NO_AMOUNT in (row.units, row.charge):
                return OUT_OF_RANGE
            row.served_units += parts[number].units
            total = share(abs(row.charge), row.served_units, row.units)
            commission = total - row.served_charge if row.charge > 0 else row.served_charge - total
            row.served_charge = total
            trip.commission = less(trip.commission, -commission)
        begin = end
    return COMPLETE


# --- statements ----------------------------------------------------------------------------------------


@entry
def fold_exposure(moves: Rows, commodities: Rows, marks: Rows, exposures: Rows) -> int:
    """Value the positions in lots at each statement, after the transactions that it covers.

    Prices are the marks of its timestamp, the last one of each instrument. Values are rounded as a fill is
    booked. Moves and exposures are in the order of transactions. Before the call, the *position* of each
    commodity is 0 and its *statement* -1.
    """
    row = 0
    for number in range(exposures.size):
        exposure = exposures[number]
        while row < moves.size and moves[row].cause <= exposure.txn:
            commodities[moves[row].commodity].position += moves[row].amount
            row += 1
        for place in range(exposure.end - 1, exposure.begin - 1, -1):
            mark = marks[place]
            if mark.instrument < 0 or mark.instrument >= commodities.size:
                continue
            instrument = commodities[mark.instrument]
            if instrument.statement == number:
                continue
            instrument.statement = number
            if instrument.position == 0 or instrument.currency != exposure.currency:
                continue
            value = notional(instrument.position, mark.price, instrument.multiplier, instrument.ratio)
            if value == NO_AMOUNT:
                return OUT_OF_RANGE
            exposure.positions += 1
            if value > 0:
                exposure.long = less(exposure.long, -value)
            else:
                exposure.short = less(exposure.short, -value)
            if NO_AMOUNT in (exposure.long, exposure.short):
                return OUT_OF_RANGE
    return COMPLETE
