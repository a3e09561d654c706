"""Workloads as files of arrays, which every engine loads for itself; kept for the next time."""

import shutil
import tempfile
from pathlib import Path

import numpy as np
import platformdirs

from tieout.validation.workloads.workloads import DIGESTS, FIELDS, Workload, generate


def kept(name: str) -> Path:
    """The folder with a workload's arrays, made where it is not there."""
    folder = platformdirs.user_cache_path("tieout") / "bench" / f"{name}-{DIGESTS[name]}"
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(dir=folder.parent))
        write(generate(name), made)
        try:
            # At once and whole: two that make it at a time give the same files.
            made.rename(folder)
        except OSError:
            shutil.rmtree(made)
    return folder


def workload(name: str) -> Workload:
    """A workload from its files."""
    arrays = {path.stem: np.load(path) for path in kept(name).glob("*.npy")}
    bars = {field: arrays.pop(field) for field in FIELDS}
    arrays.pop("weights", None)
    return Workload(name, arrays.pop("timestamp"), bars, arrays)


def write(workload: Workload, folder: Path) -> None:
    """Every array as a file that bears its name."""
    arrays = {"timestamp": workload.timestamp, **workload.bars, **workload.inputs}
    if "top" in workload.inputs:
        arrays["weights"] = workload.weights
    for name, values in arrays.items():
        np.save(folder / f"{name}.npy", values)
