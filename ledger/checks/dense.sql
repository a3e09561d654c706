-- Dense: the numbers of each table run 0, 1, 2, ... without a gap, so no row was removed. Every transaction has
-- transfers, which follow each other. Lots are numbered in order of appearance.
create or replace view check_dense as
with numbered as (
    select 'commodity' as name, id, lag(id, 1, -1) over (order by id) as before
    from commodity
    union all
    select 'account', id, lag(id, 1, -1) over (order by id)
    from account
    union all
    select 'transaction', id, lag(id, 1, -1) over (order by id)
    from txn
    union all
    select 'note', id, lag(id, 1, -1) over (order by id)
    from note
    union all
    select 'mark', id, lag(id, 1, -1) over (order by id)
    from mark
    union all
    select 'statement', id, lag(id, 1, -1) over (order by id)
    from statement
),

followed as (
    select seq, txn, lag(seq, 1, -1) over in_order as seq_before, lag(txn, 1, -1) over in_order as txn_before
    from transfer
    window in_order as (order by seq)
),

appeared as (
    select lot, first_seq, lag(lot, 1, -1) over (order by first_seq, lot) as before
    from (select lot, min(seq) as first_seq from transfer where lot >= 0 group by lot)
)

select name as subject, 'number ' || id as actual, 'number ' || (before + 1) as expected
from numbered
where id != before + 1
union all
select
    'transfer' as subject,
    'number ' || seq || ' of transaction ' || txn as actual,
    'number ' || (seq_before + 1) || ' of transaction ' || greatest(txn_before, 0) || ' or ' || (txn_before + 1) as expected
from followed
where seq != seq_before + 1 or txn not in (txn_before, txn_before + 1) or txn < 0
union all
select
    'transactions' as subject,
    (select coalesce(max(txn) + 1, 0) from transfer) || ' have transfers' as actual,
    (select count(*) from txn) || ' have' as expected
where (select coalesce(max(txn) + 1, 0) from transfer) != (select count(*) from txn)
union all
select 'lot' as subject, 'number ' || lot as actual, 'number ' || (before + 1) as expected
from appeared
where lot != before + 1;

create or replace view examined_dense as
select (select count(*) from transfer) + (select count(*) from txn) as rows;
