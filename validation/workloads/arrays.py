"""Workloads as files of arrays, which every engine loads for itself. The files stay in the user's cache."""

import shutil
import tempfile
from pathlib import Path

import numpy as np
import platformdirs

from tieout.validation.workloads.workloads import DIGESTS, FIELDS, Workload, generate


def folder_of(name: str) -> Path:
    """Return the folder with a workload's arrays, and write it if it is missing."""
    folder = platformdirs.user_cache_path("tieout") / "workloads" / f"{name}-{DIGESTS[name]}"
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(dir=folder.parent))
        write(generate(name), draft)
        try:
            # The rename is atomic. Two processes that write it at the same time write the same files.
            draft.rename(folder)
        except OSError:
            shutil.rmtree(draft)
    return folder


def workload(name: str) -> Workload:
    """Read a workload from its files."""
    arrays = {path.stem: np.load(path) for path in folder_of(name).glob("*.npy")}
    bars = {field: arrays.pop(field) for field in FIELDS}
    arrays.pop("weights", None)
    return Workload(name, arrays.pop("timestamp"), bars, arrays)


def write(workload: Workload, folder: Path) -> None:
    """Write every array to a file of its name."""
    arrays = {"timestamp": workload.timestamp, **workload.bars, **workload.inputs}
    if "top" in workload.inputs:
        arrays["weights"] = workload.weights
    for name, values in arrays.items():
        np.save(folder / f"{name}.npy", values)
