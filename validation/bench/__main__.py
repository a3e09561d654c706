"""`python -m validation.bench` is `tieout bench`."""

import typer

from validation.cli import bench

if __name__ == "__main__":
    typer.run(bench)
