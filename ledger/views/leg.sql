-- Each transfer as its two signed legs, in units: debit above zero, credit below. As of the variable
-- `as_of` where it is set; transactions are in order of time, so that moment is a number.
create or replace view leg as
with moment as (
    select
        case
            when getvariable('as_of') is null then 9223372036854775807
            else coalesce((select max(id) from txn where ts <= getvariable('as_of')), -1)
        end as last_txn
)

select seq, txn, debit as account, amount, lot
from transfer
where txn <= (select last_txn from moment)
union all
select seq, txn, credit as account, -amount as amount, lot
from transfer
where txn <= (select last_txn from moment);
