"""The commands of the ledger, which need only a journal: verify, show, sql, trace, export, doctor."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from tieout.ledger.application import CHECK_FAILED

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


def register(app: typer.Typer) -> None:
    """Add the commands of the ledger."""
    for command, example in (
        (verify, "tieout verify run.duckdb --anchor 1256be4e52dac90b"),
        (show, "tieout show run.duckdb trial-balance --at 2024-03-31"),
        (sql, 'tieout sql run.duckdb "select kind, count(*) from posting group by kind"'),
        (trace, "tieout trace run.duckdb --transaction 3"),
        (export, "tieout export run.duckdb --format beancount --output books"),
        (doctor, "tieout doctor run.duckdb"),
    ):
        app.command(epilog=f"Example: {example}")(command)


def verify(
    run: Run,
    anchor: Annotated[
        str | None,
        typer.Option(
            metavar="DIGEST",
            help="Head digest that was noted when the run ended, at least its first 16 digits."
            " Without it a journal whose last blocks were cut off passes.",
        ),
    ] = None,
) -> None:
    """Check the seals of a journal, then every rule of its books.

    Prints the number of rows that each check examined, and both digests at the end.

    Exit status: 0 ok, 1 a check failed, 2 could not run.
    """
    from tieout.ledger.file.reader import Reader
    from tieout.ledger.file.verify import verify
    from tieout.ledger.show.progress import progress
    from tieout.ledger.show.report import show_report

    with Reader(run) as reader, progress() as step:
        report = verify(reader, anchor, step)
    show_report(report)
    failures = sum(result.outcome.value == "FAILED" for result in report.results)
    verdict = f"{failures} of {len(report.results)} checks FAILED" if failures else "no check failed"
    typer.echo(f"\n{verdict}; blocks: {report.blocks}")
    typer.echo(f"head digest {report.head}  file digest {report.file_digest}")
    if not report.ok:
        raise typer.Exit(CHECK_FAILED)


def show(
    run: Run,
    view: Annotated[
        str | None,
        typer.Argument(metavar="VIEW", help="Name of a statement, such as trial-balance or positions."),
    ] = None,
    at: At = None,
    form: Form = "table",
) -> None:
    """Print a statement: trial-balance, balance-sheet, income-statement, positions and others.

    Omit VIEW to list them.
    """
    from tieout.ledger.file.reader import Reader
    from tieout.ledger.show import tables

    with Reader(run) as reader:
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
) -> None:
    """Query the tables and views of a journal in SQL. The journal cannot be changed."""
    from tieout.ledger.file.reader import Reader
    from tieout.ledger.show import tables

    with Reader(run) as reader:
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
) -> None:
    """Show everything that an order, a fill or a transaction caused.

    Prints its transactions with their transfers, reversals and lots,
    the block that seals each, and the rows about it in other tables.
    """
    from tieout.ledger.file.reader import Reader
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
    with Reader(run) as reader:
        show_trace(trace(reader, *subjects[0]), tables.places(reader))


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
) -> None:
    """Write the books as files for another program."""
    from tieout.ledger.export import export
    from tieout.ledger.file.reader import Reader
    from tieout.ledger.show.progress import progress

    folder = output or run.with_name(f"{run.stem}-{form}")
    with Reader(run) as reader, progress() as step:
        paths = export(reader, form, folder, lambda count, total: step(form, count, total))
    for path in paths:
        typer.echo(path)


def doctor(
    run: Run,
    merge: Annotated[
        bool, typer.Option("--merge", help="Merge the WAL beside the file into it, once both are verified.")
    ] = False,
) -> None:
    """Examine a file that may be damaged, and repair it where that is possible.

    The damaged file is copied before any repair.

    Exit status: 0 the file was sound, 1 it was not, 2 could not run.
    """
    from tieout.ledger.file import doctor

    outcome = doctor.merge(run) if merge else doctor.repair(run)
    typer.echo(outcome)
    if not outcome.before.sound:
        raise typer.Exit(CHECK_FAILED)


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
