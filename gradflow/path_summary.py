"""Which paths one network's gradient takes, boiled down to what a picture shows."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gradflow.activations import Array
from gradflow.adding import MARKED, TRAINED, run_trained
from gradflow.cells import CELLS, Cell
from gradflow.cells.cell import HIGHWAY
from gradflow.cells.gru import ResetAfterGRU
from gradflow.checks import check_choice, check_number
from gradflow.experiment import Experiment, build_cell, check_experiment, run
from gradflow.flow import Flow, Trace
from gradflow.paths import Split, other_convention, split_routes, split_steps
from gradflow.unroll import ForwardOverflow, backward, forward

if TYPE_CHECKING:
    import pandas as pd

WEIGHTS = {"random": "as drawn", "trained": "trained on the adding problem"}
OPEN = 0.9  # a memory gate above this keeps half of its unit for more than six steps


@dataclass(frozen=True, eq=False, repr=False)
class PathSummary:
    """The paths of one network's gradient on its first sequence.

    steps: the inputs x_1 … x_T by name. start: the step from which routes are followed back. by_step and routes: `split_steps`
    and `split_routes`, of one sequence. kept (T, H): the share of every unit of the memory that its gate keeps at each step,
    written as gate; kept_other and gate_other: the same with the other of WEIGHTS on its own input, None where there are none.
    twin: log10 ‖∂L/∂h_t‖ (T + 1,) of the same GRU in the other update convention, None for other cells; twin_error: its largest
    relative distance from the gradient here.
    """

    cell: str
    weights: str
    steps: tuple[str, ...]
    start: int
    memory: str
    gate: str
    by_step: Split
    routes: Split
    kept: Array | None
    kept_other: Array | None
    gate_other: str
    twin: Array | None
    twin_error: float

    def __repr__(self) -> str:
        return f"<PathSummary of {self.weights} {self.cell}: the highway alone is {self.highway_alone:.3g} of the gradient>"

    @property
    def length(self) -> int:
        """T, the number of time steps."""
        return len(self.steps)

    @property
    def marks(self) -> tuple[int, ...]:
        """The steps whose numbers a trained network has to remember; none with random weights."""
        return tuple(t for t, name in enumerate(self.steps, 1) if self.weights == "trained" and name.endswith(MARKED))

    @property
    def units(self) -> NDArray[np.int_]:
        """The units from the one whose memory gate is least open to the one where it is most, by the median over time."""
        return np.empty(0, int) if self.kept is None else np.argsort(np.median(self.kept, axis=0), kind="stable")

    @property
    def highway_per_step(self) -> float:
        """Median over the steps back of the share that takes the highway; 0 where there is none, NaN without a gradient."""
        if HIGHWAY not in self.by_step.parts:
            return 0.0
        share = self.by_step.share[self.by_step.parts.index(HIGHWAY), : self.start, 0]
        share = share[~np.isnan(share)]
        return float(np.median(share)) if share.size else np.nan

    @property
    def log10_highway_alone(self) -> float:
        """log10 of ‖highway alone‖ / ‖whole‖ at the first row; NaN where no gradient arrives there."""
        whole = self.routes.log10_whole[0, 0]
        alone = self.routes.log10_norm[self.routes.parts.index(HIGHWAY), 0, 0]
        return float(alone - whole) if np.isfinite(whole) else np.nan

    @property
    def highway_alone(self) -> float:
        """How long the part that kept to the highway is at the first row, as a multiple of the whole gradient there."""
        return float(10.0**self.log10_highway_alone)

    @property
    def error(self) -> float:
        """The largest relative distance between the sum of the parts and the whole."""
        return float(max(self.by_step.error.max(), self.routes.error.max()))


def summarise_paths(exp: Experiment, weights: str = "random", lag: int = 0) -> PathSummary:
    """The paths through the experiment's cell, with the experiment's own random weights or with trained ones.

    Trained weights belong to the default LSTM and GRU and to the adding problem: of the experiment they use the cell, the
    length and the seed. Routes are followed from `lag` steps before the last one, from step 1 at the earliest.
    """
    check_experiment(exp)
    check_choice("weights", weights, WEIGHTS)
    lag = check_number("lag", lag, 0, np.inf, integer=True)
    flow, steps = run_with(exp, weights)
    trace, cell = flow.trace, flow.trace.cell
    start = max(1, len(trace.x) - lag)
    twin, twin_error = other_update(flow)
    return PathSummary(
        cell=exp.cell,
        weights=weights,
        steps=steps,
        start=start,
        memory="c" if cell.has_c else "h",
        gate=gate_symbol(cell),
        by_step=first_sequence(split_steps(flow)),
        routes=first_sequence(split_routes(flow, start)),
        kept=kept_share(trace),
        kept_other=kept_with(exp, next(other for other in WEIGHTS if other != weights)),
        gate_other=gate_symbol(build_cell(exp) if weights == "trained" else CELLS[exp.cell]()),
        twin=twin,
        twin_error=twin_error,
    )


def run_with(exp: Experiment, weights: str) -> tuple[Flow, tuple[str, ...]]:
    """The flow through the experiment's cell with these weights, and the names of its steps."""
    if weights == "random":
        flow = run(exp)
        return flow, max(flow.network.sequences.steps, key=len)
    if exp.cell not in TRAINED:
        raise ValueError(f"weights must be random for the cell {exp.cell}: there are no trained ones, got {weights!r}")
    return run_trained(exp.cell, exp.length, exp.seed)


def kept_with(exp: Experiment, weights: str) -> Array | None:
    """What the memory gate keeps with these weights, where there are such and the forward pass is finite."""
    if weights == "trained" and (exp.cell not in TRAINED or exp.length < 2):
        return None
    try:
        return kept_share(run_with(exp, weights)[0].trace)
    except ForwardOverflow:
        return None


def gate_symbol(cell: Cell) -> str:
    """The share that the memory keeps, as one writes it."""
    if cell.memory_gate is None:
        return ""
    return cell.memory_gate if cell.memory_sign > 0 else f"1 − {cell.memory_gate}"


def kept_share(trace: Trace) -> Array | None:
    """The share of every unit of the memory that its gate keeps, (T, H) of the first sequence."""
    if trace.cell.memory_gate is None:
        return None
    gate = trace.gates[trace.cell.memory_gate][:, 0]
    return gate if trace.cell.memory_sign > 0 else 1.0 - gate


def first_sequence(split: Split) -> Split:
    """The split of a batch's first sequence."""
    return Split(
        split.parts, split.log10_norm[..., :1], split.log10_whole[..., :1], split.share[..., :1], split.error[..., :1]
    )


def other_update(flow: Flow) -> tuple[Array | None, float]:
    """log10 ‖∂L/∂h_t‖ of the same GRU in the other update convention, and its largest relative distance from `flow`'s."""
    trace = flow.trace
    if not isinstance(trace.cell, ResetAfterGRU):
        return None, 0.0
    cell, params = other_convention(trace.cell, trace.params)
    twin = backward(forward(cell, params, trace.x, trace.h[0], mask=trace.mask), flow.direct)
    scale = np.abs(flow.mantissa_h).max(-2, keepdims=True)
    with np.errstate(under="ignore", over="ignore"):
        apart = np.ldexp(twin.mantissa_h, (twin.exponent - flow.exponent)[..., None, :]) - flow.mantissa_h
        error = np.abs(apart).max(-2, keepdims=True) / np.where(scale == 0.0, 1.0, scale)
    return twin.log10_norm[:, 0], float(error.max())


def paths_frame(s: PathSummary) -> "pd.DataFrame":
    """Columns step, input, split, part, share, log10_norm: what the figures show, one row per value.

    split "last step" and "routes": the parts of the gradient at that step's memory, with the whole as a part of its own.
    split "gate": the share of every unit that its memory gate keeps.
    """
    import pandas as pd

    names = ["", *s.steps]

    def rows() -> Iterator["pd.DataFrame"]:
        for label, split in (("last step", s.by_step), ("routes", s.routes)):
            t = np.arange(len(split.log10_whole))
            at = {"step": t, "input": [names[k] for k in t], "split": label}
            yield pd.DataFrame({**at, "part": "whole", "share": 1.0, "log10_norm": split.log10_whole[:, 0]})
            for part, share, norm in zip(split.parts, split.share, split.log10_norm, strict=True):
                yield pd.DataFrame({**at, "part": part, "share": share[:, 0], "log10_norm": norm[:, 0]})
        if s.kept is not None:
            at = {"step": np.arange(1, s.length + 1), "input": list(s.steps), "split": "gate"}
            for unit, kept in enumerate(s.kept.T):
                yield pd.DataFrame({**at, "part": f"unit {unit}", "share": kept, "log10_norm": np.nan})

    return pd.concat(rows(), ignore_index=True)
