"""The command `tieout`.

Every room brings its own commands through the entry point group ``tieout.commands``. They end with
0 where all is well, with 1 where something wrong was found, and with 2 where they could not run,
which is then told in one sentence. What a command needs is imported when it runs, so that a small
question is answered quickly.
"""

import os
import sys
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from typer.core import TyperGroup

from tieout.ledger.errors import TieoutError

if TYPE_CHECKING:
    from tieout.ledger.file.query import Query
    from tieout.ledger.file.reader import Reader

FOUND_WRONG, COULD_NOT_RUN = 1, 2

Value = Any
"""What typer hands to its own, and gets back."""

Run = Annotated[Path, typer.Argument(metavar="RUN.duckdb", help="The journal's file.")]
At = Annotated[
    str | None,
    typer.Option(
        metavar="MOMENT",
        help="The books as of then, in UTC: 2024-03-31T16:00, or 2024-03-31 for its end.",
    ),
]
Form = Annotated[
    Literal["table", "csv", "json"],
    typer.Option("--format", help="A table to read, or CSV or JSON exact to the last digit."),
]


class Commands(TyperGroup):
    """The commands of all rooms, and what becomes of their errors."""

    def invoke(self, ctx: Value) -> Value:
        """Run a command; an error of ours is one sentence and exit status 2."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:
            # Whoever was reading has seen enough. What is still buffered must not complain at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(COULD_NOT_RUN) from None
        except (TieoutError, OSError) as error:
            typer.echo(f"tieout: {_sentence(error)}", err=True)
            raise typer.Exit(COULD_NOT_RUN) from None
        return result


def main() -> None:
    """Run the command that the arguments name."""
    try:
        application()()
    except Exception:  # noqa: BLE001  whatever it is, it is told in full
        # An uncaught error would end with 1, which means that something wrong was found.
        sys.excepthook(*sys.exc_info())
        sys.exit(COULD_NOT_RUN)


def application() -> typer.Typer:
    """The command with what every installed room brings."""
    app = typer.Typer(
        cls=Commands,
        name="tieout",
        help="Books that tie out: read, check, trace and export a double-entry journal.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    rooms: dict[str, Callable[[], Callable[[typer.Typer], None]]] = {
        point.name: point.load for point in entry_points(group="tieout.commands")
    }
    # Nothing is registered in a checkout that is not installed; its own commands work all the same.
    rooms["ledger"] = lambda: register
    for name, load in sorted(rooms.items(), key=lambda room: room[0] != "ledger"):
        try:
            load()(app)
        except ImportError as error:
            # Someone else's broken package is no reason not to open the books.
            typer.echo(f"tieout: the commands of {name!r} are missing: {error}", err=True)
    return app


def register(app: typer.Typer) -> None:
    """Add the commands that need nothing but a journal."""
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
            help="The head digest noted when the run ended, or its first 16 digits or more."
            " Only this shows that the end was cut off.",
        ),
    ] = None,
) -> None:
    """Check a journal: its seals first, then every rule of its books.

    Prints each check with how much it examined, and the head and file digests at the end.
    Exit status 1 means that a check failed.
    """
    from tieout.ledger.file.reader import Reader
    from tieout.ledger.file.verify import verify
    from tieout.ledger.show import tables as present

    with Reader(run) as reader, present.progress() as step:
        report = verify(reader, anchor, step)
    present.show_report(report)
    failed = sum(result.outcome.value == "FAILED" for result in report.results)
    found = f"{failed} of {len(report.results)} checks FAILED" if failed else "no check failed"
    typer.echo(f"\n{found}; blocks: {report.blocks}")
    typer.echo(f"head digest {report.head}  file digest {report.file_digest}")
    if not report.ok:
        raise typer.Exit(FOUND_WRONG)


def show(
    run: Run,
    view: Annotated[
        str | None,
        typer.Argument(metavar="VIEW", help="A statement, such as trial-balance or positions."),
    ] = None,
    at: At = None,
    form: Form = "table",
) -> None:
    """Print a statement: trial-balance, balance-sheet, income-statement, positions and others.

    Without the name of one, tells which there are.
    """
    from tieout.ledger.file.reader import Reader
    from tieout.ledger.show import tables as present

    with Reader(run) as reader:
        least = present.places(reader)
        if view is None:
            present.write(_contents(reader), form, {}, f"Views of {run.name}")
            return
        name = _singular(view, reader.views)
        title = f"{name.replace('_', ' ').replace('-', ' ').capitalize()}, {run.name}"
        present.write(reader.view(name, at), form, least, f"{title}, as of {at}" if at else title)


def sql(
    run: Run,
    query: Annotated[str, typer.Argument(help="One query in DuckDB's SQL.")],
    at: At = None,
    form: Form = "table",
) -> None:
    """Answer a question in SQL over the tables and views of a journal. Nothing can be changed."""
    from tieout.ledger.file.reader import Reader
    from tieout.ledger.show import tables as present

    with Reader(run) as reader:
        present.write(reader.sql(query, at=at), form, present.places(reader))


def trace(
    run: Run,
    order: Annotated[int | None, typer.Option(min=0, metavar="N", help="Number of an order.")] = None,
    fill: Annotated[int | None, typer.Option(min=0, metavar="N", help="Number of a fill.")] = None,
    transaction: Annotated[
        int | None, typer.Option(min=0, metavar="N", help="Number of a transaction.")
    ] = None,
) -> None:
    """Show everything that an order, a fill or a transaction caused.

    Its transactions, what they moved, the lots they opened or relieved, the reversals, the block
    that seals each, and the rows about it in other tables.
    """
    from tieout.ledger.file.reader import Reader
    from tieout.ledger.show import tables as present
    from tieout.ledger.show.trace import What, trace

    asked: list[tuple[What, int | None]] = [
        ("order", order),
        ("fill", fill),
        ("transaction", transaction),
    ]
    given = [(what, number) for what, number in asked if number is not None]
    if len(given) != 1:
        raise typer.BadParameter("give one of --order, --fill and --transaction")
    with Reader(run) as reader:
        present.show_trace(trace(reader, *given[0]), present.places(reader))


def export(
    run: Run,
    form: Annotated[
        Literal["beancount", "hledger", "parquet", "csv"],
        typer.Option("--format", help="The books of another program, or all tables and statements."),
    ],
    output: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Where to write; RUN-FORMAT beside the run if not given."),
    ] = None,
) -> None:
    """Write the books for another program to read: a second opinion, or further work."""
    from tieout.ledger.export import export
    from tieout.ledger.file.reader import Reader
    from tieout.ledger.show import tables as present

    folder = output or run.with_name(f"{run.stem}-{form}")
    with Reader(run) as reader, present.progress() as step:
        written = export(reader, form, folder, lambda done, of: step(form, done, of))
    for path in written:
        typer.echo(path)


def doctor(run: Run) -> None:
    """Examine a file that may be damaged, and repair it where that is possible.

    Whatever is repaired was copied aside first; nothing is deleted. Exit status 1 means that the
    file was not sound.
    """
    from tieout.ledger.file.doctor import repair

    done = repair(run)
    typer.echo(done)
    if not done.before.sound:
        raise typer.Exit(FOUND_WRONG)


def _contents(reader: "Reader") -> "Query":
    """The views of a journal, each with the first sentence of its file."""
    import pyarrow as pa

    from tieout.ledger.file.query import Query

    views = {name: sql for schema in reader.schemas for name, sql in sorted(schema.views.items())}
    names = [name.replace("_", "-") for name in views]
    return Query(pa.table({"view": names, "shows": list(map(_first_sentence, views.values()))}))


def _first_sentence(sql: str) -> str:
    """The comment at the head of a view, up to its first full stop."""
    comment = []
    for line in sql.splitlines():
        if not line.startswith("--"):
            break
        comment.append(line.removeprefix("--").strip())
    return " ".join(comment).partition(". ")[0].removesuffix(".")


def _singular(view: str, views: list[str]) -> str:
    """*view*, or its singular where only that is a view: `positions` are the rows of `position`."""
    name = view.replace("-", "_")
    return name.removesuffix("s") if name not in views and name.removesuffix("s") in views else view


def _sentence(error: Exception) -> str:
    """What went wrong, in one line; DuckDB's excerpt of a query is left out."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return " ".join(str(error).partition("\n\n")[0].split())


if __name__ == "__main__":
    main()
