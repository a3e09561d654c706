-- Transactions $1 to $2 in order, with their notes.
select
    txn.id,
    txn.timestamp::varchar as moment,
    coalesce(kind.name, 'kind ' || txn.kind) as kind,
    txn.order_id,
    txn.fill_id,
    txn.reverses,
    coalesce(notes.text, '') as note
from txn
left join kind on kind.id = txn.kind
left join (
    select txn, string_agg(text, chr(10) order by id) as text
    from note
    where txn between $1 and $2
    group by txn
) as notes on notes.txn = txn.id
where txn.id between $1 and $2
order by txn.id;
