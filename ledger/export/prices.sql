-- The last mark of each instrument on each day: what one unit is worth in its currency.
select mark.timestamp::date::varchar as day, mark.instrument, arg_max(mark.price, mark.id) as price
from mark
group by mark.timestamp::date, mark.instrument
order by day, mark.instrument;
