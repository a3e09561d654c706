-- Lots: what positions and short sales stand at, in money and in units, is the sum of their lots; a lot
-- without units carries no cost, and none has fewer units than none. Futures have no lots.
create or replace view check_lots as
with carried as (
    select
        account.id,
        account.path,
        account.commodity = account.instrument as in_units,
        sum(leg.amount) as balance,
        coalesce(sum(leg.amount) filter (where leg.lot >= 0), 0) as in_lots,
        coalesce(
            sum(leg.amount) filter (where kind.name in ('futures_open', 'futures_close', 'correction') and leg.lot < 0),
            0
        ) as in_futures
    from leg
    join account
        on account.id = leg.account
        and account.instrument >= 0
        and (
            account.commodity = account.instrument and account.type = 'asset'
            or account.path in (
                select 'Assets:Positions:' || symbol from commodity
                union all
                select 'Liabilities:Short:' || symbol from commodity
            )
        )
    left join txn on leg.lot < 0 and txn.id = leg.txn
    left join kind on kind.id = txn.kind
    group by all
)

select path as subject, 'stands at ' || balance as found, 'its lots sum to ' || (in_lots + in_futures) as expected
from carried
where balance != in_lots + case when in_units then in_futures else 0 end
union all
select
    'lot ' || lot as subject,
    'quantity ' || quantity || ', cost ' || cost as found,
    case when side > 0 then 'neither below zero' else 'neither above zero' end
    || ', and no cost without quantity' as expected
from lot_units
where quantity * side < 0 or cost * side < 0 or (quantity = 0 and cost != 0);

create or replace view examined_lots as
select count(distinct lot) as rows
from transfer
where lot >= 0;
