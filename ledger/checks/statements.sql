-- Statements: cash, market value and equity as claimed equal the figures from balances and marks, to the last unit.
-- Every holding is marked at the time of the statement.
create or replace view check_statements as
select
    'statement ' || statement.id || ' at ' || statement.timestamp as subject,
    'cash ' || statement.cash || ', market value ' || statement.market_value || ', equity ' || statement.equity as actual,
    'cash ' || derived.cash || ', market value ' || derived.market_value || ', equity ' || derived.equity
    || case when derived.marked = derived.held then '' else ', with ' || derived.held || ' holdings marked, not '
    || derived.marked end as expected
from statement
join statement_derived as derived on derived.id = statement.id
where (statement.cash, statement.market_value, statement.equity, derived.held)
    is distinct from (derived.cash, derived.market_value, derived.equity, derived.marked);

create or replace view examined_statements as
select count(*) as rows
from statement;
