-- Each lot with its opening day, instrument and side.
select lot_units.lot, txn.timestamp::date as opened, lot_units.instrument, lot_units.side
from lot_units
join txn on txn.id = lot_units.opened_by
order by lot_units.lot;
