-- Units: the transactions of every fill move exactly its quantity and no other instrument. Without a fill, a position
-- changes only by a corporate action.
create or replace view check_units as
with without_fill as (
    select distinct txn.id, txn.fill_id, kind.name
    from txn
    join kind on kind.id = txn.kind
    join leg on leg.txn = txn.id
    join account on account.id = leg.account and account.commodity = account.instrument and account.type = 'asset'
    left join txn as wrong on wrong.id = txn.reverses
    left join kind as wrong_kind on wrong_kind.id = wrong.kind
    where txn.fill_id < 0
        and coalesce(wrong_kind.name, kind.name) not in ('split', 'cash_in_lieu', 'delisting')
        and exists (select 1 from fill)
    union all
    select txn.id, txn.fill_id, kind.name
    from txn
    join kind on kind.id = txn.kind
    anti join fill on fill.id = txn.fill_id
    where txn.fill_id >= 0
)

select
    'fill ' || fill.id as subject,
    'moved ' || coalesce(fill_booked.units, 0)
    || case when fill_booked.strays > 0 then ' and another instrument' else '' end as actual,
    'quantity ' || (fill.side * fill.quantity) as expected
from fill
left join fill_booked on fill_booked.fill_id = fill.id
where coalesce(fill_booked.units, 0) != fill.side * fill.quantity or fill_booked.strays > 0
union all
select
    'transaction ' || id as subject,
    name || ' of fill ' || fill_id as actual,
    'a recorded fill' as expected
from without_fill;

create or replace view examined_units as
select count(*) as rows
from fill;
