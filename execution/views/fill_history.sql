-- Every fill with symbol, side, quantity, price and commission.
create or replace view fill_history as
select
    fill.id,
    fill.order_id,
    fill.timestamp,
    instrument.symbol,
    money.symbol as currency,
    case when fill.side > 0 then 'buy' else 'sell' end as side,
    fill.quantity * instrument_unit.value as quantity,
    fill.price,
    fill.reference_price,
    fill.commission * money_unit.value as commission,
    basis.name as basis
from fill
left join basis on basis.id = fill.basis
left join commodity as instrument on instrument.id = fill.instrument
left join commodity as money on money.id = instrument.currency
left join unit as instrument_unit on instrument_unit.scale = instrument.scale
left join unit as money_unit on money_unit.scale = money.scale
where getvariable('as_of') is null or fill.timestamp <= getvariable('as_of')
order by fill.id;
