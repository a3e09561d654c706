-- The equity curve: every statement in exact decimals, as the engine claimed it. Cash, restricted cash, receivables,
-- liabilities (below zero) and market value sum to equity.
create or replace view equity as
select
    statement.timestamp,
    statement.session::date as session,
    commodity.symbol as currency,
    statement.cash * unit.value as cash,
    statement.restricted * unit.value as restricted,
    statement.receivable * unit.value as receivable,
    statement.liabilities * unit.value as liabilities,
    statement.market_value * unit.value as market_value,
    statement.equity * unit.value as equity
from statement
join commodity on commodity.id = statement.currency
join unit on unit.scale = commodity.scale
where getvariable('as_of') is null or statement.timestamp <= getvariable('as_of')
order by statement.id;
