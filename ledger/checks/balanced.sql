-- Balanced: every transfer moves more than zero between two accounts of one commodity, a memo against a memo, and the
-- postings of each commodity sum to zero.
create or replace view check_balanced as
select 'transfer ' || transfer.seq as subject, 'amount ' || transfer.amount as actual, 'above zero' as expected
from transfer
where transfer.amount <= 0
union all
select
    'transfer ' || transfer.seq as subject,
    debit.path || ' and ' || credit.path as actual,
    'two accounts of one commodity, both memos or neither' as expected
from transfer
join account as debit on debit.id = transfer.debit
join account as credit on credit.id = transfer.credit
where debit.commodity != credit.commodity
    or transfer.debit = transfer.credit
    or (debit.type = 'memo') != (credit.type = 'memo')
union all
select 'commodity ' || commodity as subject, 'sum ' || sum(amount) as actual, 'sum 0' as expected
from balance
group by commodity
having sum(amount) != 0;

create or replace view examined_balanced as
select count(*) as rows
from transfer;
