"""The reference of all commands, from their own help.

python -m tieout.validation.evidence.commands --write docs/cli.md
"""

import argparse
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from subprocess import PIPE, CalledProcessError

from tieout.ledger.process import start

_HEAD = """# Commands

Written by `python -m tieout.validation.evidence.commands --write docs/cli.md` from the help of each command.

Exit status of every command: 0 ok, 1 a check failed or a difference was found, 2 could not run.
An error is one sentence on the standard error stream.
"""
# Plain text of a fixed width on every terminal.
_PLAIN = {"COLUMNS": "80", "TYPER_USE_RICH": "0"}


def help_text(*command: str) -> str:
    """Run a command with ``--help``, and return what it prints."""
    arguments = ("-m", "tieout", *command, "--help")
    with start(*arguments, environment=_PLAIN, stdout=PIPE, encoding="utf-8") as child:
        text, _ = child.communicate()
    if child.returncode:
        raise CalledProcessError(child.returncode, arguments)
    lines = (line.rstrip() for line in text.splitlines())
    return "\n".join(lines).strip().replace("python -m tieout", "tieout")


def page() -> str:
    """Write the page as Markdown: the program, then each command in the order of its list."""
    program = help_text()
    _, _, listed = program.partition("\nCommands:\n")
    names = re.findall(r"^  (\w[\w-]*)  ", listed, re.MULTILINE)
    with ThreadPoolExecutor() as threads:
        texts = list(threads.map(help_text, names))
    parts = [("tieout", program), *((f"tieout {n}", text) for n, text in zip(names, texts, strict=True))]
    return "\n".join([_HEAD, *(f"## {title}\n\n```text\n{text}\n```\n" for title, text in parts)])


def main() -> None:
    """Print the page, or write it."""
    parser = argparse.ArgumentParser(description="Write the reference of all commands.")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the page to this file")
    arguments = parser.parse_args()
    if arguments.write is None:
        print(page())
    else:
        arguments.write.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
