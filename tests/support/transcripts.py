"""The transcripts of a page: its programs and commands, performed again and compared with what it prints."""

import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path


def repeat(
    page: str, folder: Path, python: str = sys.executable, environment: Mapping[str, str] | None = None
) -> None:
    """Perform every block of *page* in *folder*; assert that each command prints what stands below it."""
    for kind, text in re.findall(r"```(python|console)\n(.*?)```", page, re.DOTALL):
        if kind == "python":
            # In a file, because the source of a strategy is part of what determines a run.
            program = folder / "program.py"
            program.write_text(text, encoding="utf-8")
            run(folder, python, str(program), environment=environment)
            continue
        for transcript in text.split("$ tieout ")[1:]:
            command, expected = transcript.split("\n", 1)
            printed = run(folder, python, "-m", "tieout", *shlex.split(command), environment=environment)

            assert expected.strip() == re.sub(r"file digest [0-9a-f]{64}", "file digest ...", tidy(printed))


def run(folder: Path, *command: str, environment: Mapping[str, str] | None = None) -> str:
    """Run *command* in *folder* and return its output; raise `RuntimeError` with its errors if it fails."""
    process = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, check=False, encoding="utf-8"
    )
    if process.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}:\n{process.stderr}")
    return process.stdout


def tidy(text: str) -> str:
    """Return *text* without the spaces at the ends of its lines."""
    return "\n".join(line.rstrip() for line in text.splitlines()).strip()
