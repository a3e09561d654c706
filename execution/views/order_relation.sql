-- Names of the relations of an order to an earlier one.
create or replace view order_relation as
select id::utinyint as id, name
from (
    values
    (1, 'replaces')
) as t (id, name);
