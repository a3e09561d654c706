-- All findings of the ledger's own checks. The books are proved if there are none.
create or replace view proof as
select 'balanced' as name, subject, actual, expected
from check_balanced
union all
select 'dense', subject, actual, expected
from check_dense
union all
select 'time', subject, actual, expected
from check_time
union all
select 'references', subject, actual, expected
from check_references
union all
select 'lots', subject, actual, expected
from check_lots
union all
select 'cash', subject, actual, expected
from check_cash
union all
select 'overdraft', subject, actual, expected
from check_overdraft
union all
select 'margin', subject, actual, expected
from check_margin
union all
select 'statements', subject, actual, expected
from check_statements
union all
select 'profit', subject, actual, expected
from check_profit;
