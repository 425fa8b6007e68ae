"""How much memory a sweep takes: python -m benchmarks.memory lstm, in a process of its own."""

import sys
import time
from pathlib import Path

import numpy as np

import gradflow as gf

SWEEPS = 5  # the worker is not there yet at the first


def told(process: str, what: str) -> int:
    """A number from what Linux tells of a process; sizes are in kB."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(f"{what}:")).split()[1])


def peak_megabytes(cell: str) -> float:
    """How far sweeps of 61 values raise the peak of a fresh process above what it was after the import, in MB.

    A worker counts whole, with all that it had to import.
    """
    before = told("self", "VmHWM")
    for _ in range(SWEEPS):
        gf.sweep(gf.Experiment(cell=cell, length=200, hidden=64, batch=8), "spectral_radius", np.linspace(0.0, 3.0, 61))
        time.sleep(0.5)
    own, everybody = told("self", "Pid"), [path.name for path in Path("/proc").iterdir() if path.name.isdigit()]
    workers = [told(process, "VmHWM") for process in everybody if told(process, "PPid") == own]
    assert workers, "a machine with one core only"
    return (told("self", "VmHWM") - before + sum(workers)) / 1000


if __name__ == "__main__":
    print(peak_megabytes(sys.argv[1]))
