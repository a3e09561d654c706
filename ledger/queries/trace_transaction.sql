-- The transactions that an order, a fill or a transaction caused ($1 names which, $2 its number). It includes those
-- that they reverse and those that reverse them, each with the block that seals it.
with selection as (
    select id, reverses
    from txn
    where case $1 when 'order' then order_id when 'fill' then fill_id else id end = $2
)

select
    txn.id as txn,
    txn.timestamp,
    kind.name as kind,
    coalesce(instrument.symbol, '') as symbol,
    coalesce(note.text, '') as note,
    txn.order_id,
    txn.fill_id,
    txn.reverses,
    coalesce(reversal.id, -1) as reversed_by,
    coalesce(seal.block, -1) as block,
    coalesce(seal.digest, '') as digest
from txn
left join kind on kind.id = txn.kind
left join commodity as instrument on instrument.id = txn.instrument
left join note on note.txn = txn.id
left join txn as reversal on reversal.reverses = txn.id
left join seal on txn.id between seal.first_txn and seal.last_txn
where
    txn.id in (select id from selection)
    or txn.id in (select reverses from selection)
    or txn.reverses in (select id from selection)
order by txn.id;
