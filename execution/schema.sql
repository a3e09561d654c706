-- What execution records beside the journal. The first column of each table is dense; nothing is NULL: -1,
-- '' and NaN stand for "none". Quantities are units of the instrument, commissions units of its currency.

-- A wish. `quantity` is below zero to sell; `signal` is the score at the decision.
create table orders (
    id          bigint       not null,
    ts          timestamp_ns not null,
    instrument  integer      not null,
    type        utinyint     not null,
    quantity    bigint       not null,
    limit_price double       not null,
    stop_price  double       not null,
    parent      bigint       not null,
    tag         varchar      not null,
    signal      double       not null
);

-- What became of it, where order and fills do not imply it.
create table order_event (
    id       bigint       not null,
    ts       timestamp_ns not null,
    order_id bigint       not null,
    event    utinyint     not null,   -- named in the view order_event_kind
    reason   varchar      not null
);

-- A fact. `side` is 1 for a purchase, -1 for a sale; `basis` says whether the quantity or the amount is given.
create table fill (
    id              bigint       not null,
    order_id        bigint       not null,
    ts              timestamp_ns not null,
    instrument      integer      not null,
    side            tinyint      not null,
    quantity        bigint       not null,
    price           double       not null,
    reference_price double       not null,
    commission      bigint       not null,
    basis           utinyint     not null
);

create table benchmark (
    id    bigint       not null,
    ts    timestamp_ns not null,
    value double       not null
);
