-- The balance of each account, in units and in exact decimals: debit above zero. Accounts without postings are left
-- out.
create or replace view balance as
select
    account.id as account,
    account.path,
    account.type,
    account.normal_side,
    account.instrument,
    commodity.symbol as commodity,
    commodity.kind = 'currency' as is_money,
    total.units,
    total.units * unit.value as amount
from (
    select account, sum(amount)::bigint as units
    from leg
    group by account
) as total
join account on account.id = total.account
join commodity on commodity.id = account.commodity
join unit on unit.scale = commodity.scale;
