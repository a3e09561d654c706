-- Profit: the equity of each statement is contributed capital, plus income less expenses so far, plus the market value
-- of holdings above their carrying amount. It is built from the accounts that the check of statements leaves out.
create or replace view check_profit as
select
    'statement ' || statement.id || ' at ' || statement.timestamp as subject,
    'equity ' || statement.equity as actual,
    'contributed and earned ' || derived.contributed_and_earned || ', unrealized '
    || (statement.market_value - derived.carried) as expected
from statement
join statement_derived as derived on derived.id = statement.id
where statement.equity
    is distinct from derived.contributed_and_earned + statement.market_value - derived.carried;

create or replace view examined_profit as
select count(*) as rows
from statement;
