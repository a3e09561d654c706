-- Cash: the cash at the last statement plus inflows less outflows since then is the cash at the end. One side comes
-- from transfers by account number, the other from the statement of cash flows.
create or replace view check_cash as
with account_of_cash as (
    select account.id, account.commodity
    from account
    join commodity on commodity.id = account.commodity and account.path = 'Assets:Cash:' || commodity.symbol
),

opening as (
    select currency, max(txn) as txn, arg_max(cash, id) as cash
    from statement
    group by currency
),

received as (
    select account_of_cash.id, sum(transfer.amount) as amount
    from transfer
    join account_of_cash on account_of_cash.id = transfer.debit
    left join opening on opening.currency = account_of_cash.commodity
    where transfer.txn > coalesce(opening.txn, -1)
    group by account_of_cash.id
),

paid as (
    select account_of_cash.id, sum(transfer.amount) as amount
    from transfer
    join account_of_cash on account_of_cash.id = transfer.credit
    left join opening on opening.currency = account_of_cash.commodity
    where transfer.txn > coalesce(opening.txn, -1)
    group by account_of_cash.id
),

closing as (
    select
        commodity.symbol,
        (coalesce(opening.cash, 0) + coalesce(received.amount, 0) - coalesce(paid.amount, 0)) * unit.value as amount
    from account_of_cash
    join commodity on commodity.id = account_of_cash.commodity
    join unit on unit.scale = commodity.scale
    left join opening on opening.currency = account_of_cash.commodity
    left join received on received.id = account_of_cash.id
    left join paid on paid.id = account_of_cash.id
)

select
    'cash in ' || closing.symbol as subject,
    'opening and flows lead to ' || closing.amount as actual,
    'at hand ' || coalesce(cash_flow.net_flow, 0) as expected
from closing
left join cash_flow on cash_flow.commodity = closing.symbol and cash_flow.activity = 'cash at hand'
where closing.amount != coalesce(cash_flow.net_flow, 0);

create or replace view examined_cash as
select count(*) as rows
from leg
join account on account.id = leg.account and account.path like 'Assets:Cash:%';
