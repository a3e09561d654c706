"""A build hook: the package `tieout` is complete only where its links to the rooms are links or folders."""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOMS = ("ledger", "execution", "strategies", "validation")


class Links(BuildHookInterface[Any]):
    """A hook that stops a build where the links are text files, as git writes them without symbolic links."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Raise `RuntimeError` unless each room is a folder with modules."""
        del version, build_data
        for room in ROOMS:
            package = Path(self.root, "tieout", room)
            if not (package / "__init__.py").is_file():
                raise RuntimeError(
                    f"tieout/{room} is not a link to the folder {room}/: this checkout has no symbolic links."
                    " Run `git config core.symlinks true && git checkout -- tieout` and build again"
                )
