-- The chart of accounts. The last column is true where an account has postings.
select
    account.id,
    account.path,
    account.type,
    account.commodity,
    account.normal_side,
    account.instrument,
    account.floored,
    account.id in (select debit from transfer union select credit from transfer) as is_used
from account
order by account.id;
