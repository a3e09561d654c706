-- What each statement had at stake: market values of what was long and of what was short (below zero), at the marks
-- of its time and rounded as they are there, with their sum (net) and their distance (gross). Net is the market
-- value of the statement. Futures, their gain being cash already, have no market value.
create or replace view exposure as
with stated as (
    select *
    from statement
    where getvariable('as_of') is null or ts <= getvariable('as_of')
),

cut as (
    select distinct txn
    from stated
),

-- Transactions are summed up by the first statement that covers them.
covered as (
    select txn.id as txn, cut.txn as cut
    from txn
    asof join cut on txn.id <= cut.txn
),

moved as (
    select account.instrument, covered.cut, sum(leg.amount) as amount
    from leg
    join account on account.id = leg.account and account.commodity = account.instrument and account.type = 'asset'
    join covered on covered.txn = leg.txn
    where leg.lot >= 0
    group by account.instrument, covered.cut
),

holding_at as (
    select instrument, cut, (sum(amount) over (partition by instrument order by cut))::bigint as quantity
    from moved
),

mark_at as (
    select mark.ts, mark.instrument, commodity.currency, arg_max(mark.price, mark.id) as price
    from mark
    join commodity on commodity.id = mark.instrument
    group by mark.ts, mark.instrument, commodity.currency
),

priced as (
    select stated.id, stated.txn, mark_at.instrument, mark_at.price
    from stated
    join mark_at on mark_at.ts = stated.ts and mark_at.currency = stated.currency
),

valued as (
    select
        priced.id,
        holding_at.quantity,
        round_even(
            holding_at.quantity::double * priced.price * commodity.multiplier
            * (money_unit.per_one::double / instrument_unit.per_one::double),
            0
        )::bigint as worth
    from priced
    asof join holding_at on holding_at.instrument = priced.instrument and priced.txn >= holding_at.cut
    join commodity on commodity.id = priced.instrument
    join commodity as money on money.id = commodity.currency
    join unit as instrument_unit on instrument_unit.scale = commodity.scale
    join unit as money_unit on money_unit.scale = money.scale
    where holding_at.quantity != 0
),

at_stake as (
    select
        id,
        count(*) as positions,
        sum(greatest(worth, 0))::bigint as long,
        sum(least(worth, 0))::bigint as short
    from valued
    group by id
)

select
    stated.id as statement,
    stated.ts,
    money.symbol as currency,
    coalesce(at_stake.long, 0) * unit.value as long,
    coalesce(at_stake.short, 0) * unit.value as short,
    (coalesce(at_stake.long, 0) - coalesce(at_stake.short, 0)) * unit.value as gross,
    (coalesce(at_stake.long, 0) + coalesce(at_stake.short, 0)) * unit.value as net,
    stated.equity * unit.value as equity,
    case
        when stated.equity != 0
            then (coalesce(at_stake.long, 0) - coalesce(at_stake.short, 0))::double / stated.equity
    end as gross_to_equity,
    coalesce(at_stake.positions, 0) as positions
from stated
join commodity as money on money.id = stated.currency
join unit on unit.scale = money.scale
left join at_stake on at_stake.id = stated.id
order by stated.id;
