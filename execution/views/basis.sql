-- The names of what is given of a fill: how many units, or how much money, from which the other is found.
create or replace view basis as
select id::utinyint as id, name
from (
    values
    (0, 'quantity'),
    (1, 'amount')
) as t (id, name);
