-- Income less expenses, each currency by itself. Transactions that close a year are left out, or no income would remain
-- after them. So are the reversals of such transactions.
create or replace view income_statement as
with total as (
    select
        account.path,
        account.type,
        commodity.symbol as commodity,
        -sum(leg.amount) as units,
        any_value(unit.per_one) as per_one,
        any_value(unit.value) as unit
    from leg
    join account on account.id = leg.account and account.type in ('income', 'expense')
    join commodity on commodity.id = account.commodity
    join unit on unit.scale = commodity.scale
    where leg.txn not in (
        select txn.id
        from txn
        left join txn as reversed on reversed.id = txn.reverses
        join kind on kind.id = coalesce(reversed.kind, txn.kind)
        where kind.name = 'close'
    )
    group by account.path, account.type, commodity.symbol
),

-- The total of several years may exceed 64 bits, so whole units and their fractions become decimals separately.
earned as (
    select
        path,
        type,
        commodity,
        ((units // per_one)::decimal(25, 0) + (units % per_one)::bigint * unit)::decimal(37, 12) as amount
    from total
),

listed as (
    select
        case when type = 'income' then 'Income' else 'Expenses' end as section,
        path as account,
        commodity,
        case when type = 'income' then amount else -amount end as amount
    from earned
    union all
    select
        case when type = 'income' then 'Income' else 'Expenses' end as section,
        'Total' as account,
        commodity,
        sum(case when type = 'income' then amount else -amount end)::decimal(37, 12) as amount
    from earned
    group by all
    union all
    select
        'Net income' as section,
        'Total' as account,
        commodity,
        sum(amount)::decimal(37, 12) as amount
    from earned
    group by commodity
)

select section, account, commodity, amount
from listed
order by
    commodity,
    case section when 'Income' then 1 when 'Expenses' then 2 else 3 end,
    account = 'Total',
    account;
