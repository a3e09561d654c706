-- Every leg by name and in exact decimals: debit above zero, credit below.
create or replace view posting as
select
    leg.seq,
    leg.txn,
    txn.timestamp,
    kind.name as kind,
    account.path as account,
    commodity.symbol as commodity,
    leg.amount * unit.value as amount,
    leg.lot
from leg
join txn on txn.id = leg.txn
join kind on kind.id = txn.kind
join account on account.id = leg.account
join commodity on commodity.id = account.commodity
join unit on unit.scale = commodity.scale
order by leg.seq, leg.amount < 0;
