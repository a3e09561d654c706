-- The holdings at each statement, with market values. Quantities are those after the last transaction that it covers,
-- prices are the marks of its time. Values are rounded as a fill is booked. Futures are not here, because they have no
-- lots: their variation margin is cash already.
create or replace view statement_holding as
with cut as (
    select distinct txn
    from statement
),

-- Transactions are grouped by the first statement that covers them.
covered as (
    select txn.id as txn, cut.txn as cut
    from txn
    asof join cut on txn.id <= cut.txn
),

movement as (
    select account.instrument, covered.cut, sum(leg.amount) as amount
    from leg
    join account on account.id = leg.account and account.commodity = account.instrument and account.type = 'asset'
    join covered on covered.txn = leg.txn
    where leg.lot >= 0
    group by account.instrument, covered.cut
),

holding_at as (
    select instrument, cut, (sum(amount) over (partition by instrument order by cut))::bigint as quantity
    from movement
),

mark_at as (
    select mark.timestamp, mark.instrument, commodity.currency, arg_max(mark.price, mark.id) as price
    from mark
    join commodity on commodity.id = mark.instrument
    group by mark.timestamp, mark.instrument, commodity.currency
),

priced as (
    select statement.id, statement.txn, mark_at.instrument, mark_at.price
    from statement
    join mark_at on mark_at.timestamp = statement.timestamp and mark_at.currency = statement.currency
)

select
    priced.id as statement,
    priced.instrument,
    holding_at.quantity,
    round_even(
        holding_at.quantity::double * priced.price * commodity.multiplier
        * (money_unit.per_one::double / instrument_unit.per_one::double),
        0
    )::decimal(38, 0) as market_value
from priced
asof join holding_at on holding_at.instrument = priced.instrument and priced.txn >= holding_at.cut
join commodity on commodity.id = priced.instrument
join commodity as money on money.id = commodity.currency
join unit as instrument_unit on instrument_unit.scale = commodity.scale
join unit as money_unit on money_unit.scale = money.scale
where holding_at.quantity != 0;
