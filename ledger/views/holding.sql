-- The holding of each instrument in units, with the last price at which it was marked. A short quantity is below zero.
-- So is the cost of a short position, which is the proceeds of the sale.
create or replace view holding as
with mark_at as (
    select
        instrument,
        arg_max(price, id) as price,
        arg_max(timestamp, id) as timestamp,
        arg_max(stale, id) as stale
    from mark
    where getvariable('as_of') is null or timestamp <= getvariable('as_of')
    group by instrument
),

-- Futures have no lots. They have no value either, because their variation margin is cash already.
in_lots as (
    select account.instrument, sum(leg.amount)::bigint as quantity
    from leg
    join account
        on account.id = leg.account and account.commodity = account.instrument and account.type = 'asset'
    where leg.lot >= 0
    group by account.instrument
),

held as (
    select
        instrument,
        sum(units) filter (where not is_money and type = 'asset')::bigint as quantity,
        coalesce(
            sum(units) filter (
                where is_money and (path = 'Assets:Positions:' || symbol or path = 'Liabilities:Short:' || symbol)
            ),
            0
        )::bigint as cost
    from (
        select balance.*, commodity.symbol
        from balance
        join commodity on commodity.id = balance.instrument
    )
    group by instrument
)

select
    held.instrument,
    instrument.symbol,
    money.symbol as currency,
    held.quantity,
    held.cost,
    mark_at.price,
    mark_at.timestamp as marked,
    mark_at.stale,
    round_even(
        coalesce(in_lots.quantity, 0)::double * mark_at.price * instrument.multiplier
        * (money_unit.per_one::double / instrument_unit.per_one::double),
        0
    )::decimal(38, 0) as market_value,
    instrument_unit.value as quantity_unit,
    money_unit.value as money_unit
from held
join commodity as instrument on instrument.id = held.instrument
join commodity as money on money.id = instrument.currency
join unit as instrument_unit on instrument_unit.scale = instrument.scale
join unit as money_unit on money_unit.scale = money.scale
left join mark_at on mark_at.instrument = held.instrument
left join in_lots on in_lots.instrument = held.instrument;
