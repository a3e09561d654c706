-- Every account's balance, on its debit or credit side. Total debits equal total credits in each commodity.
create or replace view trial_balance as
select
    path as account,
    commodity,
    greatest(amount, 0) as debit,
    greatest(-amount, 0) as credit
from balance
order by commodity, account;
