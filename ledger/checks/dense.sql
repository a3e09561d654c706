-- Dense: the numbers of each table run 0, 1, 2, ... without a gap, so nothing was taken out; every transaction
-- has transfers, which follow each other; lots are numbered in the order in which they appear.
create or replace view check_dense as
with numbered as (
    select 'commodity' as name, count(*) as n, count(distinct id) as d, min(id) as low, max(id) as high
    from commodity
    union all
    select 'account', count(*), count(distinct id), min(id), max(id)
    from account
    union all
    select 'txn', count(*), count(distinct id), min(id), max(id)
    from txn
    union all
    select 'transfer', count(*), count(distinct seq), min(seq), max(seq)
    from transfer
    union all
    select 'transaction of a transfer', count(distinct txn), count(distinct txn), min(txn), max(txn)
    from transfer
    union all
    select 'lot', count(distinct lot), count(distinct lot), min(lot), max(lot)
    from transfer
    where lot >= 0
    union all
    select 'note', count(*), count(distinct id), min(id), max(id)
    from note
    union all
    select 'mark', count(*), count(distinct id), min(id), max(id)
    from mark
    union all
    select 'statement', count(*), count(distinct id), min(id), max(id)
    from statement
)

select
    name as subject,
    n || ' rows, ' || d || ' numbers from ' || low || ' to ' || high as found,
    '0 to ' || (n - 1) || ', each once' as expected
from numbered
where n > 0 and (d != n or low != 0 or high != n - 1)
union all
select
    'transactions' as subject,
    (select count(distinct txn) from transfer) || ' have transfers' as found,
    (select count(*) from txn) || ' have' as expected
where (select count(distinct txn) from transfer) != (select count(*) from txn)
union all
select
    'transfer ' || seq as subject,
    'transaction ' || txn as found,
    'transaction ' || before || ' or the next' as expected
from (select seq, txn, lag(txn, 1, 0) over (order by seq) as before from transfer)
where txn not in (before, before + 1)
union all
select
    'lot ' || lot as subject,
    'first moved by transfer ' || first_seq as found,
    'after every lot with a lower number' as expected
from (
    select lot, first_seq, max(first_seq) over (order by lot rows between unbounded preceding and 1 preceding) as before
    from (select lot, min(seq) as first_seq from transfer where lot >= 0 group by lot)
)
where first_seq <= before;

create or replace view examined_dense as
select (select count(*) from transfer) + (select count(*) from txn) as rows;
