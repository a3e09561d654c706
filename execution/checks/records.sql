-- Records: orders, tags, links, fills and order events are numbered 0, 1, 2, ... without a gap, in the order of time.
-- No fill and no event comes before its order.
create or replace view check_records as
with recorded as (
    select 'order' as name, id, timestamp, lag(id, 1, -1) over in_order as id_before, lag(timestamp) over in_order as timestamp_before
    from orders
    window in_order as (order by id)
    union all
    select 'event', id, timestamp, lag(id, 1, -1) over in_order, lag(timestamp) over in_order
    from order_event
    window in_order as (order by id)
    union all
    select 'fill', id, timestamp, lag(id, 1, -1) over in_order, lag(timestamp) over in_order
    from fill
    window in_order as (order by id)
    union all
    select 'benchmark', id, timestamp, lag(id, 1, -1) over in_order, lag(timestamp) over in_order
    from benchmark
    window in_order as (order by id)
    union all
    select 'tag', id, null, lag(id, 1, -1) over (order by id), null
    from tag
    union all
    select 'link', id, null, lag(id, 1, -1) over (order by id), null
    from order_link
)

select name as subject, 'number ' || id as actual, 'number ' || (id_before + 1) as expected
from recorded
where id != id_before + 1
union all
select name || ' ' || id as subject, timestamp::varchar as actual, 'not before ' || timestamp_before as expected
from recorded
where timestamp < timestamp_before
union all
select 'fill ' || fill.id as subject, fill.timestamp::varchar as actual, 'not before its order, at ' || orders.timestamp as expected
from fill
join orders on orders.id = fill.order_id
where fill.timestamp < orders.timestamp
union all
select
    'event ' || order_event.id as subject,
    order_event.timestamp::varchar as actual,
    'not before its order, at ' || orders.timestamp as expected
from order_event
join orders on orders.id = order_event.order_id
where order_event.timestamp < orders.timestamp;

create or replace view examined_records as
select
    (select count(*) from orders) + (select count(*) from order_event)
    + (select count(*) from fill) + (select count(*) from benchmark)
    + (select count(*) from tag) + (select count(*) from order_link) as rows;
