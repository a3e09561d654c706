-- Long, short, net and gross market value at each statement. Values are at the marks of that time, rounded as the
-- statement rounds them, and below zero for shorts. Net is the sum of long and short, and equals the market value of
-- the statement. Gross is long minus short. Futures have no market value, because their variation margin is cash
-- already.
create or replace view exposure as
with stated as (
    select *
    from statement
    where getvariable('as_of') is null or timestamp <= getvariable('as_of')
),

market_value as (
    select
        statement,
        count(*) as positions,
        sum(greatest(market_value, 0)) as long,
        sum(least(market_value, 0)) as short
    from statement_holding
    group by statement
)

select
    stated.id as statement,
    stated.timestamp,
    money.symbol as currency,
    (coalesce(market_value.long, 0) * unit.value)::decimal(37, 12) as long,
    (coalesce(market_value.short, 0) * unit.value)::decimal(37, 12) as short,
    ((coalesce(market_value.long, 0) - coalesce(market_value.short, 0)) * unit.value)::decimal(37, 12) as gross,
    ((coalesce(market_value.long, 0) + coalesce(market_value.short, 0)) * unit.value)::decimal(37, 12) as net,
    stated.equity * unit.value as equity,
    case
        when stated.equity != 0
            then (coalesce(market_value.long, 0) - coalesce(market_value.short, 0))::double / stated.equity
    end as gross_to_equity,
    coalesce(market_value.positions, 0) as positions
from stated
join commodity as money on money.id = stated.currency
join unit on unit.scale = money.scale
left join market_value on market_value.statement = stated.id
order by stated.id;
