-- Every open position: quantity (below zero when short), cost, and market value at the last mark.
create or replace view position as
select
    symbol,
    quantity * quantity_unit as quantity,
    cost * money_unit as cost,
    price as mark,
    marked,
    stale,
    (market_value * money_unit)::decimal(37, 12) as market_value,
    ((market_value - cost) * money_unit)::decimal(37, 12) as unrealized_pnl,
    currency
from holding
where quantity != 0
order by symbol;
