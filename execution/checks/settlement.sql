-- Settlement: the payables and receivables for trades are those of unsettled fills, fill by fill, and no fill was
-- settled for more than its booked amount. Runs settle at the fill today: the check is for settlement after days.
create or replace view check_settlement as
with due as (
    select
        txn.fill_id,
        account.path,
        account.commodity,
        sum(leg.amount) as outstanding,
        coalesce(
            sum(leg.amount) filter (
                where coalesce(wrong_kind.name, kind.name) not in ('pay_trades', 'receive_trades')
            ),
            0
        ) as booked
    from leg
    join account
        on account.id = leg.account
        and account.path in ('Assets:Receivable:Trades', 'Liabilities:Payable:Trades')
    join txn on txn.id = leg.txn
    join kind on kind.id = txn.kind
    left join txn as wrong on wrong.id = txn.reverses
    left join kind as wrong_kind on wrong_kind.id = wrong.kind
    where exists (select 1 from fill)
    group by txn.fill_id, account.path, account.commodity
)

select
    case when fill_id < 0 then 'no fill' else 'fill ' || fill_id end as subject,
    path || ' at ' || outstanding as actual,
    case when fill_id < 0 then '0' else 'from 0 to the ' || booked || ' booked' end as expected
from due
where case
    when fill_id < 0 then outstanding != 0
    else outstanding not between least(booked, 0) and greatest(booked, 0)
end;

create or replace view examined_settlement as
select count(distinct txn.fill_id) as rows
from leg
join account
    on account.id = leg.account
    and account.path in ('Assets:Receivable:Trades', 'Liabilities:Payable:Trades')
join txn on txn.id = leg.txn and txn.fill_id >= 0;
