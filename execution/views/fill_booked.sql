-- The amounts that the transactions of each fill moved: units of its instrument, gross money, and commission in its
-- currency. `strays` counts transfers of another instrument. A correction and its replacement have the same fill and
-- add up.
create or replace view fill_booked as
with part as (
    select
        fill.id as fill_id,
        fill.instrument,
        transfer.amount,
        transfer.lot >= 0 as in_lot,
        case when debit.commodity = debit.instrument and debit.type = 'asset' then debit.instrument end as into_units,
        case when credit.commodity = credit.instrument and credit.type = 'asset' then credit.instrument end as out_of_units,
        debit.instrument >= 0 and debit.type in ('asset', 'liability') and credit.instrument < 0 as paid,
        credit.instrument >= 0 and credit.type in ('asset', 'liability') and debit.instrument < 0 as received,
        debit.path in ('Expenses:Commissions', 'Income:Rebates') and debit.commodity = traded.currency as charged,
        credit.path in ('Expenses:Commissions', 'Income:Rebates') and credit.commodity = traded.currency as refunded
    from transfer
    join txn on txn.id = transfer.txn and txn.fill_id >= 0
    join fill on fill.id = txn.fill_id
    join commodity as traded on traded.id = fill.instrument
    join account as debit on debit.id = transfer.debit
    join account as credit on credit.id = transfer.credit
)

select
    fill_id,
    sum(
        amount * (coalesce(into_units = instrument, false)::integer - coalesce(out_of_units = instrument, false)::integer)
    )::bigint as units,
    sum(amount * (in_lot and paid)::integer - amount * (in_lot and received)::integer)::bigint as gross,
    sum(amount * (charged::integer - refunded::integer))::bigint as commission,
    bool_or(in_lot and coalesce(into_units, out_of_units) is not null) as has_cost,
    count(*) filter (where coalesce(into_units, out_of_units) != instrument) as strays
from part
group by fill_id;
