-- Settlement: what is payable and receivable for trades is what unsettled fills left, fill by fill, and no
-- fill was settled for more than it was booked.
create or replace view check_settlement as
with due as (
    select
        txn.fill_id,
        account.path,
        account.commodity,
        sum(leg.amount) as outstanding,
        arg_min(sign(leg.amount), leg.seq) as direction
    from leg
    join account
        on account.id = leg.account
        and account.path in ('Assets:Receivable:Trades', 'Liabilities:Payable:Trades')
    join txn on txn.id = leg.txn
    where exists (select 1 from fill)
    group by txn.fill_id, account.path, account.commodity
)

select
    case when fill_id < 0 then 'no fill' else 'fill ' || fill_id end as subject,
    path || ' at ' || outstanding as found,
    case when fill_id < 0 then '0' else 'not past 0' end as expected
from due
where case when fill_id < 0 then outstanding != 0 else sign(outstanding) = -direction end;

create or replace view examined_settlement as
select count(distinct txn.fill_id) as rows
from leg
join account
    on account.id = leg.account
    and account.path in ('Assets:Receivable:Trades', 'Liabilities:Payable:Trades')
join txn on txn.id = leg.txn and txn.fill_id >= 0;
