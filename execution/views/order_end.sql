-- One row per order and final status. The status is null while the order is working.
create or replace view order_end as
with filled as (
    select order_id, sum(side * quantity) as quantity
    from fill
    group by order_id
),

final_status as (
    select orders.id as order_id, 'filled' as name
    from orders
    join filled on filled.order_id = orders.id and filled.quantity = orders.quantity
    union all
    select order_event.order_id, kind.name
    from order_event
    join order_event_kind as kind on kind.id = order_event.event and kind.is_end
)

select orders.id as order_id, final_status.name as status
from orders
left join final_status on final_status.order_id = orders.id;
