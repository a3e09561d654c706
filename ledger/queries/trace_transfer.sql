-- The transfers of some transactions ($1) by name and in exact decimals, in the order of posting.
select
    transfer.txn,
    debit.path as debit,
    credit.path as credit,
    transfer.amount * unit.value as amount,
    commodity.symbol as commodity,
    transfer.lot
from transfer
join account as debit on debit.id = transfer.debit
join account as credit on credit.id = transfer.credit
join commodity on commodity.id = debit.commodity
join unit on unit.scale = commodity.scale
where list_contains($1, transfer.txn)
order by transfer.seq;
