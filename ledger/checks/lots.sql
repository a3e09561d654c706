-- Lots: the units and cost of positions and short sales are the sums of their lots, except for futures, which have
-- none. A lot without units has no cost, and no lot has a negative number of units.
create or replace view check_lots as
with carrying as (
    select
        account.id,
        account.path,
        account.commodity = account.instrument as in_units
    from account
    join commodity on commodity.id = account.instrument
    where account.path in ('Assets:Positions:' || commodity.symbol, 'Liabilities:Short:' || commodity.symbol)
),

movement as (
    select leg.account, leg.lot, leg.seq, leg.amount, carrying.in_units
    from leg
    join carrying on carrying.id = leg.account
    where leg.lot >= 0
),

without_lot as (
    select leg.account, sum(leg.amount) as amount
    from leg
    join carrying on carrying.id = leg.account
    where leg.lot < 0
        -- Units without a lot are those of a future, which has no lots at all.
        and (not carrying.in_units or leg.account in (select account from movement))
    group by leg.account
),

standing as (
    select
        lot,
        coalesce(sum(amount) filter (where in_units), 0) as quantity,
        coalesce(sum(amount) filter (where not in_units), 0) as cost,
        sign(arg_min(amount, seq) filter (where in_units)) as side
    from movement
    group by lot
)

select carrying.path as subject, 'moved ' || without_lot.amount || ' without a lot' as actual, 'nothing' as expected
from without_lot
join carrying on carrying.id = without_lot.account
union all
select
    'lot ' || lot as subject,
    'quantity ' || quantity || ', cost ' || cost as actual,
    case when side > 0 then 'neither below zero' else 'neither above zero' end
    || ', and no cost without quantity' as expected
from standing
where quantity * side < 0 or cost * side < 0 or (quantity = 0 and cost != 0) or side is null;

create or replace view examined_lots as
select coalesce(max(lot) + 1, 0) as rows
from transfer;
