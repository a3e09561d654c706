-- Round trips of each instrument, from flat to flat, in the order of the journal. A flip closes one trade and opens the
-- next on the other side. All figures come from the postings, so P&L foots with the income statement. A reversed
-- transaction and its reversal do not count. A split changes units without trading. Futures have no cost, and so no
-- notional: their realized_pnl is the variation margin of their transactions.
create or replace view trade as
with dated as (
    select txn.*, kind.name
    from txn
    left join kind on kind.id = txn.kind
    where getvariable('as_of') is null or txn.timestamp <= getvariable('as_of')
),

live as (
    select
        dated.id,
        dated.timestamp,
        dated.instrument,
        dated.name,
        case when dated.fill_id >= 0 then dated.fill_id else -2 - dated.id end as cause
    from dated
    where dated.reverses < 0 and dated.id not in (select reverses from dated where reverses >= 0)
),

part as (
    select
        account.id,
        account.instrument,
        account.type = 'asset' and account.commodity = account.instrument as is_units,
        account.instrument >= 0
            and account.type in ('asset', 'liability')
            and account.commodity != account.instrument as is_carried,
        coalesce(account.path = 'Income:Realised:' || instrument.symbol, false) as is_realised,
        account.path = 'Income:Futures:VariationMargin' as is_variation
    from account
    left join commodity as instrument on instrument.id = account.instrument
),

moved as (
    select
        transfer.seq,
        live.timestamp,
        live.cause,
        live.name = 'split' as is_split,
        transfer.lot >= 0 as has_cost,
        case
            when debit.is_variation or credit.is_variation then live.instrument
            when debit.instrument >= 0 then debit.instrument
            else credit.instrument
        end as instrument,
        transfer.amount * (debit.is_units::bigint - credit.is_units::bigint) as units,
        case
            when transfer.lot >= 0 and debit.is_carried and credit.instrument < 0 then transfer.amount else 0
        end as bought,
        case
            when transfer.lot >= 0 and credit.is_carried and debit.instrument < 0 then transfer.amount else 0
        end as sold,
        case
            when live.name = 'close' then 0
            when credit.is_realised or credit.is_variation then transfer.amount
            when debit.is_realised or debit.is_variation then -transfer.amount
            else 0
        end as realized_pnl
    from transfer
    join live on live.id = transfer.txn
    join part as debit on debit.id = transfer.debit
    join part as credit on credit.id = transfer.credit
),

-- A trade begins where a position leaves zero, and where it changes sides.
running as (
    select
        *,
        (sum(units) over in_order)::bigint as position,
        (sum(units) over in_order)::bigint - units as position_before
    from moved
    where units != 0 or bought != 0 or sold != 0 or realized_pnl != 0
    window in_order as (partition by instrument order by seq)
),

numbered as (
    select
        *,
        sum((units != 0 and position != 0 and sign(position) != sign(position_before))::integer) over (
            partition by instrument
            order by seq
        ) as trip
    from running
),

-- The units that a split adds or takes were not traded. A fraction given up for cash in its transaction was.
step as (
    select
        *,
        case
            when is_split and lead(bought + sold, 1, 0) over (partition by instrument order by seq) = 0 then 0
            else units
        end as traded
    from numbered
    where trip > 0
),

trip as (
    select
        instrument,
        trip,
        min(seq) as opened_at,
        arg_min(timestamp, seq) as opened,
        max(timestamp) filter (where units != 0) as last_moved,
        arg_max(position, seq) as position,
        arg_min(sign(units), seq) as side,
        max(abs(position)) as quantity,
        bool_or(has_cost) as has_cost,
        sum(bought) as bought,
        sum(sold) as sold,
        sum(greatest(traded, 0)) as units_bought,
        sum(greatest(-traded, 0)) as units_sold,
        sum(realized_pnl) as realized_pnl
    from step
    group by instrument, trip
),

-- The commission of each fill, or of a transaction without one.
charged as (
    select live.cause, account.commodity as currency, sum(leg.amount) as commission
    from leg
    join live on live.id = leg.txn and live.name != 'close'
    join account on account.id = leg.account and account.path in ('Expenses:Commissions', 'Income:Rebates')
    group by live.cause, account.commodity
),

traded as (
    select
        step.cause,
        commodity.currency,
        step.instrument,
        step.trip,
        sum(abs(step.traded)) as units,
        min(step.seq) as seq
    from step
    join commodity on commodity.id = step.instrument
    where step.traded != 0
    group by step.cause, commodity.currency, step.instrument, step.trip
),

-- Shared by units, rounded toward zero cumulatively, so the last trade takes the remainder.
shared as (
    select
        traded.instrument,
        traded.trip,
        charged.commission * sum(traded.units) over in_order // sum(traded.units) over whole
        - charged.commission * (sum(traded.units) over in_order - traded.units) // sum(traded.units) over whole
            as commission
    from traded
    join charged on charged.cause = traded.cause and charged.currency = traded.currency
    window
        whole as (partition by traded.cause, traded.currency),
        in_order as (partition by traded.cause, traded.currency order by traded.seq)
),

billed as (
    select instrument, trip, sum(commission) as commission
    from shared
    group by instrument, trip
),

last_opened as (
    select instrument, opened, max(trip) as trip
    from trip
    group by instrument, opened
),

-- A mark at or after the close of a trade does not belong to it.
marked as (
    select last_opened.instrument, last_opened.trip, max(mark.price) as highest, min(mark.price) as lowest
    from mark
    asof join last_opened on last_opened.instrument = mark.instrument and mark.timestamp >= last_opened.opened
    join trip on trip.instrument = last_opened.instrument and trip.trip = last_opened.trip
    where (trip.position != 0 or mark.timestamp < trip.last_moved)
        and (getvariable('as_of') is null or mark.timestamp <= getvariable('as_of'))
    group by last_opened.instrument, last_opened.trip
),

-- A position that is never flat may trade more than 64 bits hold, so whole units and fractions are added apart.
detail as (
    select
        trip.*,
        instrument.symbol,
        money.symbol as currency,
        instrument_unit.value as unit,
        money_unit.value as money_unit,
        ((trip.bought // money_unit.per_one)::decimal(25, 0)
            + (trip.bought % money_unit.per_one)::bigint * money_unit.value)::decimal(37, 12) as paid,
        ((trip.sold // money_unit.per_one)::decimal(25, 0)
            + (trip.sold % money_unit.per_one)::bigint * money_unit.value)::decimal(37, 12) as received,
        case
            when trip.has_cost and trip.units_bought > 0
                then trip.bought::double / money_unit.per_one
                    / (trip.units_bought::double / instrument_unit.per_one * instrument.multiplier)
        end as price_bought,
        case
            when trip.has_cost and trip.units_sold > 0
                then trip.sold::double / money_unit.per_one
                    / (trip.units_sold::double / instrument_unit.per_one * instrument.multiplier)
        end as price_sold,
        coalesce(billed.commission, 0) as commission
    from trip
    join commodity as instrument on instrument.id = trip.instrument
    join commodity as money on money.id = instrument.currency
    join unit as instrument_unit on instrument_unit.scale = instrument.scale
    join unit as money_unit on money_unit.scale = money.scale
    left join billed on billed.instrument = trip.instrument and billed.trip = trip.trip
)

select
    (row_number() over (order by detail.opened_at)) - 1 as number,
    detail.symbol,
    detail.currency,
    case when detail.side > 0 then 'long' else 'short' end as side,
    detail.opened,
    case when detail.position = 0 then detail.last_moved end as closed,
    detail.position != 0 as is_open,
    detail.quantity * detail.unit as quantity,
    case when detail.has_cost then detail.paid end as bought,
    case when detail.has_cost then detail.received end as sold,
    case when detail.side > 0 then detail.price_bought else detail.price_sold end as entry_price,
    case when detail.side > 0 then detail.price_sold else detail.price_bought end as exit_price,
    (detail.realized_pnl * detail.money_unit)::decimal(37, 12) as realized_pnl,
    (detail.commission * detail.money_unit)::decimal(37, 12) as commission,
    ((detail.realized_pnl - detail.commission) * detail.money_unit)::decimal(37, 12) as pnl,
    case when detail.side > 0 then marked.highest else marked.lowest end as best_mark,
    case when detail.side > 0 then marked.lowest else marked.highest end as worst_mark,
    case
        when detail.position = 0 then (epoch_ns(detail.last_moved)::hugeint - epoch_ns(detail.opened)) / 86400000000000
    end as days
from detail
left join marked on marked.instrument = detail.instrument and marked.trip = detail.trip
order by number;
