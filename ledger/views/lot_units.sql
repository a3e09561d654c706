-- Every lot as the sum of its postings, in units: below zero when short. The first two postings are the acquisition:
-- the units, and right after them the money unless there was none. The transaction that opened a lot may go on to sell
-- or split it.
create or replace view lot_units as
with movement as (
    select
        leg.lot,
        leg.seq,
        leg.txn,
        account.instrument,
        account.commodity = account.instrument as in_units,
        leg.amount
    from leg
    join account
        on account.id = leg.account
        and account.instrument >= 0
        and account.type in ('asset', 'liability')
    where leg.lot >= 0
),

lot_total as (
    select
        lot,
        min(instrument) as instrument,
        min(seq) as opened_at,
        min(txn) as opened_by,
        max(txn) as last_moved_by,
        coalesce(sum(amount) filter (where in_units), 0)::bigint as quantity,
        coalesce(sum(amount) filter (where not in_units), 0)::bigint as cost
    from movement
    group by lot
),

acquired as (
    select
        movement.lot,
        sum(movement.amount) filter (where movement.seq = lot_total.opened_at)::bigint as quantity,
        coalesce(sum(movement.amount) filter (where not movement.in_units), 0)::bigint as cost
    from movement
    join lot_total
        on lot_total.lot = movement.lot
        and movement.seq between lot_total.opened_at and lot_total.opened_at + 1
    group by movement.lot
)

select
    lot_total.lot,
    lot_total.instrument,
    case when acquired.quantity < 0 then -1 else 1 end as side,
    lot_total.opened_by,
    lot_total.last_moved_by,
    acquired.quantity as acquired_quantity,
    acquired.cost as acquired_cost,
    lot_total.quantity,
    lot_total.cost
from lot_total
join acquired on acquired.lot = lot_total.lot;
