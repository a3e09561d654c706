-- Margin: the requirement and its contra account mirror each other, and the proceeds restricted for a short sale never
-- exceed its liability.
create or replace view check_margin as
select
    'requirement in ' || commodity as subject,
    'required and contra sum to ' || sum(amount) as actual,
    '0' as expected
from balance
where path in ('Memo:Margin:Required', 'Memo:Margin:Contra')
group by commodity
having sum(amount) != 0
union all
select
    'short sale of ' || commodity.symbol as subject,
    'restricted ' || coalesce(sum(balance.units) filter (where balance.type = 'asset'), 0) as actual,
    'at most ' || -coalesce(sum(balance.units) filter (where balance.type = 'liability'), 0) as expected
from balance
join commodity
    on commodity.id = balance.instrument
    and balance.path in ('Assets:Margin:ShortProceeds:' || commodity.symbol, 'Liabilities:Short:' || commodity.symbol)
group by commodity.symbol
having sum(balance.units) > 0;

create or replace view examined_margin as
select count(*) as rows
from balance
where path like 'Memo:Margin:%' or path like 'Assets:Margin:%';
