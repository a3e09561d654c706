-- Every commodity with the symbol and the number of its currency, which are NULL where there is none.
select
    commodity.id,
    money.id as currency_number,
    commodity.symbol,
    commodity.kind,
    commodity.scale,
    money.symbol as currency,
    commodity.multiplier
from commodity
left join commodity as money on money.id = commodity.currency
order by commodity.id;
