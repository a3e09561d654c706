-- Leverage: after every fill that opens or increases a position, gross exposure is at most the leverage cap times
-- equity. Both are in the fill's currency. The fill's instrument is valued at the fill's price, the others at their
-- last mark. A mark of the same timestamp may come before or after the fill within the bar. So a fill fails only if it
-- breaks the cap with these marks and with the previous ones, where all positions have them.
--
-- No policy sets `leverage_cap` yet: the check is for margin accounts.
create or replace view check_leverage as
with cap as (
    select (policies::json -> 'others' ->> 'leverage_cap')::double as leverage
    from run
    where (policies::json -> 'others' ->> 'leverage_cap') is not null
),

change as (
    select
        account.instrument,
        leg.txn,
        sum(leg.amount) as amount,
        bool_or(leg.lot >= 0) as has_cost
    from leg
    join account on account.id = leg.account and account.commodity = account.instrument and account.type = 'asset'
    where exists (select 1 from cap)
    group by account.instrument, leg.txn
),

holding_after as (
    select
        instrument,
        txn,
        sum(amount) over (partition by instrument order by txn) as quantity,
        amount,
        has_cost
    from change
),

adding as (
    select fill.id, fill.timestamp, fill.instrument, fill.price, txn.id as txn, commodity.currency
    from fill
    join txn on txn.fill_id = fill.id
    join holding_after as hold on hold.instrument = fill.instrument and hold.txn = txn.id
    join commodity on commodity.id = fill.instrument
    where abs(hold.quantity) > abs(hold.quantity - hold.amount)
        or sign(hold.quantity) = -sign(hold.quantity - hold.amount)
),

position_at_fill as (
    select valued_at.*, hold.quantity, hold.has_cost
    from (
        select adding.id, adding.timestamp, adding.txn, commodity.id as instrument,
            case when commodity.id = adding.instrument then adding.price end as price
        from adding
        join commodity on commodity.currency = adding.currency and commodity.kind = 'instrument'
    ) as valued_at
    asof join holding_after as hold on hold.instrument = valued_at.instrument and valued_at.txn >= hold.txn
    where hold.quantity != 0
),

mark_at as (
    select timestamp, instrument, arg_max(price, id) as price
    from mark
    group by timestamp, instrument
),

valued as (
    select
        holding.id,
        holding.txn,
        holding.has_cost,
        round_even(
            holding.quantity::double * coalesce(holding.price, latest.price) * instrument.multiplier
            * (money_unit.per_one::double / instrument_unit.per_one::double),
            0
        )::hugeint as worth,
        round_even(
            holding.quantity::double * coalesce(holding.price, earlier.price) * instrument.multiplier
            * (money_unit.per_one::double / instrument_unit.per_one::double),
            0
        )::hugeint as worth_before
    from position_at_fill as holding
    asof left join mark_at as latest on latest.instrument = holding.instrument and holding.timestamp >= latest.timestamp
    asof left join mark_at as earlier on earlier.instrument = holding.instrument and holding.timestamp > earlier.timestamp
    join commodity as instrument on instrument.id = holding.instrument
    join commodity as money on money.id = instrument.currency
    join unit as instrument_unit on instrument_unit.scale = instrument.scale
    join unit as money_unit on money_unit.scale = money.scale
),

-- Futures have no cost, and no value beyond the variation margin that was settled.
exposure as (
    select
        id,
        txn,
        count(*) = count(worth) as is_marked,
        count(*) = count(worth_before) as was_marked,
        sum(abs(worth)) as gross,
        sum(abs(worth_before)) as gross_before,
        sum(worth * has_cost::bigint) as value,
        sum(worth_before * has_cost::bigint) as value_before
    from valued
    group by id, txn
),

other_money as (
    select txn, currency, sum(sum(amount)) over (partition by currency order by txn) as net
    from (
        select leg.txn, leg.amount, account.commodity as currency
        from leg
        join account on account.id = leg.account and account.type in ('asset', 'liability')
        join commodity on commodity.id = account.commodity and commodity.kind = 'currency'
        left join commodity as traded on traded.id = account.instrument
        where exists (select 1 from cap)
            and not coalesce(
                account.path in ('Assets:Positions:' || traded.symbol, 'Liabilities:Short:' || traded.symbol)
                or (traded.id is not null and account.path like '%:Valuation'),
                false
            )
    )
    group by txn, currency
)

select
    'fill ' || adding.id as subject,
    'gross ' || coalesce(exposure.gross, exposure.gross_before)
    || ' on equity ' || (other_money.net + coalesce(exposure.value, exposure.value_before)) as actual,
    'at most ' || cap.leverage || ' times' as expected
from adding
join exposure on exposure.id = adding.id and exposure.txn = adding.txn
asof join other_money on other_money.currency = adding.currency and adding.txn >= other_money.txn
cross join cap
where (exposure.is_marked or exposure.was_marked)
    and (not exposure.is_marked or exposure.gross > cap.leverage * (other_money.net + exposure.value))
    and (
        not exposure.was_marked
        or exposure.gross_before > cap.leverage * (other_money.net + exposure.value_before)
    );

create or replace view examined_leverage as
select count(*) as rows
from fill
where (select policies::json -> 'others' ->> 'leverage_cap' from run) is not null;
