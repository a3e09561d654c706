-- Cash inflows and outflows by activity and kind of transaction. The last line of a currency is the cash at hand. A
-- transfer between cash and restricted cash appears under the kind of transaction that caused it. Total flows may
-- exceed 64 bits, so whole units and their fractions become decimals separately.
create or replace view cash_flow as
with total as (
    select
        commodity.symbol as commodity,
        kind.activity,
        kind.name as kind,
        sum(greatest(leg.amount, 0)) as inflow_units,
        sum(greatest(-leg.amount, 0)) as outflow_units,
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
        ((inflow_units // per_one)::decimal(25, 0) + (inflow_units % per_one)::bigint * unit)::decimal(37, 12) as inflow,
        ((outflow_units // per_one)::decimal(25, 0) + (outflow_units % per_one)::bigint * unit)::decimal(37, 12) as outflow
    from total
),

listed as (
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
)

select commodity, activity, kind, inflow, outflow, net_flow
from listed
order by commodity, activity = 'cash at hand', activity, kind;
