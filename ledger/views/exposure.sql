-- What each statement had at stake: market values of what was long and of what was short (below zero), at the marks
-- of its time and rounded as they are there, with their sum (net) and their distance (gross). Net is the market
-- value of the statement. Futures, their gain being cash already, have no market value.
create or replace view exposure as
with stated as (
    select *
    from statement
    where getvariable('as_of') is null or timestamp <= getvariable('as_of')
),

at_stake as (
    select
        statement,
        count(*) as positions,
        sum(greatest(market_value, 0))::bigint as long,
        sum(least(market_value, 0))::bigint as short
    from statement_holding
    group by statement
)

select
    stated.id as statement,
    stated.timestamp,
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
left join at_stake on at_stake.statement = stated.id
order by stated.id;
