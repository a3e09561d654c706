-- Names of the reasons why an order ended unfilled.
create or replace view reason as
select id::utinyint as id, name
from (
    values
    (0, 'none'),
    (1, 'no_bar'),
    (2, 'quantity_out_of_range'),
    (3, 'no_volume'),
    (4, 'insufficient_position'),
    (5, 'insufficient_cash'),
    (6, 'dust'),
    (7, 'instrument_ended'),
    (8, 'run_stopped'),
    (9, 'below_one_step')
) as t (id, name);
