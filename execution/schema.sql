-- Tables of execution beside the journal. The first column of each is dense: 0, 1, 2, ... No value is NULL. Instead,
-- -1, '' and NaN stand for "none". Quantities are units of the instrument, commissions units of its currency.

-- An order. `quantity` is below zero to sell. `signal` is the score at the decision. A target order has its own `tif`,
-- because it is good for the next bar of its instrument.
create table orders (
    id          bigint       not null,
    timestamp   timestamp_ns not null,
    instrument  integer      not null,
    type        utinyint     not null,   -- named in the view order_type
    tif         utinyint     not null,   -- time in force, named in the view time_in_force
    quantity    bigint       not null,
    limit_price double       not null,
    stop_price  double       not null,
    tag         integer      not null,   -- why: a row of tag
    signal      double       not null
);

-- The reason for an order, in the words of the strategy: 'rebalance', 'stop-loss'.
create table tag (
    id   integer not null,
    name varchar not null
);

-- A relation of an order to an earlier one.
create table order_link (
    id       bigint   not null,
    order_id bigint   not null,
    relation utinyint not null,   -- named in the view order_relation
    other    bigint   not null
);

-- A state change of an order that its fills do not imply.
create table order_event (
    id        bigint       not null,
    timestamp timestamp_ns not null,
    order_id  bigint       not null,
    event     utinyint     not null,   -- named in the view order_event_kind
    reason    utinyint     not null    -- named in the view reason
);

-- A fill. `side` is 1 for a purchase, -1 for a sale. `basis` says whether the quantity or the amount is exact.
create table fill (
    id              bigint       not null,
    order_id        bigint       not null,
    timestamp       timestamp_ns not null,
    instrument      integer      not null,
    side            tinyint      not null,
    quantity        bigint       not null,
    price           double       not null,
    reference_price double       not null,
    commission      bigint       not null,
    basis           utinyint     not null    -- named in the view basis
);

-- The value of a benchmark. Nothing writes it yet: it is for benchmark returns beside those of the run.
create table benchmark (
    id        bigint       not null,
    timestamp timestamp_ns not null,
    value     double       not null
);
