"""Drawing a network: initialisers, rescaling to a spectral radius, memory biases, and PyTorch's state dicts.

Everything is drawn from `numpy.random.Generator`s that depend on the seed alone, one stream each for W_hh, W_ih, biases,
input, readout and unit weights: a knob that belongs to one of them leaves the others' random numbers as they were.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from gradflow.activations import Array
from gradflow.cells import CELLS, Cell, as_cell
from gradflow.checks import as_numbers, shown, square_matrix
from gradflow.parameters import NAMES, Params, check_params

STREAMS = ("w_hh", "w_ih", "bias", "input", "readout", "check", "unit_weights")


def generator(seed: int, stream: str, *which: int) -> np.random.Generator:
    """The random numbers of one stream for one seed, or of one member of that stream."""
    return np.random.default_rng([seed, STREAMS.index(stream), *which])


def gaussian(rng: np.random.Generator, hidden: int) -> Array:
    """W_ij ~ N(0, 1/H): the circular law, spectral radius about 1, spectral norm about 2."""
    return rng.normal(size=(hidden, hidden)) / np.sqrt(hidden)


def orthogonal(rng: np.random.Generator, hidden: int) -> Array:
    """A Haar-distributed orthogonal matrix (Saxe et al. 2014): every singular value is 1."""
    q, r = np.linalg.qr(rng.normal(size=(hidden, hidden)))
    return q * np.sign(np.diag(r))


def identity(rng: np.random.Generator, hidden: int) -> Array:
    """The identity (Le et al. 2015, with ReLU the IRNN)."""
    return np.eye(hidden)


def pytorch_uniform(rng: np.random.Generator, hidden: int) -> Array:
    """U(−1/√H, 1/√H), PyTorch's default: spectral radius about 0.58."""
    return rng.uniform(-1.0, 1.0, (hidden, hidden)) / np.sqrt(hidden)


INITS: dict[str, Callable[[np.random.Generator, int], Array]] = {
    "gaussian": gaussian,
    "orthogonal": orthogonal,
    "identity": identity,
    "pytorch": pytorch_uniform,
}


def spectral_radius(matrix: ArrayLike) -> float:
    """max |eigenvalue| of a square matrix."""
    return float(np.abs(np.linalg.eigvals(square_matrix("matrix", matrix))).max())


@lru_cache(maxsize=8)
def drawn_blocks(init: str, gates: int, hidden: int, seed: int) -> Array:
    """W_hh as it is drawn, (gates, H, H); cached, few of them, because the runs of a sweep share it."""
    rng = generator(seed, "w_hh")
    blocks = np.stack([INITS[init](rng, hidden) for _ in range(gates)])
    blocks.flags.writeable = False
    return blocks


@lru_cache(maxsize=4096)
def drawn_radii(init: str, gates: int, hidden: int, seed: int) -> tuple[float, ...]:
    """Each block's spectral radius; cached, many of them, because the eigenvalues cost more than a run."""
    if init in ("orthogonal", "identity"):
        return (1.0,) * gates  # by construction, not by rounding
    return tuple(spectral_radius(block) for block in drawn_blocks(init, gates, hidden, seed))


@np.errstate(under="ignore")
def draw_params(
    cell: Cell,
    inputs: int,
    hidden: int,
    init: str,
    rescale_to: float | None,
    input_scale: float,
    memory_bias: float,
    chrono_steps: int | None,
    seed: int,
) -> Params:
    """A network's parameters in PyTorch's layout.

    Every gate's block of W_hh is drawn on its own and rescaled to the spectral radius `rescale_to` unless that is None.
    W_ih ~ N(0, input_scale²), so that an input of norm 1 adds that standard deviation to a unit. Biases are zero but
    for the memory gate's; PyTorch's start draws W_ih and all other biases from its own U(−1/√H, 1/√H). With `chrono` the memory
    gate's bias is ln U[1, T − 1] (Tallec & Ollivier 2018, eq. 16), negated where a high gate overwrites, and the LSTM's
    input gate has its negative. The cell's unit weights are always U(−1/√H, 1/√H).
    """
    w_hh = recurrent_weights(init, len(cell.gates), hidden, seed, rescale_to)
    w_ih = input_weights(init, len(cell.gates), hidden, seed, inputs, input_scale)
    b_ih, b_hh = biases(cell, init, hidden, seed, memory_bias, chrono_steps)
    arrays = (w_ih, w_hh.reshape(-1, hidden), b_ih.reshape(-1), b_hh.reshape(-1))
    params = dict(zip(NAMES, arrays, strict=True))
    if cell.unit_weights:
        own = generator(seed, "unit_weights").uniform(-1.0, 1.0, (len(cell.unit_weights), hidden)) / np.sqrt(hidden)
        params |= dict(zip(cell.unit_weights, own, strict=True))
    return params


def recurrent_weights(init: str, gates: int, hidden: int, seed: int, rescale_to: float | None) -> Array:
    """W_hh, (gates, H, H), every block rescaled to the spectral radius unless that is None."""
    blocks = drawn_blocks(init, gates, hidden, seed)
    if rescale_to is None:
        return blocks.copy()
    return blocks * (rescale_to / np.array(drawn_radii(init, gates, hidden, seed)))[:, None, None]


def input_weights(init: str, gates: int, hidden: int, seed: int, inputs: int, scale: float) -> Array:
    """W_ih, (gates·H, D)."""
    drawn = drawn_input_weights(init, gates, hidden, seed, inputs)
    return drawn / np.sqrt(hidden) if init == "pytorch" else drawn * scale


@lru_cache(maxsize=8)
def drawn_input_weights(init: str, gates: int, hidden: int, seed: int, inputs: int) -> Array:
    """W_ih before it is scaled, (gates·H, D); cached as `drawn_blocks` is."""
    rng, shape = generator(seed, "w_ih"), (gates * hidden, inputs)
    drawn = rng.uniform(-1.0, 1.0, shape) if init == "pytorch" else rng.normal(size=shape)
    drawn.flags.writeable = False
    return drawn


def biases(
    cell: Cell, init: str, hidden: int, seed: int, memory_bias: float, chrono_steps: int | None
) -> tuple[Array, Array]:
    """b_ih and b_hh, (gates, H) each; with `chrono_steps`, memories of up to that many steps."""
    b_ih, b_hh = np.zeros((2, len(cell.gates), hidden))
    if init == "pytorch" or chrono_steps is not None:  # else nothing is random
        rng = generator(seed, "bias")
        drawn = rng.uniform(-1.0, 1.0, (2, len(cell.gates), hidden)) / np.sqrt(hidden)
        if init == "pytorch":
            b_ih, b_hh = drawn
    if cell.memory_gate is None:
        return b_ih, b_hh
    memory = cell.gates.index(cell.memory_gate)
    b_ih[memory], b_hh[memory] = memory_bias, 0.0
    if chrono_steps is not None:
        b_ih[memory] = cell.memory_sign * np.log(rng.uniform(1.0, max(1.0, chrono_steps - 1.0), hidden))
        if "i" in cell.gates:
            gate = cell.gates.index("i")
            b_ih[gate], b_hh[gate] = -b_ih[memory], 0.0
    return b_ih, b_hh


def from_torch(state_dict: Mapping[str, Any], cell: str | Cell | None = None) -> Params:
    """The parameters of a single-layer `nn.RNN`, `nn.LSTM` or `nn.GRU` (or their `…Cell`) from its state dict.

    Keys are weight_ih_l0 (G·H, D), weight_hh_l0 (G·H, H), bias_ih_l0 and bias_hh_l0 (G·H), or these without the _l0 of
    a cell's; values are arrays or tensors of any float type on any device. The cell is read off
    G = rows of W_hh / H: 1 RNN, 4 LSTM, 3 GRU; name `cell` to have it held to that. weight_ci, weight_cf and weight_co (H)
    beside an LSTM's arrays make it a peephole LSTM. PyTorch is not imported.
    Raises ValueError on a missing, extra or misshapen key and on numbers that are not finite.
    """
    if not isinstance(state_dict, Mapping):
        raise ValueError(f"state_dict must map names to arrays, got {shown(state_dict)}")
    of_cell = {name.removesuffix("_l0"): name for name in NAMES}
    for short, name in of_cell.items():
        if short in state_dict and name in state_dict:
            raise ValueError(f"state_dict must have each array under one name, got both {short} and {name}")
    arrays = {of_cell.get(str(name), str(name)): to_array(str(name), value) for name, value in state_dict.items()}
    if cell is None:
        shape = arrays["weight_hh_l0"].shape if "weight_hh_l0" in arrays else (1, 1)  # what lacks is told below
        gates = shape[0] / shape[1] if len(shape) == 2 and shape[1] else 0
        known = [make() for make in CELLS.values()]
        possible = [c for c in known if not c.unit_weights or any(name in arrays for name in c.unit_weights)]
        cell = {len(c.gates): c for c in possible}.get(gates)  # a cell with weights of its own comes after one without
        if cell is None:
            raise ValueError(
                f"state_dict['weight_hh_l0'] must have shape (H, H) for RNN, (4·H, H) for LSTM or (3·H, H) for GRU, "
                f"got {shape}"
            )
    return check_params(as_cell(cell), arrays, "state_dict")


def to_array(name: str, value: Any) -> Array:
    """A float64 copy of an array or a tensor, wherever the tensor lives."""
    field = f"state_dict[{name!r}]"
    if hasattr(value, "is_complex") and value.is_complex():  # `double` would drop the imaginary part
        raise ValueError(f"{field} must be real, got {value.dtype}")
    try:
        for method in ("detach", "cpu", "double", "numpy"):
            value = getattr(value, method)() if hasattr(value, method) else value
    except (TypeError, NotImplementedError):
        raise ValueError(f"{field} must hold its numbers, dense, got {shown(value)}") from None
    return np.array(as_numbers(field, value))
