-- Records: the numbers of orders, their tags and links, fills and what became of orders run 0, 1, 2, ... without a
-- gap, none is dated before the one before it, and nothing becomes of an order before it is given.
create or replace view check_records as
with recorded as (
    select 'order' as name, id, ts, lag(id, 1, -1) over in_order as id_before, lag(ts) over in_order as ts_before
    from orders
    window in_order as (order by id)
    union all
    select 'event', id, ts, lag(id, 1, -1) over in_order, lag(ts) over in_order
    from order_event
    window in_order as (order by id)
    union all
    select 'fill', id, ts, lag(id, 1, -1) over in_order, lag(ts) over in_order
    from fill
    window in_order as (order by id)
    union all
    select 'benchmark', id, ts, lag(id, 1, -1) over in_order, lag(ts) over in_order
    from benchmark
    window in_order as (order by id)
    union all
    select 'tag', id, null, lag(id, 1, -1) over (order by id), null
    from tag
    union all
    select 'link', id, null, lag(id, 1, -1) over (order by id), null
    from order_link
)

select name as subject, 'number ' || id as found, 'number ' || (id_before + 1) as expected
from recorded
where id != id_before + 1
union all
select name || ' ' || id as subject, ts::varchar as found, 'not before ' || ts_before as expected
from recorded
where ts < ts_before
union all
select 'fill ' || fill.id as subject, fill.ts::varchar as found, 'not before its order, at ' || orders.ts as expected
from fill
join orders on orders.id = fill.order_id
where fill.ts < orders.ts
union all
select
    'event ' || order_event.id as subject,
    order_event.ts::varchar as found,
    'not before its order, at ' || orders.ts as expected
from order_event
join orders on orders.id = order_event.order_id
where order_event.ts < orders.ts;

create or replace view examined_records as
select
    (select count(*) from orders) + (select count(*) from order_event)
    + (select count(*) from fill) + (select count(*) from benchmark)
    + (select count(*) from tag) + (select count(*) from order_link) as rows;
