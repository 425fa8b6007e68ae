"""Training a vanilla RNN by plain gradient descent, with and without clipping, from one start on one stream of data."""

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib import resources
from itertools import zip_longest
from typing import TYPE_CHECKING

import numpy as np

from gradflow.activations import Array
from gradflow.cells import RNN
from gradflow.checks import check_choice, check_kind
from gradflow.clipping import CLIPPERS, Gradients, global_norm
from gradflow.experiment import check_knobs, knob
from gradflow.parameters import NAMES
from gradflow.unroll import ForwardOverflow, backward, forward
from gradflow.weights import draw_params, generator

if TYPE_CHECKING:
    import pandas as pd

BASELINE = 1.0 / 6.0  # the squared error of always answering 1, the mean of the sum: two variances of 1/12
BLOCK = 20  # training steps between two looks
BATCH = 20
RACE = ("none", "norm")  # the kinds of clipping that are trained side by side


@dataclass(frozen=True)
class Training:
    """What is trained, and how; every field is checked, ValueError names field, value and what is allowed."""

    threshold: float = knob(
        0.5, "Clipping threshold", "The longest gradient that is left.", low=0.05, high=5.0, step=0.05
    )
    spectral_radius: float = knob(
        1.2,
        "Spectral radius",
        "Largest |eigenvalue| of W_hh at the start, W_hh being orthogonal up to that factor.",
        symbol="ρ",
        low=0.5,
        high=1.5,
        step=0.05,
    )
    activation: str = knob("relu", "Activation", "φ of the vanilla RNN.", symbol="φ", choices=("tanh", "relu"))
    # at 0.05 the unclipped run breaks off however the last digits fall; at 0.03 what becomes of it hangs on them
    rate: float = knob(0.05, "Learning rate", "Of plain gradient descent.", symbol="η", low=0.005, high=0.1, step=0.005)
    length: int = knob(40, "Length", "Steps of a sequence to add.", symbol="T", low=10, high=100, step=5, unit="steps")
    steps: int = knob(2000, "Training steps", "Updates of the parameters.", low=200, high=4000, step=200, unit="steps")
    hidden: int = knob(32, "Hidden units", "Of the RNN.", symbol="H", low=1, high=128, step=1, unit="units")
    seed: int = knob(0, "Seed", "Draws the start and the data.", low=0, high=999_999, step=1)

    def __post_init__(self) -> None:
        check_knobs(self)


@dataclass(frozen=True, eq=False, repr=False)
class Learning:
    """What one run has shown so far, in blocks of BLOCK training steps, arrays of (blocks,).

    step: the last step of the block; loss: mean over the block of the squared error on fresh sequences; norm_before and
    norm_after: the block's longest gradient before clipping and after; clipped: how many of its steps were clipped.
    ended: why the run broke off, or "".
    """

    step: Array
    loss: Array
    norm_before: Array
    norm_after: Array
    clipped: Array
    ended: str = field(default="", kw_only=True)

    @property
    def final_loss(self) -> float:
        """The mean loss of the last tenth of the blocks; NaN where there is none."""
        return float(self.loss[-max(1, len(self.loss) // 10) :].mean()) if len(self.loss) else np.nan

    @property
    def share_clipped(self) -> float:
        """The share of all steps that clipping changed; 0 before the first."""
        return float(self.clipped.sum() / self.step[-1]) if len(self.step) else 0.0


def adding_problem(rng: np.random.Generator, length: int, batch: int) -> tuple[Array, Array]:
    """x (T, B, 2): values uniform on [0, 1] and two marks, one in each half; y (B,): the sum of the two marked values.

    Hochreiter & Schmidhuber 1997, experiment 4, in the form of Le et al. 2015. T ≥ 2.
    """
    values, marks = rng.uniform(size=(length, batch)), np.zeros((length, batch))
    first, second = rng.integers(0, length // 2, batch), rng.integers(length // 2, length, batch)
    each = np.arange(batch)
    marks[first, each] = marks[second, each] = 1.0
    return np.stack([values, marks], axis=-1), values[first, each] + values[second, each]


def draw_start(setup: Training) -> Gradients:
    """The parameters before training: the RNN's four arrays, and weight_hy (H,), bias_hy () of the readout."""
    rnn = draw_params(
        RNN(setup.activation), 2, setup.hidden, "orthogonal", setup.spectral_radius, 0.5, 0.0, None, setup.seed
    )
    w_hy = generator(setup.seed, "readout").normal(size=setup.hidden) / np.sqrt(setup.hidden)
    return {**rnn, "weight_hy": w_hy, "bias_hy": np.zeros(())}


@np.errstate(over="ignore", under="ignore", invalid="ignore")
def loss_and_gradients(activation: str, params: Gradients, x: Array, y: Array) -> tuple[float, Gradients]:
    """The mean of (W_hy h_T + b_hy − y)² over the batch, and its gradients by back-propagation through time.

    Raises ForwardOverflow where the state, the loss or a gradient leaves float64's range.
    """
    trace = forward(RNN(activation), {name: params[name] for name in NAMES}, x)
    h = trace.h[-1]
    error = h @ params["weight_hy"] + params["bias_hy"] - y
    loss = float((error * error).mean())
    dy = 2.0 * error / len(y)
    direct = np.zeros(trace.h.shape)
    direct[-1] = dy[:, None] * params["weight_hy"]
    if not (np.isfinite(loss) and np.isfinite(direct[-1]).all()):
        raise ForwardOverflow(len(x), len(x), "the loss")
    grads = {**backward(trace, direct).grads, "weight_hy": dy @ h, "bias_hy": dy.sum()}
    if not np.isfinite(global_norm(grads)):
        raise ForwardOverflow(len(x), len(x), "the gradient")
    return loss, grads


def train(setup: Training, clipping: str) -> Iterator[Learning]:
    """Trains with one kind of clipping, "none", "norm" or "value", by θ ← θ − rate · clip(∂L/∂θ).

    Yields what it has shown so far after every BLOCK steps and after the last one. A state, a loss or a gradient that is no
    longer finite ends the run: PyTorch's clip_grad_norm_ would go on with NaN, unless it is told error_if_nonfinite=True.
    """
    check_kind("setup", setup, Training)
    check_choice("clipping", clipping, CLIPPERS)
    params, data = draw_start(setup), generator(setup.seed, "input")
    clip = CLIPPERS[clipping]
    blocks: list[tuple[float, ...]] = []
    for first in range(0, setup.steps, BLOCK):
        seen = []
        ended = ""
        for step in range(first + 1, min(first + BLOCK, setup.steps) + 1):
            x, y = adding_problem(data, setup.length, BATCH)
            try:
                loss, grads = loss_and_gradients(setup.activation, params, x, y)
            except ForwardOverflow as overflow:
                ended = f"{overflow.what} left float64's range at training step {step}"
                break
            clipped = clip(grads, setup.threshold)
            seen.append((loss, clipped.norm_before, clipped.norm_after, clipped.clipped))
            with np.errstate(over="ignore", under="ignore", invalid="ignore"):
                params = {name: value - setup.rate * clipped.grads[name] for name, value in params.items()}
        if seen:
            loss, before, after, count = np.array(seen).T
            blocks.append((first + len(seen), loss.mean(), before.max(), after.max(), count.sum()))
        yield Learning(*np.array(blocks).reshape(-1, 5).T, ended=ended)
        if ended:
            return


def race(setup: Training) -> Iterator[dict[str, Learning]]:
    """Trains without clipping and with clipping by norm side by side: the same start, the same data, block by block."""
    last: dict[str, Learning] = {}
    for both in zip_longest(*(train(setup, kind) for kind in RACE)):
        last = {kind: now or last[kind] for kind, now in zip(RACE, both, strict=True)}
        yield last


def recorded() -> dict[str, Learning]:
    """The race of `Training()`, as tests/record_training.py wrote it down: it takes some seconds to run."""
    with resources.files("gradflow").joinpath("data/training.csv").open(encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    columns = ("step", "loss", "norm_before", "norm_after", "clipped")
    runs = {}
    for kind in RACE:
        blocks = [row for row in rows if row["clipping"] == kind]
        values = (np.array([float(row[c]) for row in blocks]) for c in columns)
        runs[kind] = Learning(*values, ended=blocks[-1]["ended"])
    return runs


def race_frame(runs: Mapping[str, Learning]) -> "pd.DataFrame":
    """One row per (kind of clipping, block): the block's last step, its loss, longest gradients and clipped steps."""
    import pandas as pd

    frames = [
        pd.DataFrame(
            {
                "clipping": kind,
                "step": run.step.astype(int),
                "loss": run.loss,
                "norm_before": run.norm_before,
                "norm_after": run.norm_after,
                "clipped": run.clipped.astype(int),
            }
        )
        for kind, run in runs.items()
    ]
    return pd.concat(frames, ignore_index=True)
