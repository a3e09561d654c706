"""The commands of the ledger, which need only a journal: verify, sign, show, sql, trace, export, doctor."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from tieout.ledger.application import CHECK_FAILED, COULD_NOT_RUN
from tieout.ledger.sign.cli import Anchor, Pub, Signed, sign, witness
from tieout.ledger.terminal import say

if TYPE_CHECKING:
    from tieout.ledger.file.query import Query
    from tieout.ledger.file.reader import Reader

Run = Annotated[Path, typer.Argument(metavar="RUN.duckdb", help="The journal's file.")]
At = Annotated[
    str | None,
    typer.Option(
        metavar="MOMENT",
        help="Show the books as of this time in UTC, such as 2024-03-31T16:00. A date means its end.",
    ),
]
Form = Annotated[
    Literal["table", "csv", "json"],
    typer.Option("--format", help="Format of the output. CSV and JSON are exact to the last digit."),
]
Unverified = Annotated[
    bool,
    typer.Option(
        "--unverified",
        help="Show a large file of your own without checking its seals. The output says so.",
    ),
]


def register(app: typer.Typer) -> None:
    """Add the commands of the ledger."""
    for command, example in (
        (verify, "tieout verify run.duckdb --signed run.duckdb.note --pub jane.key.pub"),
        (sign, "tieout sign run.duckdb --key jane.key"),
        (show, "tieout show run.duckdb trial-balance --at 2024-03-31"),
        (sql, 'tieout sql run.duckdb "select kind, count(*) from posting group by kind"'),
        (trace, "tieout trace run.duckdb --transaction 3"),
        (export, "tieout export run.duckdb --format beancount --output books"),
        (doctor, "tieout doctor run.duckdb"),
    ):
        app.command(epilog=f"Example: {example}")(command)


def verify(
    run: Run,
    anchor: Anchor = None,
    signed: Signed = None,
    pub: Pub = None,
    time_limit: Annotated[
        float | None,
        typer.Option(
            min=0,
            metavar="SECONDS",
            help="Longest time for one check (default: by the size of the file, a minute or more).",
        ),
    ] = None,
) -> None:
    """Check the seals of a journal, then every rule of its books.

    Prints the number of rows that each check examined, then the opinion and both digests. The opinion is
    unqualified, adverse (a seal or a check fails) or a disclaimer (a part could not be examined).

    Exit status: 0 unqualified, 1 adverse, 2 a disclaimer, or the file could not be opened.
    """
    from tieout.ledger.errors import DamagedFile, NewerSchema, NotAJournal, TimeLimitReached, Unexamined
    from tieout.ledger.file.reader import Reader
    from tieout.ledger.file.verify import Opinion, verify
    from tieout.ledger.show.progress import progress
    from tieout.ledger.show.report import show_opinion, show_result

    noted = witness(anchor, signed, pub)
    try:
        reader = Reader(run, allow_gaps=True, with_catalogue=True)
    except (DamagedFile, NotAJournal, NewerSchema, TimeLimitReached) as error:
        raise Unexamined(f"{error}. Nothing could be examined: the opinion is a disclaimer") from error
    with reader, progress() as step:
        names = ["seals", *(name for schema in reader.schemas for name in schema.checks)]
        wide = max(map(len, names))
        report = verify(reader, noted, step, show=lambda result: show_result(result, wide), limit=time_limit)
    show_opinion(report)
    if noted is not None and report.is_sealed:
        say(noted.agreement(report.head))
    if report.opinion is not Opinion.UNQUALIFIED:
        raise typer.Exit(CHECK_FAILED if report.opinion is Opinion.ADVERSE else COULD_NOT_RUN)


def show(
    run: Run,
    view: Annotated[
        str | None,
        typer.Argument(metavar="VIEW", help="Name of a statement, such as trial-balance or positions."),
    ] = None,
    at: At = None,
    form: Form = "table",
    unverified: Unverified = False,
) -> None:
    """Print a statement: trial-balance, balance-sheet, income-statement, positions and more.

    Omit VIEW to list them.
    """
    from tieout.ledger.show import tables

    with _open(run, unverified=unverified) as reader:
        least = tables.places(reader)
        if view is None:
            tables.write(_contents(reader), form, {}, f"Views of {run.name}")
            return
        name = _singular(view, reader.views)
        title = f"{name.replace('_', ' ').replace('-', ' ').capitalize()}, {run.name}"
        tables.write(reader.view(name, at), form, least, f"{title}, as of {at}" if at else title)


def sql(
    run: Run,
    query: Annotated[str, typer.Argument(help="One query in the SQL of DuckDB.")],
    at: At = None,
    form: Form = "table",
    unverified: Unverified = False,
) -> None:
    """Query the tables and views of a journal in SQL, read-only."""
    from tieout.ledger.show import tables

    with _open(run, unverified=unverified) as reader:
        tables.write(reader.sql(query, at=at), form, tables.places(reader))


def trace(
    run: Run,
    order: Annotated[
        int | None, typer.Option(min=0, metavar="N", help="Number of the order to trace.")
    ] = None,
    fill: Annotated[int | None, typer.Option(min=0, metavar="N", help="Number of the fill to trace.")] = None,
    transaction: Annotated[
        int | None, typer.Option(min=0, metavar="N", help="Number of the transaction to trace.")
    ] = None,
    unverified: Unverified = False,
) -> None:
    """Show everything that an order, a fill or a transaction caused.

    Prints its transactions with their transfers, reversals and lots,
    the block that seals each, and the rows about it in other tables.
    """
    from tieout.ledger.show import tables
    from tieout.ledger.show.trace import Subject, trace
    from tieout.ledger.show.trace_text import show_trace

    options: list[tuple[Subject, int | None]] = [
        ("order", order),
        ("fill", fill),
        ("transaction", transaction),
    ]
    subjects = [(subject, number) for subject, number in options if number is not None]
    if len(subjects) != 1:
        raise typer.BadParameter("give one of --order, --fill and --transaction")
    with _open(run, unverified=unverified) as reader:
        show_trace(trace(reader, *subjects[0]), tables.places(reader), is_verified=not unverified)


def export(
    run: Run,
    form: Annotated[
        Literal["beancount", "hledger", "parquet", "csv"],
        typer.Option(
            "--format",
            help="beancount or hledger for their own text, parquet or csv for all tables and views.",
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Folder for the files (default: RUN-FORMAT beside the run)."),
    ] = None,
    unverified: Unverified = False,
) -> None:
    """Export the books for Beancount, hledger, Parquet or CSV.

    The folder may hold earlier exports, and nothing else. Only a file that an export wrote is replaced.
    """
    from tieout.ledger.export import default_folder, export
    from tieout.ledger.show.progress import progress

    folder = output or default_folder(run, form)
    with _open(run, unverified=unverified) as reader, progress() as step:
        paths = export(reader, form, folder, lambda count, total: step(form, count, total))
    say(*map(str, paths))


def doctor(
    run: Run,
    merge: Annotated[
        bool, typer.Option("--merge", help="Merge the WAL beside the file into it, once both are verified.")
    ] = False,
) -> None:
    """Examine a file that may be damaged, and repair it if possible.

    The damaged file is copied before any repair.

    Exit status: 0 the file was sound, 1 it was not, 2 could not run.
    """
    from tieout.ledger.file import doctor

    outcome = doctor.merge(run) if merge else doctor.repair(run)
    say(*str(outcome).split("\n"))
    if not outcome.before.sound:
        raise typer.Exit(CHECK_FAILED)


def _open(run: Path, *, unverified: bool) -> "Reader":
    """Open a file after a check of its seals. Without one, say so on standard error, before any figure."""
    from tieout.ledger.file import chain
    from tieout.ledger.file.reader import Reader

    if not unverified:
        return chain.open_verified(run)
    say(f"{run.name}: the seals were not checked", error=True)
    return Reader.in_place(run)


def _contents(reader: "Reader") -> "Query":
    """List the views of a journal, each with the first sentence of its file."""
    import pyarrow as pa

    from tieout.ledger.file.query import Query

    views = {name: sql for schema in reader.schemas for name, sql in sorted(schema.views.items())}
    names = [name.replace("_", "-") for name in views]
    return Query(pa.table({"view": names, "shows": list(map(_first_sentence, views.values()))}))


def _first_sentence(sql: str) -> str:
    """Return the comment at the head of a view, up to its first full stop."""
    comment = []
    for line in sql.splitlines():
        if not line.startswith("--"):
            break
        comment.append(line.removeprefix("--").strip())
    return " ".join(comment).partition(". ")[0].removesuffix(".")


def _singular(view: str, views: list[str]) -> str:
    """Return *view*, or its singular where only that is a view: `positions` is the view `position`."""
    name = view.replace("-", "_")
    return name.removesuffix("s") if name not in views and name.removesuffix("s") in views else view
