"""The transcripts of the README and the docs are what the programs print."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
TRANSCRIPTS = ["README.md", "docs/guide.md", "docs/journal.md"]


@pytest.mark.parametrize("page", TRANSCRIPTS)
def test_the_transcripts_of_a_page_can_be_repeated(page: str, tmp_path: Path) -> None:
    repeat((ROOT / page).read_text(encoding="utf-8"), tmp_path)


def repeat(page: str, folder: Path, python: str = sys.executable) -> None:
    """Run the programs and commands of *page* in *folder*, and compare what the commands print."""
    for kind, text in re.findall(r"```(python|console)\n(.*?)```", page, re.DOTALL):
        if kind == "python":
            # In a file, because the source of a strategy is part of what determines a run.
            program = folder / "program.py"
            program.write_text(text, encoding="utf-8")
            run(folder, str(program), python=python)
            continue
        for transcript in text.split("$ tieout ")[1:]:
            command, expected = transcript.split("\n", 1)
            printed = run(folder, "-m", "tieout", *shlex.split(command), python=python)

            assert expected.strip() == abbreviated(tidied(printed), expected)


def run(folder: Path, *arguments: str, python: str = sys.executable) -> str:
    finished = subprocess.run([python, *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return finished.stdout


def tidied(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.splitlines()).strip()


def abbreviated(printed: str, expected: str) -> str:
    """Replace by dots each digest that *expected* leaves out: it differs by file, version or machine."""
    for name in re.findall(r"(\S+ digest) \.\.\.", expected):
        printed = re.sub(rf"{name} [0-9a-f]{{64}}", f"{name} ...", printed)
    return printed
