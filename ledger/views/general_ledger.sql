-- Every posting in order, account by account, with the account posted against and the balance after it.
create or replace view general_ledger as
select
    account.path as account,
    commodity.symbol as commodity,
    leg.seq,
    leg.txn,
    txn.timestamp,
    kind.name as kind,
    contra.path as against,
    greatest(leg.amount, 0) * unit.value as debit,
    greatest(-leg.amount, 0) * unit.value as credit,
    (
        sum(leg.amount) over (partition by leg.account order by leg.seq)
    )::bigint * unit.value as balance,
    note.text as note
from leg
join transfer on transfer.seq = leg.seq
join account on account.id = leg.account
join account as contra
    on contra.id = case when leg.amount > 0 then transfer.credit else transfer.debit end
join txn on txn.id = leg.txn
join kind on kind.id = txn.kind
join commodity on commodity.id = account.commodity
join unit on unit.scale = commodity.scale
left join note on note.txn = leg.txn
order by account, commodity, leg.seq;
