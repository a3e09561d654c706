-- The journal: append-only tables. The first column of each is dense: 0, 1, 2, ... without a gap.
-- No value is NULL. -1 and '' stand for "none". Amounts are integers at their commodity's scale.

-- The inputs that determine the result. Their digest is the genesis of the chain of seals.
create table run (
    id           varchar not null,   -- first 16 hex digits of the genesis
    spec         varchar not null,   -- canonical JSON
    fingerprints varchar not null,   -- canonical JSON: the digests of the inputs
    strategy     varchar not null,   -- digest of the strategy's source
    seed         bigint  not null,
    policies     varchar not null,   -- canonical JSON: every policy by name and version
    layout       varchar not null    -- canonical JSON: the sealed tables and their columns, in order
);

-- Currencies and instruments. An instrument is priced in its currency, and a currency in itself.
create table commodity (
    id         integer  not null,
    symbol     varchar  not null,
    kind       varchar  not null check (kind in ('currency', 'instrument')),
    scale      tinyint  not null check (scale between 0 and 12),   -- decimals kept
    currency   integer  not null,                                  -- commodity in which it is priced
    multiplier double   not null                                   -- money per unit and point of price
);

-- The chart of accounts. A path may exist in several commodities, so an account is identified by (path, commodity).
create table account (
    id          integer not null,
    path        varchar not null,
    type        varchar not null check (
        type in ('asset', 'liability', 'equity', 'income', 'expense', 'contra', 'memo')),
    commodity   integer not null,
    normal_side varchar not null check (normal_side in ('debit', 'credit')),
    instrument  integer not null,   -- the instrument it belongs to
    floored     boolean not null    -- may never be overdrawn
);

-- One event: its transfers are posted together or not at all.
create table txn (
    id         bigint       not null,
    timestamp  timestamp_ns not null,
    kind       utinyint     not null,   -- named in the view kind
    instrument integer      not null,
    order_id   bigint       not null,
    fill_id    bigint       not null,
    reverses   bigint       not null    -- the transaction that this one reverses
);

-- The stored unit: one debit account, one credit account of the same commodity, one amount.
create table transfer (
    seq    bigint  not null,
    txn    bigint  not null,
    debit  integer not null,
    credit integer not null,
    amount bigint  not null check (amount > 0),
    lot    bigint  not null
);

-- Notes on transactions.
create table note (
    id   bigint  not null,
    txn  bigint  not null,
    text varchar not null
);

-- Prices at which holdings were valued. A price from an earlier bar is stale.
create table mark (
    id         bigint       not null,
    timestamp  timestamp_ns not null,
    instrument integer      not null,
    price      double       not null,
    stale      boolean      not null
);

-- The figures that the engine claimed. The checks derive them from balances and marks again. Equity is the sum of the
-- five before it.
create table statement (
    id           bigint       not null,
    timestamp    timestamp_ns not null,
    session      timestamp_ns not null,   -- midnight of its trading day
    txn          bigint       not null,   -- the last transaction it covers
    currency     integer      not null,
    cash         bigint       not null,   -- Assets:Cash
    restricted   bigint       not null,   -- proceeds of short sales and margin of futures
    receivable   bigint       not null,   -- receivables, and assets without a class of their own
    liabilities  bigint       not null,   -- payables, loans and accruals: zero or below
    market_value bigint       not null,   -- of holdings, below zero for a short one
    equity       bigint       not null
);

-- The chain of seals. `rows` has the number of the block's rows by table (canonical JSON).
create table seal (
    block     bigint  not null,
    first_txn bigint  not null,
    last_txn  bigint  not null,
    rows      varchar not null,
    previous  varchar not null,
    digest    varchar not null
);

-- Circumstances that do not determine the result. They are outside the chain.
create table provenance (
    schema_version integer not null,
    created        varchar not null,
    host           varchar not null,
    versions       varchar not null,   -- canonical JSON
    revision       varchar not null
);
