-- The value of one unit of a commodity at each scale, and the number of units in one whole.
create or replace view unit as
select
    scale::tinyint as scale,
    value::decimal(18, 12) as value,
    per_one::bigint as per_one
from (
    values
    (0, 1, 1),
    (1, 0.1, 10),
    (2, 0.01, 100),
    (3, 0.001, 1000),
    (4, 0.0001, 10000),
    (5, 0.00001, 100000),
    (6, 0.000001, 1000000),
    (7, 0.0000001, 10000000),
    (8, 0.00000001, 100000000),
    (9, 0.000000001, 1000000000),
    (10, 0.0000000001, 10000000000),
    (11, 0.00000000001, 100000000000),
    (12, 0.000000000001, 1000000000000)
) as t (scale, value, per_one);
