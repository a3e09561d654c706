-- Rows that must not exist: whatever the ledger's own checks find. An empty answer is the proof.
create or replace view proof as
select 'balanced' as name, subject, found, expected
from check_balanced
union all
select 'dense', subject, found, expected
from check_dense
union all
select 'time', subject, found, expected
from check_time
union all
select 'known', subject, found, expected
from check_known
union all
select 'lots', subject, found, expected
from check_lots
union all
select 'cash', subject, found, expected
from check_cash
union all
select 'overdraft', subject, found, expected
from check_overdraft
union all
select 'margin', subject, found, expected
from check_margin
union all
select 'statements', subject, found, expected
from check_statements
union all
select 'profit', subject, found, expected
from check_profit;
