-- The chart of accounts, and whether anything was ever posted to each.
select
    account.path,
    account.type,
    account.commodity,
    account.normal_side,
    account.instrument,
    account.floored,
    account.id in (select debit from transfer union select credit from transfer) as used
from account
order by account.id;
