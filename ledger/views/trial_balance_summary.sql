-- The trial balance in money, with the accounts of all instruments taken together: Assets:Positions for every
-- Assets:Positions:ACME. Total debits equal total credits in each currency.
create or replace view trial_balance_summary as
select
    account,
    commodity,
    greatest(sum(amount), 0) as debit,
    greatest(-sum(amount), 0) as credit
from (
    select
        case
            when held.id is null then balance.path
            else rtrim(replace(balance.path || ':', ':' || held.symbol || ':', ':'), ':')
        end as account,
        balance.commodity,
        balance.amount
    from balance
    left join commodity as held on held.id = balance.instrument
    where balance.is_money
)
group by account, commodity
order by commodity, account;
