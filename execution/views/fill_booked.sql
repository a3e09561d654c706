-- What the transactions of each fill moved, in units: of the instrument, of money between it and the street
-- (gross), and of commission. A correction and what replaces it carry the same fill, and add up.
create or replace view fill_booked as
with part as (
    select
        txn.fill_id,
        transfer.amount,
        debit.commodity = debit.instrument and debit.type = 'asset' as into_units,
        credit.commodity = credit.instrument and credit.type = 'asset' as out_of_units,
        debit.instrument >= 0 and debit.type in ('asset', 'liability') and credit.instrument < 0
        and transfer.lot >= 0 as paid,
        credit.instrument >= 0 and credit.type in ('asset', 'liability') and debit.instrument < 0
        and transfer.lot >= 0 as received,
        debit.path in ('Expenses:Commissions', 'Income:Rebates') as charged,
        credit.path in ('Expenses:Commissions', 'Income:Rebates') as refunded
    from transfer
    join txn on txn.id = transfer.txn and txn.fill_id >= 0
    join account as debit on debit.id = transfer.debit
    join account as credit on credit.id = transfer.credit
)

select
    fill_id,
    sum(amount * (into_units::integer - out_of_units::integer))::bigint as units,
    sum(amount * (paid::integer - received::integer))::bigint as gross,
    sum(amount * (charged::integer - refunded::integer))::bigint as commission,
    bool_or(paid or received) as has_cost
from part
group by fill_id;
