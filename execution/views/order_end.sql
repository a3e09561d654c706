-- How each order ended: one row for every end that it has, and one without an end for an order that has none.
create or replace view order_end as
with filled as (
    select order_id, sum(side * quantity) as quantity
    from fill
    group by order_id
),

ended as (
    select orders.id as order_id, 'filled' as name
    from orders
    join filled on filled.order_id = orders.id and filled.quantity = orders.quantity
    union all
    select order_event.order_id, kind.name
    from order_event
    join order_event_kind as kind on kind.id = order_event.event and kind.is_end
)

select orders.id as order_id, ended.name as status
from orders
left join ended on ended.order_id = orders.id;
