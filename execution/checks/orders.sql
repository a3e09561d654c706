-- Orders: every order ends in exactly one way, every fill belongs to an order of its side and instrument, and
-- none is filled for more than it asked.
create or replace view check_orders as
select
    'order ' || order_id as subject,
    coalesce(string_agg(ended, ' and ' order by ended), 'no end') as found,
    'one end' as expected
from order_end
group by order_id
having count(ended) != 1
union all
select
    'fill ' || fill.id as subject,
    'order ' || fill.order_id as found,
    'an order for the same instrument and side' as expected
from fill
left join orders on orders.id = fill.order_id
where orders.id is null or orders.instrument != fill.instrument or sign(orders.quantity) != fill.side
union all
select
    'order ' || orders.id as subject,
    'filled ' || sum(fill.quantity) as found,
    'at most ' || abs(orders.quantity) as expected
from orders
join fill on fill.order_id = orders.id
group by orders.id, orders.quantity
having sum(fill.quantity) > abs(orders.quantity)
union all
select
    'event ' || order_event.id as subject,
    'order ' || order_event.order_id || ', event ' || order_event.event as found,
    'a recorded order and a known event' as expected
from order_event
left join orders on orders.id = order_event.order_id
left join order_event_kind as kind on kind.id = order_event.event
where orders.id is null or kind.id is null;

create or replace view examined_orders as
select count(*) as rows
from orders;
