-- Names of the times in force of an order. A target order is good for the next bar of its instrument.
create or replace view time_in_force as
select id::utinyint as id, name
from (
    values
    (0, 'gtc'),
    (1, 'day'),
    (2, 'target')
) as t (id, name);
