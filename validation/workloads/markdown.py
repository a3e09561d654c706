"""Tables of measurements: on the terminal and in Markdown, from the same cells."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from attrs import frozen
from rich.console import Console
from rich.markdown import Markdown
from rich.table import Table as Grid

from tieout.validation.workloads.rounds import Timing

BEGIN, END = "<!-- tieout bench -->", "<!-- end -->"
"""Marks around the short table in a file."""

Ratio = tuple[float, float, float]
"""Median, smallest, largest."""


@frozen
class Table:
    """Cells under a title, after a note. The first column names the row."""

    title: str
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    note: str = ""

    def markdown(self) -> str:
        """Return the table as Markdown."""
        lines = [f"## {self.title}", ""] if self.title else []
        if self.note:
            lines += [self.note.strip(), ""]
        if self.columns:
            lines += [_line(self.columns), "|" + "---|" * len(self.columns), *map(_line, self.rows), ""]
        return "\n".join(lines)

    def show(self, console: Console) -> None:
        """Print it."""
        if self.note:
            console.print(Markdown(self.note.strip()))
        if self.columns:
            grid = Grid(title=self.title, title_justify="left")
            for place, column in enumerate(self.columns):
                grid.add_column(column, justify="right" if place else "left", overflow="fold")
            for row in self.rows:
                grid.add_row(*row)
            console.print(grid)


@frozen
class Part:
    """Tables under a heading. The part stays in the file when other parts are measured again."""

    title: str
    tables: Sequence[Table]

    def markdown(self) -> str:
        """Return the part as Markdown."""
        return "\n".join([f"# {self.title}\n", *(table.markdown() for table in self.tables)]).rstrip() + "\n"


def write(path: Path, parts: Mapping[str, Part], titles: Mapping[str, str]) -> None:
    """Replace the measured parts in a file and leave the others. *titles* are all parts in order."""
    text = path.read_text("utf-8") if path.exists() else ""
    texts = (parts[name].markdown() if name in parts else _part_of(text, titles[name]) for name in titles)
    path.write_text("\n".join(text for text in texts if text), "utf-8")


def insert(path: Path, table: Table, begin: str = BEGIN) -> None:
    """Put a table between the mark *begin* and the next end mark of a file. Without marks, leave the file."""
    text = path.read_text("utf-8")
    before, mark, rest = text.partition(begin)
    _, end, after = rest.partition(END)
    if mark and end:
        path.write_text(f"{before}{begin}\n{table.markdown().rstrip()}\n{end}{after}", "utf-8")


def _part_of(text: str, title: str) -> str:
    """Return the text under a heading, up to the next one."""
    match = re.search(rf"^# {re.escape(title)}\n.*?(?=^# |\Z)", text, re.MULTILINE | re.DOTALL)
    return match[0].rstrip() + "\n" if match else ""


def spread(timing: Timing | None) -> str:
    """Format the median, with the fastest and the slowest of several rounds."""
    if timing is None:
        return ""
    least, most = min(timing.seconds), max(timing.seconds)
    if least == most:
        return duration(timing.median)
    return f"{duration(timing.median)} ({duration(least)} to {duration(most)})"


def duration(seconds: float) -> str:
    """Format a time with three digits."""
    if seconds < 0:
        return f"-{duration(-seconds)}"
    for limit, factor, unit in ((1e-6, 1e9, "ns"), (1e-3, 1e6, "us"), (1.0, 1e3, "ms")):
        if seconds < limit:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds:.3g} s" if seconds < 100 else f"{seconds:,.0f} s"


def times(ratio: Ratio) -> str:
    """Format a ratio with its spread."""
    median, least, most = ratio
    return f"{median:.3g} ({least:.3g} to {most:.3g})"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
