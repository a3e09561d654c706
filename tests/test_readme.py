"""The README's examples give the output that it prints."""

from pathlib import Path

from tests.support.transcripts import repeat

README = Path(__file__).parent.parent / "README.md"


def test_the_transcripts_of_the_readme_can_be_repeated(tmp_path: Path) -> None:
    repeat(README.read_text(encoding="utf-8"), tmp_path)
