"""An LSTM and a GRU whose weights have learned to remember: they are trained on the adding problem."""

from dataclasses import dataclass
from functools import cache
from importlib import resources

import numpy as np

from gradflow.activations import Array
from gradflow.checks import check_choice
from gradflow.flow import Flow
from gradflow.parameters import Params
from gradflow.training import adding_problem
from gradflow.unroll import backward, forward
from gradflow.weights import from_torch, generator

TRAINED = ("lstm", "gru")
MARKED = " marked"  # how the name of such a step ends
LONGEST = 100  # steps of the longest sequences in training


@dataclass(frozen=True, eq=False, repr=False)
class TrainedNetwork:
    """A trained network: PyTorch's four arrays, the readout y = W_hy h_T + b_hy (H,) and (), and its squared error on
    sequences of LONGEST steps that it has not seen."""

    cell: str
    params: Params
    weight_hy: Array
    bias_hy: float
    error: float


def trained_network(cell: str) -> TrainedNetwork:
    """The weights that `tests/record_adding.py` has trained on the adding problem, by the cell's name; read-only."""
    check_choice("cell", cell, TRAINED)
    return stored_network(cell)


@cache
def stored_network(cell: str) -> TrainedNetwork:
    with (
        resources.files("gradflow").joinpath("data/adding.npz").open("rb") as file,
        np.load(file, allow_pickle=False) as stored,
    ):
        arrays = {name.removeprefix(f"{cell}/"): stored[name] for name in stored.files if name.startswith(f"{cell}/")}
    weight_hy, bias_hy, error = (arrays.pop(name).astype(float) for name in ("weight_hy", "bias_hy", "error"))
    params = from_torch(arrays, cell)
    for array in (*params.values(), weight_hy):
        array.flags.writeable = False
    return TrainedNetwork(cell, params, weight_hy, float(bias_hy), float(error))


def run_trained(cell: str, length: int, seed: int = 0) -> tuple[Flow, tuple[str, ...]]:
    """One sequence of the adding problem through the trained network and back, and the names of its steps.

    The loss is the network's own answer, L = w · h_T with w the readout's direction, ‖w‖ = 1. length ≥ 2.
    """
    network = trained_network(cell)
    if length < 2:
        raise ValueError(f"length must be at least 2 for trained weights, which add up two numbers, got {length}")
    x, _ = adding_problem(generator(seed, "input"), length, 1)
    trace = forward(cell, network.params, x)
    dL_dh = np.zeros(trace.h.shape)
    dL_dh[-1] = network.weight_hy / np.linalg.norm(network.weight_hy)
    names = tuple(f"{value:.2f}{MARKED if mark else ''}" for value, mark in x[:, 0].tolist())
    return backward(trace, dL_dh), names
