-- Time: no record is dated before an earlier record.
create or replace view check_time as
with recorded as (
    select 'transaction' as name, id, timestamp, lag(timestamp) over (order by id) as before
    from txn
    union all
    select 'mark', id, timestamp, lag(timestamp) over (order by id)
    from mark
    union all
    select 'statement', id, timestamp, lag(timestamp) over (order by id)
    from statement
)

select name || ' ' || id as subject, timestamp::varchar as actual, 'not before ' || before as expected
from recorded
where timestamp < before;

create or replace view examined_time as
select (select count(*) from txn) + (select count(*) from mark) + (select count(*) from statement) as rows;
