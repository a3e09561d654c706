-- What execution records beside the journal. The first column of each table is dense; nothing is NULL: -1,
-- '' and NaN stand for "none". Quantities are units of the instrument, commissions units of its currency.

-- A wish. `quantity` is below zero to sell; `signal` is the score at the decision. A target order is good for the
-- next bar of its instrument, and says so in `tif`.
create table orders (
    id          bigint       not null,
    timestamp          timestamp_ns not null,
    instrument  integer      not null,
    type        utinyint     not null,   -- named in the view order_type
    tif         utinyint     not null,   -- time in force, named in the view time_in_force
    quantity    bigint       not null,
    limit_price double       not null,
    stop_price  double       not null,
    tag         integer      not null,   -- why: a row of tag
    signal      double       not null
);

-- Why orders were given: 'rebalance', 'stop-loss'.
create table tag (
    id   integer not null,
    name varchar not null
);

-- How an order belongs to an earlier one.
create table order_link (
    id       bigint   not null,
    order_id bigint   not null,
    relation utinyint not null,   -- named in the view order_relation
    other    bigint   not null
);

-- What became of it, where order and fills do not imply it.
create table order_event (
    id       bigint       not null,
    timestamp       timestamp_ns not null,
    order_id bigint       not null,
    event    utinyint     not null,   -- named in the view order_event_kind
    reason   utinyint     not null    -- named in the view reason
);

-- A fact. `side` is 1 for a purchase, -1 for a sale; `basis` says whether the quantity or the amount is given.
create table fill (
    id              bigint       not null,
    order_id        bigint       not null,
    timestamp              timestamp_ns not null,
    instrument      integer      not null,
    side            tinyint      not null,
    quantity        bigint       not null,
    price           double       not null,
    reference_price double       not null,
    commission      bigint       not null,
    basis           utinyint     not null    -- named in the view basis
);

create table benchmark (
    id    bigint       not null,
    timestamp    timestamp_ns not null,
    value double       not null
);
