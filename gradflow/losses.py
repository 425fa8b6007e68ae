"""Where a sequence's loss is read, what is read there, and the direct derivative that starts the backward pass."""

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradflow.activations import Array
from gradflow.parameters import Params
from gradflow.sequences import Sequences, read_input
from gradflow.weights import generator

SEQUENCE_TYPES = {
    "many-to-one": "input at every step, the loss at the last",
    "many-to-many": "input and loss at every step",
    "one-to-many": "input at the first step only, the loss at every step",
    "encoder-decoder": "input in the first half, the loss in the second",
}
LOSSES = {
    "probe": "a unit probe, L = w · h with ‖w‖ = 1",
    "prediction": "the next input: cross-entropy for text, squared error for numbers",
}
REDUCTIONS = {"mean": "average over the steps read", "sum": "sum over the steps read"}


def steps_read(sequence_type: str, present: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """At which steps there is input, and at which the loss is read: two (T, B) arrays, each sequence on its own clock."""
    clock = np.cumsum(present, axis=0)
    length = clock[-1]
    half = (length + 1) // 2
    if sequence_type == "encoder-decoder" and length.min() < 2:
        raise ValueError(f"length must be at least 2 for sequence_type='encoder-decoder', got {length.min()}")
    reads = {
        "many-to-one": (present, clock == length),
        "many-to-many": (present, present),
        "one-to-many": (clock == 1, present),
        "encoder-decoder": (clock <= half, clock > half),
    }
    has_input, has_loss = reads[sequence_type]
    return has_input & present, has_loss & present


@dataclass(frozen=True, eq=False, repr=False)
class Reading:
    """A loss read off the hidden states: loss (B,); dL_dh (T + 1, B, H), the direct part; the readout's gradients.

    overflowed: whether the loss or its derivative has left float64's range, which finite states can still do.
    """

    loss: Array
    dL_dh: Array
    grads: Params
    overflowed: bool


@dataclass(frozen=True, eq=False, repr=False)
class Readout:
    """A loss: what is read, with which parameters, and how much every step counts, weight (T, B).

    probe: L = Σ_t weight_t w · h_t with params {"weight_probe": (H,)}. prediction: y = W_hy h + b_hy with params
    {"weight_hy": (O, H), "bias_hy": (O,)}; cross-entropy of softmax(y) for text, half the mean squared error for numbers.
    """

    kind: str
    params: Params
    weight: Array
    sequences: Sequences

    @property
    def rows(self) -> NDArray[np.bool_]:
        """Which of the rows t = 0 … T the loss is read from, (T + 1,)."""
        return np.concatenate([[False], self.weight.any(1)])

    def read(self, h: Array) -> Reading:
        """Every sequence's loss and its direct derivative for the states h (T + 1, B, H)."""
        reading, direct = self.read_rows(h[self.rows]), np.zeros(h.shape, h.dtype)
        direct[self.rows] = reading.dL_dh
        return replace(reading, dL_dh=direct)

    @np.errstate(over="ignore", under="ignore", invalid="ignore")
    def read_rows(self, seen: Array) -> Reading:
        """The same for the states of the rows read alone, (rows, B, H), and with the direct derivative of these."""
        rows = self.rows
        weight = self.weight[rows[1:]]
        if self.kind == "probe":
            w = self.params["weight_probe"]
            per_step, dh = seen @ w, weight[..., None] * w
            grads = {"weight_probe": (weight[..., None] * seen).sum((0, 1))}
        else:
            w_hy = self.params["weight_hy"]
            error = cross_entropy if self.sequences.symbols else squared_error
            per_step, dy = error(seen @ w_hy.T + self.params["bias_hy"], self.sequences.targets[rows[1:]])
            dy = weight[..., None] * dy
            dh = dy @ w_hy
            grads = {"weight_hy": np.tensordot(dy, seen, ((0, 1), (0, 1))), "bias_hy": dy.sum((0, 1))}
        loss = (weight * per_step).sum(0)
        return Reading(loss, dh, grads, not (np.isfinite(loss).all() and np.isfinite(dh.sum())))


def cross_entropy(y: Array, targets: NDArray[np.int_]) -> tuple[Array, Array]:
    """−ln softmax(y)[target] and its derivative softmax(y) − onehot, for logits y (…, O).

    At the target the derivative is summed up from the other shares: 1 − p loses all digits where the prediction is sure.
    """
    shifted = y - y.real.max(-1, keepdims=True)
    e = np.exp(shifted)
    total = e.sum(-1, keepdims=True)
    is_target = np.arange(y.shape[-1]) == targets[..., None]
    others = np.where(is_target, 0.0, e / total)
    loss = np.log(total[..., 0]) - np.where(is_target, shifted, 0.0).sum(-1)
    return loss, np.where(is_target, -others.sum(-1, keepdims=True), others)


def squared_error(y: Array, targets: Array) -> tuple[Array, Array]:
    """½ mean (y − target)² over the last axis, and its derivative."""
    error = y - targets
    return 0.5 * (error * error).mean(-1), error / y.shape[-1]


def step_weights(has_loss: NDArray[np.bool_], reduction: str) -> Array:
    """How much every step's loss counts, (T, B), for one of REDUCTIONS."""
    return has_loss / (has_loss.sum(0) if reduction == "mean" else 1.0)


def silenced(sequences: Sequences, has_input: NDArray[np.bool_]) -> Sequences:
    """The sequences with zeros where there is no input, (T, B)."""
    if has_input[sequences.present()].all():
        return sequences
    return replace(sequences, x=np.where(has_input[..., None], sequences.x, 0.0))


def make_readout(kind: str, weight: Array, sequences: Sequences, hidden: int, seed: int) -> Readout:
    """Draws the readout for one of LOSSES."""
    rng = generator(seed, "readout")
    if kind == "probe":
        w = rng.normal(size=hidden)
        return Readout(kind, {"weight_probe": w / np.linalg.norm(w)}, weight, sequences)
    outputs = len(sequences.symbols) or sequences.x.shape[-1]
    params = {"weight_hy": rng.normal(size=(outputs, hidden)) / np.sqrt(hidden), "bias_hy": np.zeros(outputs)}
    return Readout(kind, params, weight, sequences)


@lru_cache(maxsize=8)
def placed(
    reading: tuple[Any, ...], sequence_type: str, loss: str, reduction: str, hidden: int, seed: int
) -> tuple[Sequences, Readout]:
    """The sequences of `read_input(*reading)` as the sequence type has them, and the loss on them.

    Cached, because the runs of a sweep share them, and so read-only.
    """
    sequences = read_input(*reading)
    has_input, has_loss = steps_read(sequence_type, sequences.present())
    sequences = silenced(sequences, has_input)
    readout = make_readout(loss, step_weights(has_loss, reduction), sequences, hidden, seed)
    for array in (sequences.x, readout.weight, *readout.params.values()):
        array.flags.writeable = False
    return sequences, readout
