"""The journal's rows folded into round trips and into what each statement had at stake.

Compiled, and over plain columns. Everything is exact in integers; a sum that may be more than 64 bits hold is
kept as two, its *high* part counting 2**31: of so many amounts as a journal has, neither overflows. The views
`trade`, `exposure` and `period` say the same in SQL.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tieout.execution.kernels.compiled import entry, leaf, routine
from tieout.ledger.books.arithmetic import NO_AMOUNT, less, notional, share

Int64s = NDArray[np.int64]
Int32s = NDArray[np.int32]
Rows = Any
"""A numpy recarray of one of the types below."""
Row = Any

TRIP = np.dtype(
    [
        ("instrument", "i8"),
        ("opened", "i8"),  # time
        ("moved", "i8"),  # time at which units moved last
        ("position", "i8"),  # in the end
        ("side", "i8"),
        ("quantity", "i8"),  # the most that was held, without sign
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
        ("following", "i8"),  # the instrument's next trip, -1 for none
        ("part", "i8"),  # the one that stands for all of what is being shared, -1 for none
        ("marks", "i8"),  # how many there were while it was open
        ("highest", "f8"),
        ("lowest", "f8"),
    ]
)
"""A round trip of one instrument, from flat to flat."""
STANDING = np.dtype(
    [
        ("position", "i8"),
        ("first", "i8"),  # trip, -1 for none
        ("trip", "i8"),  # the last one
        ("waiting", "i8"),  # part whose units a split moved, -1 for none
        ("units", "i8"),  # how many
    ]
)
"""Where an instrument stands while trips are folded."""
PART = np.dtype([("cause", "i8"), ("trip", "i8"), ("units", "i8")])
"""What a transaction traded of a trip, without sign."""
NOTE = np.dtype([("cause", "i8"), ("commodity", "i8"), ("amount", "i8")])
"""So much of a commodity by a transaction: charged, put in, or moved in lots."""
TXN = np.dtype([("timestamp", "i8"), ("cause", "i8"), ("instrument", "i4"), ("trait", "i4")])
"""A transaction. Its *cause* is its fill, or a number of its own where it has none."""
ACCOUNT = np.dtype([("instrument", "i4"), ("commodity", "i4"), ("trait", "i4")])
COMMODITY = np.dtype(
    [
        ("currency", "i8"),
        ("multiplier", "f8"),  # the factors of the rule for a notional
        ("ratio", "f8"),
        ("held", "i8"),
        ("seen", "i8"),  # statement at which it was marked last, -1 for none
        ("charged", "i8"),  # of a currency, what is being shared
        ("units", "i8"),  # among so many
        ("done", "i8"),  # of which these had theirs
        ("shared", "i8"),
    ]
)
"""What is counted, and where it stands while statements are valued and charges shared."""
MARK = np.dtype([("timestamp", "i8"), ("price", "f8"), ("instrument", "i8")])
STAKE = np.dtype(
    [
        ("txn", "i8"),  # the last that the statement covers
        ("currency", "i8"),
        ("begin", "i8"),  # marks of its time
        ("end", "i8"),
        ("long", "i8"),
        ("short", "i8"),
        ("positions", "i8"),
    ]
)
"""What a statement had at stake."""

# What an account is.
UNITS, CARRIED, REALISED, VARIATION, CHARGED, OWNERS = (1 << bit for bit in range(6))
# What a transaction is: it stands, it is a split, its gains count, what it puts in counts.
LIVE, SPLIT, GAINS, FLOWS = (1 << bit for bit in range(4))

# How a fold ends.
FOLDED, UNKNOWN_ROW, OUT_OF_RANGE = range(3)

_BITS = 31
_LOW = (1 << _BITS) - 1


class Transfers(NamedTuple):
    """The table transfer."""

    txn: Int64s
    debit: Int32s
    credit: Int32s
    amount: Int64s
    lot: Int64s


class Folded(NamedTuple):
    """Where a fold goes: rows with room for all that may come, and how many of each came, in this order."""

    trips: Rows
    parts: Rows
    charges: Rows
    flows: Rows
    moves: Rows
    counts: Int64s


# --- round trips ---------------------------------------------------------------------------------------


@entry
def fold_trips(transfers: Transfers, txns: Rows, accounts: Rows, standing: Rows, folded: Folded) -> int:
    """Read the journal from its first transfer to its last.

    A position begins where there was none, and where it changes sides. Transfers have to be in the order of
    their transactions; where they are not, or name what is not there, this is `UNKNOWN_ROW`.
    """
    last = 0
    for row in range(transfers.txn.size):
        number, amount, lot = transfers.txn[row], transfers.amount[row], transfers.lot[row]
        debit, credit = transfers.debit[row], transfers.credit[row]
        if number < last or number >= txns.size or debit < 0 or credit < 0:
            return UNKNOWN_ROW
        if debit >= accounts.size or credit >= accounts.size:
            return UNKNOWN_ROW
        last = number
        txn = txns[number]
        given, taken = accounts[debit], accounts[credit]
        units = _legs(number, txn, given, lot, amount, folded) + _legs(
            number, txn, taken, lot, -amount, folded
        )
        if not txn.trait & LIVE:
            continue
        instrument = given.instrument if given.instrument >= 0 else taken.instrument
        if (given.trait | taken.trait) & VARIATION:
            instrument = txn.instrument
        if instrument < 0:
            continue
        bought = amount if lot >= 0 and given.trait & CARRIED and taken.instrument < 0 else 0
        sold = amount if lot >= 0 and taken.trait & CARRIED and given.instrument < 0 else 0
        realized_pnl = 0
        if txn.trait & GAINS:
            if taken.trait & (REALISED | VARIATION):
                realized_pnl = amount
            elif given.trait & (REALISED | VARIATION):
                realized_pnl = -amount
        if units != 0 or bought != 0 or sold != 0 or realized_pnl != 0:
            state = standing[instrument]
            if units != 0:
                _moved(state, folded.trips, folded.counts, instrument, units, txn.timestamp)
                if state.position == NO_AMOUNT:
                    return OUT_OF_RANGE
            if state.trip >= 0:
                _traded(state, folded, txn, units, bought + sold)
                _booked(folded.trips[state.trip], lot, bought, sold, realized_pnl)
    return FOLDED


@routine
def _legs(number: int, txn: Row, account: Row, lot: int, amount: int, folded: Folded) -> int:
    """One leg of a transfer, debit above zero: note what it charges, puts in and moves in lots; its units."""
    if txn.trait & FLOWS and account.trait & OWNERS:
        _note(folded.flows, folded.counts, 3, number, account.commodity, -amount)
    if txn.trait & LIVE and account.trait & CHARGED:
        _note(folded.charges, folded.counts, 2, txn.cause, account.commodity, amount)
    if not account.trait & UNITS:
        return 0
    if lot >= 0:
        _note(folded.moves, folded.counts, 4, number, account.commodity, amount)
    return amount


@leaf
def _note(rows: Rows, count: Int64s, which: int, cause: int, commodity: int, amount: int) -> None:
    """One more row."""
    row = rows[count[which]]
    row.cause = cause
    row.commodity = commodity
    row.amount = amount
    count[which] += 1


@leaf
def _moved(state: Row, trips: Rows, count: Int64s, instrument: int, units: int, timestamp: int) -> None:
    """Units come or go."""
    before = state.position
    position = less(before, -units)
    state.position = position
    if (position > 0 and before <= 0) or (position < 0 and before >= 0):
        begun = trips[count[0]]
        begun.instrument = instrument
        begun.opened = begun.moved = timestamp
        begun.side = 1 if units > 0 else -1
        begun.following = begun.part = -1
        if state.trip < 0:
            state.first = count[0]
        else:
            trips[state.trip].following = count[0]
        state.trip = count[0]
        count[0] += 1
    if state.trip >= 0:
        trip = trips[state.trip]
        trip.moved = timestamp
        trip.position = position
        trip.quantity = max(trip.quantity, abs(position))


@leaf
def _traded(state: Row, folded: Folded, txn: Row, units: int, money: int) -> None:
    """Count the units as bought or sold.

    What a split adds or takes was not traded, except a fraction given up for cash: the money comes next.
    """
    if state.waiting >= 0:
        if money != 0:
            part = folded.parts[state.waiting]
            part.units = abs(state.units)
            _count_units(folded.trips[part.trip], state.units)
        state.waiting = -1
    if units != 0:
        number = folded.counts[1]
        folded.counts[1] += 1
        part = folded.parts[number]
        part.cause = txn.cause
        part.trip = state.trip
        part.units = 0
        if txn.trait & SPLIT:
            state.waiting = number
            state.units = units
        else:
            part.units = abs(units)
            _count_units(folded.trips[state.trip], units)


@leaf
def _count_units(trip: Row, units: int) -> None:
    """Add units to those bought, or to those sold where they are below zero."""
    if units > 0:
        trip.units_bought_high += units >> _BITS
        trip.units_bought_low += units & _LOW
    else:
        trip.units_sold_high += -units >> _BITS
        trip.units_sold_low += -units & _LOW


@leaf
def _booked(trip: Row, lot: int, bought: int, sold: int, realized_pnl: int) -> None:
    """Add the money of one transfer to a trip."""
    if lot >= 0:
        trip.has_cost = 1
    trip.bought_high += bought >> _BITS
    trip.bought_low += bought & _LOW
    trip.sold_high += sold >> _BITS
    trip.sold_low += sold & _LOW
    trip.realized_pnl = less(trip.realized_pnl, -realized_pnl)


@entry
def fold_marks(marks: Rows, standing: Rows, trips: Rows) -> None:
    """Give each trip the highest and the lowest mark while it was open.

    A mark belongs to the last trip begun by then; at the moment at which that closed it is of what was held
    after it. *standing* is where `fold_trips` left it, the last trip of each instrument -1 again. As in SQL,
    NaN is higher than any number.
    """
    for row in range(marks.size):
        mark = marks[row]
        if mark.instrument < 0 or mark.instrument >= standing.size:
            continue
        state, timestamp, price = standing[mark.instrument], mark.timestamp, mark.price
        following = state.first if state.trip < 0 else trips[state.trip].following
        while following >= 0 and trips[following].opened <= timestamp:
            state.trip = following
            following = trips[following].following
        if state.trip < 0:
            continue
        trip = trips[state.trip]
        if trip.position == 0 and timestamp >= trip.moved:
            continue
        if trip.marks == 0 or price > trip.highest or price != price:  # noqa: PLR0124  NaN is not itself
            trip.highest = price
        if trip.marks == 0 or price < trip.lowest or trip.lowest != trip.lowest:
            trip.lowest = price
        trip.marks += 1


@entry
def share_charges(parts: Rows, charges: Rows, trips: Rows, commodities: Rows) -> int:
    """Give each trip its share of what was charged for the transactions that traded it.

    Shared by units, rounded toward zero for what has been shared out so far: the last trade takes the
    remainder. *parts* and *charges* are in the order of their causes.
    """
    begin = charge = 0
    while begin < parts.size:
        cause, end, kept = parts[begin].cause, begin, begin
        while end < parts.size and parts[end].cause == cause:
            part = parts[end]
            # A trip that was traded several times takes its share at the first.
            trip = trips[part.trip]
            if part.units > 0 and begin <= trip.part < kept:
                whole = parts[trip.part]
                whole.units = less(whole.units, -part.units)
            elif part.units > 0:
                trip.part = kept
                parts[kept].trip, parts[kept].units = part.trip, part.units
                kept += 1
            end += 1
        while charge < charges.size and charges[charge].cause < cause:
            charge += 1
        for number in range(begin, kept):
            row = commodities[commodities[trips[parts[number].trip].instrument].currency]
            row.charged = row.units = row.done = row.shared = 0
        while charge < charges.size and charges[charge].cause == cause:
            row = commodities[charges[charge].commodity]
            row.charged = less(row.charged, -charges[charge].amount)
            charge += 1
        for number in range(begin, kept):
            row = commodities[commodities[trips[parts[number].trip].instrument].currency]
            row.units = less(row.units, -parts[number].units)
        for number in range(begin, kept):
            trip = trips[parts[number].trip]
            row = commodities[commodities[trip.instrument].currency]
            if NO_AMOUNT in (row.units, row.charged):
                return OUT_OF_RANGE
            row.done += parts[number].units
            shared = share(abs(row.charged), row.done, row.units)
            own = shared - row.shared if row.charged > 0 else row.shared - shared
            row.shared = shared
            trip.commission = less(trip.commission, -own)
        begin = end
    return FOLDED


# --- statements ----------------------------------------------------------------------------------------


@entry
def fold_stakes(moves: Rows, commodities: Rows, marks: Rows, stakes: Rows) -> int:
    """Value at each statement what was held in lots after the transactions that it covers.

    At the marks of its time, the last one of each instrument, rounded as a fill is booked. Moves and stakes
    are in the order of transactions. Of each commodity, nothing is held yet and *seen* is -1.
    """
    row = 0
    for number in range(stakes.size):
        stake = stakes[number]
        while row < moves.size and moves[row].cause <= stake.txn:
            commodities[moves[row].commodity].held += moves[row].amount
            row += 1
        for place in range(stake.end - 1, stake.begin - 1, -1):
            mark = marks[place]
            if mark.instrument < 0 or mark.instrument >= commodities.size:
                continue
            thing = commodities[mark.instrument]
            if thing.seen == number:
                continue
            thing.seen = number
            if thing.held == 0 or thing.currency != stake.currency:
                continue
            value = notional(thing.held, mark.price, thing.multiplier, thing.ratio)
            if value == NO_AMOUNT:
                return OUT_OF_RANGE
            stake.positions += 1
            if value > 0:
                stake.long = less(stake.long, -value)
            else:
                stake.short = less(stake.short, -value)
            if NO_AMOUNT in (stake.long, stake.short):
                return OUT_OF_RANGE
    return FOLDED
