"""The cases that `record_torch.py` records and `test_torch.py` replays."""

from dataclasses import dataclass

import numpy as np
from helpers import make_params, scatter


@dataclass(frozen=True)
class Case:
    cell: str
    hidden: int
    inputs: int
    batch: int
    length: int
    reads: str  # "all" steps or the "last" one

    @property
    def key(self):
        return f"{self.cell}-H{self.hidden}-D{self.inputs}-B{self.batch}-T{self.length}-{self.reads}"


SIZES = ((1, 1, 1, (1, 50)), (5, 3, 2, (1, 2, 17, 300)), (24, 6, 3, (100,)))
CASES = [
    Case(cell, hidden, inputs, batch, length, reads)
    for cell in ("rnn", "rnn-relu", "lstm", "gru")
    for hidden, inputs, batch, lengths in SIZES
    for length in lengths
    for reads in ("all", "last")
]


def rows_recorded(length):
    """The rows whose vectors are recorded: both ends and some between."""
    return np.unique(np.linspace(0, length, 8).round().astype(int))


def case_arrays(case):
    """Parameters, input, initial states and direct derivatives of a case."""
    gates = {"rnn": 1, "rnn-relu": 1, "lstm": 4, "gru": 3}[case.cell]
    seed = case.hidden + case.length
    state = (case.batch, case.hidden)
    dL_dh = scatter((case.length + 1, *state), seed + 3)
    dL_dh[: case.length if case.reads == "last" else 1] = 0.0
    return {
        "params": make_params(gates, case.hidden, case.inputs, seed, scale=1.2),
        "x": scatter((case.length, case.batch, case.inputs), seed + 1) * 1.5,
        "h0": scatter(state, seed + 2),
        "c0": scatter(state, seed + 4),
        "dL_dh": dL_dh,
    }
