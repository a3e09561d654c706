-- Each transfer as its two signed legs, in units: debit above zero, credit below. The variable `as_of`, where it is
-- set, limits the legs to that time. Transactions are in order of time, so a time corresponds to a last transaction.
create or replace view leg as
select seq, txn, debit as account, amount, lot
from transfer
where getvariable('as_of') is null
    or txn <= (select coalesce(max(id), -1) from txn where timestamp <= getvariable('as_of'))
union all
select seq, txn, credit as account, -amount as amount, lot
from transfer
where getvariable('as_of') is null
    or txn <= (select coalesce(max(id), -1) from txn where timestamp <= getvariable('as_of'));
