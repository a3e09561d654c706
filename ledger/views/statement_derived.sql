-- The figures that each statement should have, derived from balances and marks alone, in units. They are the sums of
-- the transactions that it covers by class of account, and its holdings at the marks of its time. A sum may exceed 64
-- bits.
create or replace view statement_derived as
with cut as (
    select distinct txn
    from statement
),

-- Transactions are grouped by the first statement that covers them.
covered as (
    select txn.id as txn, cut.txn as cut
    from txn
    asof join cut on txn.id <= cut.txn
),

movement as materialized (
    select
        leg.account,
        covered.cut,
        sum(leg.amount) as amount,
        sum(leg.amount * (leg.lot >= 0)::bigint) as in_lots
    from leg
    join covered on covered.txn = leg.txn
    group by leg.account, covered.cut
),

class as (
    select
        account.id,
        account.commodity as currency,
        account.path = 'Assets:Cash:' || money.symbol as is_cash,
        account.path like 'Assets:Margin:%' as is_restricted,
        account.type = 'liability' as is_liability,
        account.type in ('equity', 'income', 'expense', 'contra') as is_owners,
        coalesce(
            account.path in ('Assets:Positions:' || held.symbol, 'Liabilities:Short:' || held.symbol)
            or (held.id is not null and account.path like '%:Valuation'),
            false
        ) as is_carried
    from account
    join commodity as money on money.id = account.commodity and money.kind = 'currency'
    left join commodity as held on held.id = account.instrument
    where account.type != 'memo'
),

flow as (
    select
        class.currency,
        movement.cut,
        sum(movement.amount) filter (where class.is_cash) as cash,
        sum(movement.amount) filter (where class.is_restricted) as restricted,
        sum(movement.amount) filter (where class.is_liability and not class.is_carried) as liabilities,
        sum(movement.amount) filter (where not class.is_owners and not class.is_carried) as other,
        sum(movement.amount) filter (where class.is_carried) as carried,
        sum(-movement.amount) filter (where class.is_owners) as owners
    from movement
    join class on class.id = movement.account
    group by class.currency, movement.cut
),

so_far as (
    select
        money.currency,
        cut.txn,
        sum(coalesce(flow.cash, 0)) over in_order as cash,
        sum(coalesce(flow.restricted, 0)) over in_order as restricted,
        sum(coalesce(flow.liabilities, 0)) over in_order as liabilities,
        sum(coalesce(flow.other, 0)) over in_order as other,
        sum(coalesce(flow.carried, 0)) over in_order as carried,
        sum(coalesce(flow.owners, 0)) over in_order as owners
    from cut
    cross join (select distinct currency from statement) as money
    left join flow on flow.cut = cut.txn and flow.currency = money.currency
    window in_order as (partition by money.currency order by cut.txn)
),

holding_at as (
    select
        account.instrument,
        movement.cut,
        (sum(movement.in_lots) over (partition by account.instrument order by movement.cut))::bigint as quantity
    from movement
    join account on account.id = movement.account and account.commodity = account.instrument and account.type = 'asset'
),

-- The number of instruments held: those that were opened less those that were closed.
change_of_count as (
    select
        commodity.currency,
        step.cut,
        sum((step.quantity != 0)::integer - (step.before != 0)::integer) as change
    from (
        select *, lag(quantity, 1, 0) over (partition by instrument order by cut) as before
        from holding_at
    ) as step
    join commodity on commodity.id = step.instrument
    group by commodity.currency, step.cut
),

held_at as (
    select currency, cut, sum(change) over (partition by currency order by cut) as held
    from change_of_count
),

valued as (
    select statement, count(*) as marked, sum(market_value) as market_value
    from statement_holding
    group by statement
)

select
    statement.id,
    so_far.cash::decimal(38, 0) as cash,
    so_far.restricted::decimal(38, 0) as restricted,
    (so_far.other - so_far.cash - so_far.restricted - so_far.liabilities)::decimal(38, 0) as receivable,
    so_far.liabilities::decimal(38, 0) as liabilities,
    coalesce(valued.market_value, 0)::decimal(38, 0) as market_value,
    (so_far.other + coalesce(valued.market_value, 0))::decimal(38, 0) as equity,
    so_far.carried::decimal(38, 0) as carried,
    so_far.owners::decimal(38, 0) as contributed_and_earned,
    coalesce(valued.marked, 0)::bigint as marked,
    coalesce(held_at.held, 0)::bigint as held
from statement
join so_far on so_far.currency = statement.currency and so_far.txn = statement.txn
left join valued on valued.statement = statement.id
asof left join held_at on held_at.currency = statement.currency and statement.txn >= held_at.cut;
