-- The journal's first day, and how many transactions and transfers it has.
select
    (select coalesce(min(timestamp::date), date '1970-01-01')::varchar from txn) as first_day,
    (select count(*) from txn) as transactions,
    (select count(*) from transfer) as transfers;
