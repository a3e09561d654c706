-- Every order with its terms, fills, status and reason. An order without a final status is working. Its fills say
-- whether it is filled, and its events give any other status.
create or replace view order_history as
with filled as (
    select
        order_id,
        count(*) as fills,
        sum(quantity)::bigint as quantity,
        -- A quotient of sums may differ in the last digit from a price that all fills share.
        case
            when min(price) = max(price) then min(price)
            else sum(quantity::double * price) / sum(quantity)
        end as average_price,
        sum(commission)::bigint as commission,
        min(timestamp) as first_fill,
        max(timestamp) as last_fill
    from fill
    where getvariable('as_of') is null or timestamp <= getvariable('as_of')
    group by order_id
),

final_event as (
    select
        order_event.order_id,
        arg_min(kind.name, order_event.id) as name,
        arg_min(reason.name, order_event.id) as reason,
        arg_min(order_event.timestamp, order_event.id) as timestamp
    from order_event
    join order_event_kind as kind on kind.id = order_event.event and kind.is_end
    left join reason on reason.id = order_event.reason
    where getvariable('as_of') is null or order_event.timestamp <= getvariable('as_of')
    group by order_event.order_id
),

replacement as (
    select order_link.order_id, max(order_link.other) as other
    from order_link
    join order_relation on order_relation.id = order_link.relation and order_relation.name = 'replaces'
    group by order_link.order_id
),

order_row as (
    select orders.*, coalesce(filled.quantity = abs(orders.quantity), false) as is_filled
    from orders
    left join filled on filled.order_id = orders.id
    where getvariable('as_of') is null or orders.timestamp <= getvariable('as_of')
)

select
    order_row.id,
    order_row.timestamp,
    instrument.symbol,
    money.symbol as currency,
    order_type.name as type,
    time_in_force.name as time_in_force,
    order_row.quantity * instrument_unit.value as quantity,
    case when not isnan(order_row.limit_price) then order_row.limit_price end as limit_price,
    case when not isnan(order_row.stop_price) then order_row.stop_price end as stop_price,
    tag.name as tag,
    case when not isnan(order_row.signal) then order_row.signal end as signal,
    coalesce(filled.fills, 0) as fills,
    coalesce(filled.quantity, 0) * instrument_unit.value as filled_quantity,
    filled.average_price,
    coalesce(filled.commission, 0) * money_unit.value as commission,
    filled.first_fill,
    filled.last_fill,
    case when order_row.is_filled then 'filled' else coalesce(final_event.name, 'working') end as status,
    case when order_row.is_filled then 'none' else coalesce(final_event.reason, 'none') end as reason,
    case when order_row.is_filled then filled.last_fill else final_event.timestamp end as ended_at,
    replacement.other as replaces
from order_row
left join filled on filled.order_id = order_row.id
left join final_event on final_event.order_id = order_row.id
left join replacement on replacement.order_id = order_row.id
left join tag on tag.id = order_row.tag
left join order_type on order_type.id = order_row.type
left join time_in_force on time_in_force.id = order_row.tif
left join commodity as instrument on instrument.id = order_row.instrument
left join commodity as money on money.id = instrument.currency
left join unit as instrument_unit on instrument_unit.scale = instrument.scale
left join unit as money_unit on money_unit.scale = money.scale
order by order_row.id;
