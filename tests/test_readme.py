"""What the README shows is what happens."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")


def test_the_transcripts_of_the_readme_can_be_repeated(tmp_path: Path) -> None:
    for kind, text in re.findall(r"```(python|console)\n(.*?)```", README, re.DOTALL):
        if kind == "python":
            # In a file, because the source of a strategy is part of what determines a run.
            program = tmp_path / "program.py"
            program.write_text(text)
            run(tmp_path, str(program))
            continue
        for shown in text.split("$ tieout ")[1:]:
            command, expected = shown.split("\n", 1)
            printed = run(tmp_path, "-m", "tieout", *shlex.split(command))

            assert expected.strip() == re.sub(r"file digest [0-9a-f]{64}", "file digest ...", tidied(printed))


def run(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout


def tidied(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.splitlines()).strip()
