-- References: every account, commodity, instrument, kind and transaction that a row refers to exists, and (path, commodity)
-- names one account.
create or replace view check_references as
select 'transfer ' || seq as subject, 'account ' || account as actual, 'in the chart' as expected
from leg
anti join account on account.id = leg.account
union all
select 'transaction ' || txn.id as subject, 'kind ' || txn.kind as actual, 'a known kind' as expected
from txn
anti join kind on kind.id = txn.kind
union all
select
    'transaction ' || txn.id as subject,
    'instrument ' || txn.instrument as actual,
    'a declared instrument' as expected
from txn
anti join commodity on commodity.id = txn.instrument and commodity.kind = 'instrument'
where txn.instrument != -1
union all
select 'transaction ' || id as subject, 'reverses ' || reverses as actual, 'an earlier one' as expected
from txn
where reverses >= id or reverses < -1
union all
select
    'account ' || account.id as subject,
    'commodity ' || account.commodity || ', instrument ' || account.instrument as actual,
    'declared ones' as expected
from account
where account.commodity not in (select id from commodity)
    or (account.instrument != -1 and account.instrument not in (select id from commodity))
union all
select
    'account ' || path as subject,
    count(*) || ' in commodity ' || commodity as actual,
    'one' as expected
from account
group by path, commodity
having count(*) > 1
union all
select kind || ' ' || symbol as subject, count(*) || ' of that symbol' as actual, 'one' as expected
from commodity
group by kind, symbol
having count(*) > 1
union all
select 'mark ' || mark.id as subject, 'instrument ' || mark.instrument as actual, 'a declared instrument' as expected
from mark
anti join commodity on commodity.id = mark.instrument and commodity.kind = 'instrument'
union all
select
    'statement ' || statement.id as subject,
    'currency ' || statement.currency || ', transaction ' || statement.txn as actual,
    'a declared currency and a posted transaction' as expected
from statement
left join commodity on commodity.id = statement.currency and commodity.kind = 'currency'
where commodity.id is null or statement.txn < -1 or statement.txn >= (select count(*) from txn)
union all
select 'note ' || note.id as subject, 'transaction ' || note.txn as actual, 'a posted transaction' as expected
from note
anti join txn on txn.id = note.txn;

create or replace view examined_references as
select
    (select count(*) from transfer) + (select count(*) from txn)
    + (select count(*) from account) + (select count(*) from commodity) as rows;
