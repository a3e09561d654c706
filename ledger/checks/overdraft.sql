-- No overdraft: after every transaction, no floored account is below zero on its normal side.
create or replace view check_overdraft as
with movement as (
    select
        leg.account,
        leg.txn,
        sum(case when account.normal_side = 'debit' then leg.amount else -leg.amount end) as amount
    from leg
    join account on account.id = leg.account and account.floored
    group by leg.account, leg.txn
),

running as (
    select account, txn, sum(amount) over (partition by account order by txn) as balance
    from movement
)

select
    'transaction ' || running.txn as subject,
    account.path || ' at ' || running.balance as actual,
    'not below 0' as expected
from running
join account on account.id = running.account
where running.balance < 0;

create or replace view examined_overdraft as
select count(*) as rows
from leg
join account on account.id = leg.account and account.floored;
