-- Names of the order types.
create or replace view order_type as
select id::utinyint as id, name
from (
    values
    (0, 'market'),
    (1, 'limit'),
    (2, 'stop')
) as t (id, name);
