-- The names of how long an order is good for. A target's is good for the next bar of its instrument.
create or replace view time_in_force as
select id::utinyint as id, name
from (
    values
    (0, 'gtc'),
    (1, 'day'),
    (2, 'target')
) as t (id, name);
