-- What each statement has to say, from balances and marks alone, in units: the sums of the transactions that
-- it covers by class of account, and its holdings at the marks of its time.
create or replace view statement_derived as
with stop as (
    select currency, txn, min(id) as id
    from statement
    group by currency, txn
),

class as (
    select
        account.id,
        account.commodity as currency,
        account.path = 'Assets:Cash:' || money.symbol as is_cash,
        account.type in ('equity', 'income', 'expense', 'contra') as is_owners,
        coalesce(
            account.path in ('Assets:Positions:' || held.symbol, 'Liabilities:Short:' || held.symbol)
            or account.path like '%:Valuation',
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
        leg.txn,
        coalesce(sum(leg.amount) filter (where class.is_cash), 0)::bigint as cash,
        coalesce(sum(leg.amount) filter (where not class.is_owners and not class.is_carried), 0)::bigint as other,
        coalesce(sum(leg.amount) filter (where class.is_carried), 0)::bigint as carried,
        coalesce(sum(-leg.amount) filter (where class.is_owners), 0)::bigint as owners
    from leg
    join class on class.id = leg.account
    where exists (select 1 from statement)
    group by class.currency, leg.txn
),

at_stop as (
    select
        stop.currency,
        stop.txn,
        sum(coalesce(total.cash, 0)) over so_far as cash,
        sum(coalesce(total.other, 0)) over so_far as other,
        sum(coalesce(total.carried, 0)) over so_far as carried,
        sum(coalesce(total.owners, 0)) over so_far as owners
    from stop
    left join (
        select
            stop.id,
            sum(flow.cash) as cash,
            sum(flow.other) as other,
            sum(flow.carried) as carried,
            sum(flow.owners) as owners
        from flow
        asof join stop on stop.currency = flow.currency and flow.txn <= stop.txn
        group by stop.id
    ) as total on total.id = stop.id
    window so_far as (partition by stop.currency order by stop.txn)
),

change as (
    select
        account.instrument,
        leg.txn,
        sum(leg.amount)::bigint as amount
    from leg
    join account on account.id = leg.account and account.commodity = account.instrument and account.type = 'asset'
    where leg.lot >= 0 and exists (select 1 from statement)
    group by account.instrument, leg.txn
),

holding_after as (
    select instrument, txn, (sum(amount) over (partition by instrument order by txn))::bigint as quantity
    from change
),

opened_or_closed as (
    select
        commodity.currency,
        moved.txn,
        sum((moved.quantity != 0)::integer - (moved.before != 0)::integer) as opened
    from (
        select *, lag(quantity, 1, 0) over (partition by instrument order by txn) as before
        from holding_after
    ) as moved
    join commodity on commodity.id = moved.instrument
    group by commodity.currency, moved.txn
),

held_after as (
    select currency, txn, sum(opened) over (partition by currency order by txn) as held
    from opened_or_closed
),

mark_at as (
    select mark.ts, mark.instrument, commodity.currency, arg_max(mark.price, mark.id) as price
    from mark
    join commodity on commodity.id = mark.instrument
    group by mark.ts, mark.instrument, commodity.currency
),

priced as (
    select statement.id, statement.txn, mark_at.instrument, mark_at.price
    from statement
    join mark_at on mark_at.ts = statement.ts and mark_at.currency = statement.currency
),

valued as (
    select
        priced.id,
        count(*) filter (where holding_after.quantity != 0) as marked,
        sum(
            round_even(
                holding_after.quantity::double * priced.price * commodity.multiplier
                * (money_unit.per_one::double / instrument_unit.per_one::double),
                0
            )::bigint
        ) as market_value
    from priced
    asof join holding_after
        on holding_after.instrument = priced.instrument and priced.txn >= holding_after.txn
    join commodity on commodity.id = priced.instrument
    join commodity as money on money.id = commodity.currency
    join unit as instrument_unit on instrument_unit.scale = commodity.scale
    join unit as money_unit on money_unit.scale = money.scale
    group by priced.id
)

select
    statement.id,
    at_stop.cash::bigint as cash,
    coalesce(valued.market_value, 0)::bigint as market_value,
    (at_stop.other + coalesce(valued.market_value, 0))::bigint as equity,
    at_stop.carried::bigint as carried,
    at_stop.owners::bigint as contributed_and_earned,
    coalesce(valued.marked, 0)::bigint as marked,
    coalesce(held_after.held, 0)::bigint as held
from statement
join at_stop on at_stop.currency = statement.currency and at_stop.txn = statement.txn
left join valued on valued.id = statement.id
asof left join held_after on held_after.currency = statement.currency and statement.txn >= held_after.txn;
