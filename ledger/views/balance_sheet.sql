-- Assets, liabilities and equity, each currency by itself, at cost plus valuation allowances. Income and expenses not
-- yet closed are current earnings. Currency bought with another (Trading:FX) is part of equity, so that assets equal
-- liabilities plus equity in every currency.
create or replace view balance_sheet as
with line as (
    select
        case type when 'asset' then 'Assets' when 'liability' then 'Liabilities' else 'Equity' end as section,
        case when type in ('income', 'expense') then 'Equity:CurrentEarnings' else path end as account,
        commodity,
        sum(case when type = 'asset' then amount else -amount end)::decimal(37, 12) as amount
    from balance
    where is_money and type != 'memo'
    group by all
),

listed as (
    select section, account, commodity, amount
    from line
    union all
    select section, 'Total' as account, commodity, sum(amount)::decimal(37, 12) as amount
    from line
    group by section, commodity
)

select section, account, commodity, amount
from listed
order by
    commodity,
    case section when 'Assets' then 1 when 'Liabilities' then 2 else 3 end,
    account = 'Total',
    account;
