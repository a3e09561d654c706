"""The one place that writes lines to the terminal. Each passes through `line`, so none becomes two."""

import sys
from typing import NamedTuple, TextIO

from tieout.ledger.text import line


class Styled(NamedTuple):
    """A line of *lead* and *text*, of which *text* has a style of rich."""

    text: str
    style: str
    lead: str = ""


def say(*lines: str | Styled, error: bool = False) -> None:
    """Write lines to the standard output, or to the standard error."""
    stream = sys.stderr if error else sys.stdout
    for part in lines:
        if isinstance(part, str):
            write_plain(f"{line(part)}\n", stream)
        else:
            _write_styled(part, stream)


def write_plain(text: str, stream: TextIO) -> None:
    """Write *text*, with escapes for characters that the encoding of the terminal does not have."""
    encoding = stream.encoding or "utf-8"
    stream.write(text if text.isascii() else text.encode(encoding, "backslashreplace").decode(encoding))


def _write_styled(part: Styled, stream: TextIO) -> None:
    from rich.console import Console  # imported here, because most commands print no style
    from rich.text import Text

    console = Console(file=stream, markup=False, emoji=False, highlight=False)
    console.print(Text.assemble(line(part.lead), (line(part.text), part.style)), soft_wrap=True)
