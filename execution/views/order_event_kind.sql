-- The names of what may become of an order, and whether that is its end.
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
