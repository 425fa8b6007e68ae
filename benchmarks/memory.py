"""How much memory a sweep takes: python -m benchmarks.memory lstm, in a process of its own."""

import sys
from pathlib import Path

import numpy as np

import gradflow as gf


def peak_of_process() -> float:
    """The largest memory this process ever had in RAM, in MB, as Linux tells it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1000


def peak_megabytes(cell: str) -> float:
    """How far one sweep of 61 values raises the peak of a fresh process above what it was after the import."""
    before = peak_of_process()
    gf.sweep(gf.Experiment(cell=cell, length=200, hidden=64, batch=8), "spectral_radius", np.linspace(0.0, 3.0, 61))
    return peak_of_process() - before


if __name__ == "__main__":
    print(peak_megabytes(sys.argv[1]))
