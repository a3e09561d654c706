-- Orders: every order has valid codes and exactly one final status, and no more fills than its quantity. A rejection
-- has a reason. A fill belongs to an order of its side and instrument. A link leads to an earlier order.
create or replace view check_orders as
select
    'order ' || order_id as subject,
    coalesce(string_agg(status, ' and ' order by status), 'no final status') as actual,
    'one final status' as expected
from order_end
group by order_id
having count(status) != 1
union all
select
    'fill ' || fill.id as subject,
    'order ' || fill.order_id as actual,
    'an order for the same instrument and side' as expected
from fill
left join orders on orders.id = fill.order_id
where orders.id is null or orders.instrument != fill.instrument or sign(orders.quantity) != fill.side
union all
select
    'order ' || orders.id as subject,
    'filled ' || sum(fill.quantity) as actual,
    'at most ' || abs(orders.quantity) as expected
from orders
join fill on fill.order_id = orders.id
group by orders.id, orders.quantity
having sum(fill.quantity) > abs(orders.quantity)
union all
select
    'order ' || orders.id as subject,
    'instrument ' || orders.instrument || ', type ' || orders.type || ', time in force ' || orders.tif
    || ', tag ' || orders.tag as actual,
    'valid ones' as expected
from orders
left join commodity on commodity.id = orders.instrument and commodity.kind = 'instrument'
left join order_type on order_type.id = orders.type
left join time_in_force on time_in_force.id = orders.tif
left join tag on tag.id = orders.tag
where commodity.id is null or order_type.id is null or time_in_force.id is null or (tag.id is null and orders.tag != -1)
union all
select
    'event ' || order_event.id as subject,
    'order ' || order_event.order_id || ', event ' || order_event.event || ', reason ' || order_event.reason as actual,
    'a recorded order, a valid event and a valid reason' as expected
from order_event
left join orders on orders.id = order_event.order_id
left join order_event_kind as kind on kind.id = order_event.event
left join reason on reason.id = order_event.reason
where orders.id is null or kind.id is null or reason.id is null
union all
select 'event ' || order_event.id as subject, 'rejected without a reason' as actual, 'a reason' as expected
from order_event
join order_event_kind as kind on kind.id = order_event.event and kind.name = 'rejected'
join reason on reason.id = order_event.reason and reason.name = 'none'
union all
select
    'link ' || order_link.id as subject,
    'order ' || order_link.order_id || ', relation ' || order_link.relation || ', other ' || order_link.other as actual,
    'a valid relation of a recorded order to an earlier one' as expected
from order_link
left join orders on orders.id = order_link.order_id
left join orders as other on other.id = order_link.other and other.id < order_link.order_id
left join order_relation on order_relation.id = order_link.relation
where orders.id is null or other.id is null or order_relation.id is null;

create or replace view examined_orders as
select count(*) as rows
from orders;
