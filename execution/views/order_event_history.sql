-- Every order event with its name and reason.
create or replace view order_event_history as
select
    order_event.id,
    order_event.order_id,
    order_event.timestamp,
    kind.name as event,
    reason.name as reason
from order_event
left join order_event_kind as kind on kind.id = order_event.event
left join reason on reason.id = order_event.reason
where getvariable('as_of') is null or order_event.timestamp <= getvariable('as_of')
order by order_event.id;
