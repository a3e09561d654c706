"""The command `tieout`, of all rooms.

Every room registers its commands through the entry point group ``tieout.commands``. Exit status: 0 ok, 1 a
check failed, 2 could not run. An error is printed as one sentence. Each command imports the libraries that it
needs when it runs, so that a small question is answered quickly.
"""

import os
import sys
import traceback
import warnings
from importlib.metadata import EntryPoint, PackageNotFoundError, entry_points, version
from typing import Annotated, Any, TextIO

import typer
from typer.core import TyperGroup

from tieout.ledger.errors import SealBroken, TieoutError, TieoutWarning
from tieout.ledger.terminal import say

CHECK_FAILED, COULD_NOT_RUN = 1, 2
_LAST_STREAM = 2
"""Number of the standard error, the last of the three standard streams."""

GROUP = "tieout.commands"
LEDGER = EntryPoint("ledger", "tieout.ledger.cli:register", GROUP)
"""The commands of this room, which a checkout has even where it is not installed."""

Value = Any
"""A value that typer passes to its own methods."""


class Commands(TyperGroup):
    """The commands of all rooms, and the translation of their errors."""

    def invoke(self, ctx: Value) -> Value:
        """Run a command. An error of tieout or of the system, or Ctrl-C, ends it with one sentence and 2."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:
            # The reader of the pipe has closed it. What is still buffered must not complain at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(COULD_NOT_RUN) from None
        except SealBroken as error:
            say(f"tieout: adverse: {_sentence(error)}", error=True)
            raise typer.Exit(CHECK_FAILED) from None
        except (TieoutError, OSError) as error:
            say(f"tieout: {_sentence(error)}", error=True)
            raise typer.Exit(COULD_NOT_RUN) from None
        except KeyboardInterrupt as interruption:
            # A command that has more to say about it raises it again with the words.
            say("; ".join(("tieout: interrupted", *map(str, interruption.args))), error=True)
            raise typer.Exit(COULD_NOT_RUN) from None
        return result


def main() -> None:
    """Run the command that the arguments name."""
    _occupy_closed_streams()
    if sys.stderr is None:
        sys.stderr = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
    if sys.stdout is None:
        say("tieout: the standard output is closed; send it to a file, or to /dev/null", error=True)
        sys.exit(COULD_NOT_RUN)
    warnings.showwarning = _show_warning
    try:
        application()()
    except KeyboardInterrupt:  # before the command began
        say("tieout: interrupted", error=True)
        sys.exit(COULD_NOT_RUN)
    except Exception as error:  # noqa: BLE001  any error at all is printed in full
        # An uncaught error would end with 1, which means that a check failed.
        say(*"".join(traceback.format_exception(error)).rstrip().split("\n"), error=True)
        sys.exit(COULD_NOT_RUN)


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Print a warning of tieout in one line, without the place in the code. Others are printed as usual."""
    if issubclass(category, TieoutWarning):
        say(f"warning: {message}", error=True)
    else:
        text = warnings.formatwarning(message, category, filename, lineno, line)
        (file or sys.stderr).write(text)


def _occupy_closed_streams() -> None:
    """Open the null device in the place of a closed standard stream.

    The next file that is opened, a journal, would take its number, and what a library writes to its standard
    error would go into the journal.
    """
    number = os.open(os.devnull, os.O_RDWR)
    while number <= _LAST_STREAM:
        os.set_inheritable(number, True)  # noqa: FBT003  as os takes it
        number = os.dup(number)
    os.close(number)


def application() -> typer.Typer:
    """Return the command with the subcommands of every installed room."""
    app = typer.Typer(
        cls=Commands,
        name="tieout",
        help="Run backtests into a double-entry journal, and check, read, trace and export its books.",
        no_args_is_help=True,
        add_completion=False,
        context_settings={"help_option_names": ["-h", "--help"]},
        pretty_exceptions_enable=False,
    )
    app.callback()(_options)
    rooms = {point.name: point for point in entry_points(group=GROUP)} | {LEDGER.name: LEDGER}
    for name, point in sorted(rooms.items(), key=lambda room: room[0] != LEDGER.name):
        try:
            point.load()(app)
        except ImportError as error:
            # A broken package of another author must not keep the books closed.
            say(f"tieout: the commands of {name!r} are missing: {error}", error=True)
    return app


def _print_version(is_asked: bool) -> None:  # noqa: FBT001  as typer calls it
    if is_asked:
        try:
            say(f"tieout {version('tieout')}")
        except PackageNotFoundError:
            say("tieout (not installed)")
        raise typer.Exit


def _options(
    show_version: Annotated[  # noqa: FBT002  a flag on the command line
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    """Take the options of the program itself."""


def _sentence(error: Exception) -> str:
    """Return the error in one line, without DuckDB's excerpt of a query."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return " ".join(str(error).partition("\n\n")[0].split())
