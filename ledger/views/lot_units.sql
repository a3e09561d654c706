-- Every lot as the sum of its postings, in units: below zero when short. What it was acquired as are its first
-- two: the units, and right after them the money unless there was none. The transaction that opened it may go
-- on to sell or split it.
create or replace view lot_units as
with moved as (
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
    from moved
    group by lot
),

acquired as (
    select
        moved.lot,
        sum(moved.amount) filter (where moved.seq = lot_total.opened_at)::bigint as quantity,
        coalesce(sum(moved.amount) filter (where not moved.in_units), 0)::bigint as cost
    from moved
    join lot_total
        on lot_total.lot = moved.lot
        and moved.seq between lot_total.opened_at and lot_total.opened_at + 1
    group by moved.lot
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
