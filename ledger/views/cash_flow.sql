-- Where cash came from and where it went, by activity and kind of transaction; the last line of a currency is
-- the cash at hand. What moves between cash and restricted cash appears as what caused it. What flowed may be
-- more than 64 bits hold, so whole units and their fractions become decimals apart.
create or replace view cash_flow as
with total as (
    select
        commodity.symbol as commodity,
        kind.activity,
        kind.name as kind,
        sum(greatest(leg.amount, 0)) as came,
        sum(greatest(-leg.amount, 0)) as went,
        any_value(unit.per_one) as per_one,
        any_value(unit.value) as unit
    from leg
    join account on account.id = leg.account and account.path = 'Assets:Cash:' || (
        select c.symbol from commodity as c where c.id = account.commodity
    )
    join txn on txn.id = leg.txn
    join kind on kind.id = txn.kind
    join commodity on commodity.id = account.commodity
    join unit on unit.scale = commodity.scale
    group by all
),

flow as (
    select
        commodity,
        activity,
        kind,
        ((came // per_one)::decimal(25, 0) + (came % per_one)::bigint * unit)::decimal(37, 12) as inflow,
        ((went // per_one)::decimal(25, 0) + (went % per_one)::bigint * unit)::decimal(37, 12) as outflow
    from total
)

select commodity, activity, kind, inflow, outflow, (inflow - outflow)::decimal(37, 12) as net_flow
from flow
union all
select
    commodity,
    'cash at hand' as activity,
    '' as kind,
    sum(inflow)::decimal(37, 12) as inflow,
    sum(outflow)::decimal(37, 12) as outflow,
    sum(inflow - outflow)::decimal(37, 12) as net_flow
from flow
group by commodity
order by commodity, activity = 'cash at hand', activity, kind;
