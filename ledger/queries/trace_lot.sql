-- The lots that some transactions ($1) opened, added to or relieved, with the quantity and cost that each moved and
-- those that are left today. They are below zero where they leave a long lot or enter a short one.
with movement as (
    select
        leg.txn,
        leg.lot,
        coalesce(sum(leg.amount) filter (where account.commodity = account.instrument), 0)::bigint as quantity,
        coalesce(sum(leg.amount) filter (where account.commodity != account.instrument), 0)::bigint as cost
    from leg
    join account
        on account.id = leg.account
        and account.instrument >= 0
        and account.type in ('asset', 'liability')
    where leg.lot >= 0 and list_contains($1, leg.txn)
    group by leg.txn, leg.lot
)

select
    movement.txn,
    movement.lot,
    lot.symbol,
    lot.side,
    case
        when lot.opened_by = movement.txn then 'opened'
        when sign(movement.quantity) = case lot.side when 'long' then 1 else -1 end then 'added to'
        else 'relieved'
    end as action,
    movement.quantity * instrument_unit.value as quantity,
    movement.cost * money_unit.value as cost,
    lot.quantity as quantity_left,
    lot.cost as cost_left,
    lot.currency
from movement
join lot on lot.lot = movement.lot
join commodity as instrument on instrument.symbol = lot.symbol and instrument.kind = 'instrument'
join commodity as money on money.symbol = lot.currency and money.kind = 'currency'
join unit as instrument_unit on instrument_unit.scale = instrument.scale
join unit as money_unit on money_unit.scale = money.scale
order by movement.txn, movement.lot;
