-- Every lot: the time, quantity and cost of its acquisition, and the quantity and cost that are left. Quantities and
-- costs are below zero for a short lot.
create or replace view lot as
select
    lot_units.lot,
    instrument.symbol,
    case when lot_units.side > 0 then 'long' else 'short' end as side,
    opening.timestamp as opened,
    lot_units.opened_by,
    lot_units.acquired_quantity * instrument_unit.value as acquired_quantity,
    lot_units.acquired_cost * money_unit.value as acquired_cost,
    lot_units.quantity * instrument_unit.value as quantity,
    lot_units.cost * money_unit.value as cost,
    money.symbol as currency,
    case when lot_units.quantity = 0 then closing.timestamp end as closed
from lot_units
join commodity as instrument on instrument.id = lot_units.instrument
join commodity as money on money.id = instrument.currency
join unit as instrument_unit on instrument_unit.scale = instrument.scale
join unit as money_unit on money_unit.scale = money.scale
join txn as opening on opening.id = lot_units.opened_by
join txn as closing on closing.id = lot_units.last_moved_by
order by lot_units.lot;
