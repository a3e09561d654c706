-- Every commodity with the symbol of its currency.
select commodity.symbol, commodity.kind, commodity.scale, money.symbol as currency, commodity.multiplier
from commodity
join commodity as money on money.id = commodity.currency
order by commodity.id;
