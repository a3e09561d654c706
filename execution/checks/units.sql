-- Units: the transactions of every fill move just its quantity, and no position changes by a trade that has no
-- fill.
create or replace view check_units as
select
    'fill ' || fill.id as subject,
    'moved ' || coalesce(fill_booked.units, 0) as found,
    'quantity ' || (fill.side * fill.quantity) as expected
from fill
left join fill_booked on fill_booked.fill_id = fill.id
where coalesce(fill_booked.units, 0) != fill.side * fill.quantity
union all
select
    'transaction ' || txn.id as subject,
    kind.name || ' of fill ' || txn.fill_id as found,
    'a recorded fill' as expected
from txn
join kind on kind.id = txn.kind
left join fill on fill.id = txn.fill_id
where fill.id is null
    and (
        txn.fill_id >= 0
        or kind.name in ('buy', 'sell', 'short_sale', 'cover', 'reversal', 'futures_open', 'futures_close')
        and exists (select 1 from fill)
    );

create or replace view examined_units as
select count(*) as rows
from fill;
