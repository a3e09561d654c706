-- Leverage: after every fill that adds to a position, gross exposure is within the leverage cap of the run's
-- policy times equity; the fill's instrument at the fill's price, the others at their last mark.
create or replace view check_leverage as
with cap as (
    select (policies::json -> 'others' ->> 'leverage_cap')::double as leverage
    from run
    where (policies::json -> 'others' ->> 'leverage_cap') is not null
),

change as (
    select account.instrument, leg.txn, sum(leg.amount)::bigint as amount
    from leg
    join account on account.id = leg.account and account.commodity = account.instrument and account.type = 'asset'
    where exists (select 1 from cap)
    group by account.instrument, leg.txn
),

holding_after as (
    select
        instrument,
        txn,
        (sum(amount) over (partition by instrument order by txn))::bigint as quantity,
        amount
    from change
),

adding as (
    select fill.id, fill.ts, fill.instrument, fill.price, txn.id as txn
    from fill
    join txn on txn.fill_id = fill.id
    join holding_after on holding_after.instrument = fill.instrument and holding_after.txn = txn.id
    where abs(holding_after.quantity) > abs(holding_after.quantity - holding_after.amount)
),

held as (
    select
        wanted.id,
        wanted.ts,
        wanted.txn,
        wanted.instrument,
        holding_after.quantity,
        wanted.price
    from (
        select adding.id, adding.ts, adding.txn, i.instrument,
            case when i.instrument = adding.instrument then adding.price end as price
        from adding
        cross join (select distinct instrument from change) as i
    ) as wanted
    asof join holding_after
        on holding_after.instrument = wanted.instrument and wanted.txn >= holding_after.txn
    where holding_after.quantity != 0
),

valued as (
    select
        held.id,
        held.txn,
        round_even(
            held.quantity::double * coalesce(held.price, mark.price) * instrument.multiplier
            * (money_unit.per_one::double / instrument_unit.per_one::double),
            0
        )::bigint as worth
    from held
    asof left join (
        select ts, instrument, arg_max(price, id) as price from mark group by ts, instrument
    ) as mark
        on mark.instrument = held.instrument and held.ts >= mark.ts
    join commodity as instrument on instrument.id = held.instrument
    join commodity as money on money.id = instrument.currency
    join unit as instrument_unit on instrument_unit.scale = instrument.scale
    join unit as money_unit on money_unit.scale = money.scale
),

other_money as (
    select txn, sum(sum(amount)) over (order by txn) as net
    from (
        select leg.txn, leg.amount
        from leg
        join account on account.id = leg.account and account.type in ('asset', 'liability')
        join commodity on commodity.id = account.commodity and commodity.kind = 'currency'
        left join commodity as held on held.id = account.instrument
        where exists (select 1 from cap)
            and not coalesce(
                account.path in ('Assets:Positions:' || held.symbol, 'Liabilities:Short:' || held.symbol)
                or account.path like '%:Valuation',
                false
            )
    )
    group by txn
)

select
    'fill ' || valued.id as subject,
    'gross ' || sum(abs(valued.worth)) || ' on equity ' || (any_value(other_money.net) + sum(valued.worth)) as found,
    'at most ' || any_value(cap.leverage) || ' times' as expected
from valued
join other_money on other_money.txn = valued.txn
cross join cap
group by valued.id, valued.txn
having sum(abs(valued.worth)) > any_value(cap.leverage) * (any_value(other_money.net) + sum(valued.worth));

create or replace view examined_leverage as
select count(*) as rows
from fill
where (select policies::json -> 'others' ->> 'leverage_cap' from run) is not null;
