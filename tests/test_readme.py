"""What the README shows is what happens."""

import re
import subprocess
import sys
from pathlib import Path

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")


def test_the_transcript_of_the_readme_can_be_repeated(tmp_path: Path) -> None:
    ((program,), (console,)) = (
        re.findall(r"```python\n(.*?)```", README, re.DOTALL),
        re.findall(r"```console\n(.*?)```", README, re.DOTALL),
    )
    run(tmp_path, "-c", program)
    for shown in console.split("$ tieout ")[1:]:
        command, expected = shown.split("\n", 1)
        printed = run(tmp_path, "-m", "ledger.cli", *command.split())

        assert expected.strip() == re.sub(r"file digest [0-9a-f]{64}", "file digest ...", tidied(printed))


def run(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout


def tidied(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.splitlines()).strip()
