-- Names of the basis of a fill: the quantity or the amount of money that is exact. The other one is derived from it.
create or replace view basis as
select id::utinyint as id, name
from (
    values
    (0, 'quantity'),
    (1, 'amount')
) as t (id, name);
