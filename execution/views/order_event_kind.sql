-- Names of the order events. `is_end` marks a final status. No order is triggered yet: that is for stop-limit orders.
create or replace view order_event_kind as
select id::utinyint as id, name, is_end
from (
    values
    (1, 'cancelled', true),
    (2, 'expired', true),
    (3, 'rejected', true),
    (4, 'open_at_the_end', true),
    (5, 'triggered', false)
) as t (id, name, is_end);
