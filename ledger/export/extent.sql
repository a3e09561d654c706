-- The first day of the journal and its number of transactions and transfers.
select
    (select coalesce(min(timestamp::date), date '1970-01-01')::varchar from txn) as first_day,
    (select count(*) from txn) as transactions,
    (select count(*) from transfer) as transfers;
