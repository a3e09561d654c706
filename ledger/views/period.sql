-- Equity and net external flow of each statement period. The flow since the previous statement is below zero where
-- money was withdrawn. It consists of contributions, withdrawals, and purchases or sales of the currency for another.
create or replace view period as
with stated as (
    select *
    from statement
    where getvariable('as_of') is null or timestamp <= getvariable('as_of')
),

closing as (
    select txn.id
    from txn
    left join txn as reversed on reversed.id = txn.reverses
    join kind on kind.id = coalesce(reversed.kind, txn.kind)
    where kind.name = 'close'
),

net_flow as (
    select leg.txn, account.commodity as currency, sum(-leg.amount) as amount
    from leg
    join account on account.id = leg.account and account.type in ('equity', 'contra')
    join commodity on commodity.id = account.commodity and commodity.kind = 'currency'
    where leg.txn not in (select id from closing)
    group by leg.txn, account.commodity
),

-- Where several statements cover the same transactions, the flows belong to the first of them.
cut as (
    select currency, txn, min(id) as id
    from stated
    group by currency, txn
),

flow as (
    select cut.id, sum(net_flow.amount) as amount
    from net_flow
    asof join cut on cut.currency = net_flow.currency and net_flow.txn <= cut.txn
    group by cut.id
)

select
    stated.id as statement,
    stated.timestamp,
    money.symbol as currency,
    stated.equity * unit.value as equity,
    (coalesce(flow.amount, 0) * unit.value)::decimal(37, 12) as net_flow
from stated
join commodity as money on money.id = stated.currency
join unit on unit.scale = money.scale
left join flow on flow.id = stated.id
order by stated.id;
