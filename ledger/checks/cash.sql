-- Cash: the cash at the last statement, plus what came in since, less what went out, is the cash at the end;
-- from transfers by account number on one side, from the statement of cash flows on the other.
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

closing as (
    select
        account_of_cash.commodity,
        coalesce(any_value(opening.cash), 0)
        + coalesce(
            sum(
                case when transfer.debit = account_of_cash.id then transfer.amount else -transfer.amount end
            ) filter (where transfer.txn > coalesce(opening.txn, -1)),
            0
        ) as units
    from account_of_cash
    left join opening on opening.currency = account_of_cash.commodity
    left join transfer on account_of_cash.id in (transfer.debit, transfer.credit)
    group by account_of_cash.commodity
)

select
    'cash in ' || commodity.symbol as subject,
    'opening and flows lead to ' || (closing.units::bigint * unit.value) as found,
    'at hand ' || coalesce(cash_flow.net, 0) as expected
from closing
join commodity on commodity.id = closing.commodity
join unit on unit.scale = commodity.scale
left join cash_flow on cash_flow.commodity = commodity.symbol and cash_flow.activity = 'cash at hand'
where closing.units::bigint * unit.value != coalesce(cash_flow.net, 0);

create or replace view examined_cash as
select coalesce(sum(1), 0)::bigint as rows
from transfer
join account on account.id in (transfer.debit, transfer.credit) and account.path like 'Assets:Cash:%';
