-- Fees: the books charge exactly the commission of every fill.
create or replace view check_fees as
select
    'fill ' || fill.id as subject,
    'charged ' || coalesce(fill_booked.commission, 0) as actual,
    'commission ' || fill.commission as expected
from fill
left join fill_booked on fill_booked.fill_id = fill.id
where coalesce(fill_booked.commission, 0) != fill.commission;

create or replace view examined_fees as
select count(*) as rows
from fill;
