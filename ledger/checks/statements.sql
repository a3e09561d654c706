-- Statements: every figure as claimed equals that from balances and marks, to the last unit, and all sum to equity.
-- Every holding is marked at the time of the statement. A session does not begin after its statement, nor end before
-- the day before it.
create or replace view check_statements as
select
    'statement ' || statement.id || ' at ' || statement.timestamp as subject,
    'cash ' || statement.cash || ', restricted ' || statement.restricted || ', receivable ' || statement.receivable
    || ', liabilities ' || statement.liabilities || ', market value ' || statement.market_value
    || ', equity ' || statement.equity as actual,
    'cash ' || derived.cash || ', restricted ' || derived.restricted || ', receivable ' || derived.receivable
    || ', liabilities ' || derived.liabilities || ', market value ' || derived.market_value
    || ', equity ' || derived.equity
    || case when derived.marked = derived.held then '' else ', with ' || derived.held || ' holdings marked, not '
    || derived.marked end as expected
from statement
join statement_derived as derived on derived.id = statement.id
where (
    statement.cash, statement.restricted, statement.receivable, statement.liabilities, statement.market_value,
    statement.equity, derived.held
) is distinct from (
    derived.cash, derived.restricted, derived.receivable, derived.liabilities, derived.market_value,
    derived.equity, derived.marked
)
union all
select
    'statement ' || id || ' at ' || timestamp as subject,
    'session ' || session as actual,
    'midnight of a day that the statement is near' as expected
from statement
where session != date_trunc('day', session)
    or epoch_ns(timestamp) - epoch_ns(session) not between -86400000000000 and 2 * 86400000000000
union all
select
    'statement ' || id || ' at ' || timestamp as subject,
    'session ' || session as actual,
    'none before that of the statement before, ' || before as expected
from (
    select *, lag(session) over (partition by currency order by id) as before
    from statement
)
where session < before;

create or replace view examined_statements as
select count(*) as rows
from statement;
