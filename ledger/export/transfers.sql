-- The transfers of transactions $1 to $2 in order.
select txn, debit, credit, amount, lot
from transfer
where txn between $1 and $2
order by seq;
