"""What the memory gate's bias does: how much of the gradient it keeps, and how much of anything new gets in.

The LSTM's c_t = f ⊙ c_{t−1} + i ⊙ g and the GRU's h_t = kept ⊙ h_{t−1} + written ⊙ n are one form,
memory_t = kept ⊙ memory_{t−1} + written ⊙ candidate. Were the gates constant at their bias, ∂L/∂memory would decay as
σ(b)^k, the pure-gate law. The total derivative has more paths: through h_{t−1} into every gate and candidate, and
through peepholes.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gradflow.activations import Array, complement, sigmoid
from gradflow.cells import CELLS
from gradflow.checks import check_choice, check_number
from gradflow.experiment import KNOBS, Experiment, Network, build, build_cell, check_experiment, memory_bias_field, run
from gradflow.flow import Flow, Trace, own_rows
from gradflow.measures import band, log10_factor, median_factor
from gradflow.summary import QUANTITIES
from gradflow.sweeps import at_least_one
from gradflow.unroll import backward, forward

if TYPE_CHECKING:
    import pandas as pd

GATED = tuple(name for name, make in CELLS.items() if make().memory_gate)
LOGIT_EDGES = np.linspace(-13.0, 13.0, 131)  # bins of the memory gate's pre-activation, 0.2 wide


@dataclass(frozen=True, eq=False, repr=False)
class Memory:
    """How a gated cell keeps its past and takes in its present, over several seeds; its memory is c, or h
    where there is no c.

    bias: the memory gate's, positive for remembering in both of the GRU's conventions; None with Chrono, where every unit
    has its own. curves: quantity → log10 of its norm at steps 0 … T, (T + 1,), median. law: log10 of what gates constant
    at their bias would leave of the memory's gradient at step T, (T + 1,), 0 at step T. log10_factors: quantity → log10 of
    the per-step factor, median. density: the part of the memory gate's values whose logit lies in each bin of LOGIT_EDGES;
    values beyond count in the outermost bins.

    The others are means. written: the weight of a new candidate, i or 1 − kept. newest: the share of step T's candidate in
    all that is present in the memory at step T. size: |memory_T|. passed: φ′(c_T), the part of a small change of c_T that φ
    lets through to the output; 1 in a cell whose memory is its output. NaN where there is no such number.
    """

    cell: str
    bias: float | None
    curves: dict[str, Array]
    law: Array
    log10_factors: dict[str, float]
    density: Array
    written: float
    newest: float
    size: float
    passed: float

    def __repr__(self) -> str:
        name = "Chrono" if self.bias is None else f"bias {self.bias:g}"
        return (
            f"<Memory of {self.cell}, {name}: {self.factor():.3g} per step, {self.law_factor:.3g} by the gate at rest>"
        )

    @property
    def length(self) -> int:
        """T, the number of time steps."""
        return len(self.law) - 1

    def own(self, quantity: str) -> str:
        """The quantity itself, or dL/dh in a cell that has nothing else."""
        check_choice("quantity", quantity, QUANTITIES)
        return quantity if quantity in self.curves else "dL/dh"

    def factor(self, quantity: str = "dL/dc") -> float:
        """Per-step factor of a quantity, the geometric mean over the steps; of dL/dh in a cell that has nothing else."""
        return float(10.0 ** self.log10_factors[self.own(quantity)])

    @property
    def law_factor(self) -> float:
        """Per-step factor by the gate at rest: σ(b), or with Chrono the geometric mean over the steps."""
        return float(10.0 ** (self.law[0] / self.length))

    @property
    def horizon(self) -> float:
        """Memory horizon 1 / (1 − σ(b)) = 1 + e^b in steps (Tallec & Ollivier 2018); NaN with Chrono, which has many."""
        return float("nan") if self.bias is None else float(1.0 + np.exp(self.bias))

    def gate_horizon(self, share: float) -> float:
        """The horizon 1 / (1 − kept) in steps that this share of the memory gate's values stays below, to a bin's width."""
        check_number("share", share, 0.0, 1.0)
        logit = np.interp(share, np.concatenate([[0.0], np.cumsum(self.density)]), LOGIT_EDGES)
        return float(1.0 + np.exp(logit))


def measure_memory(exp: Experiment, cell: str, seeds: Iterable[int]) -> Memory:
    """Runs the experiment with a cell of GATED once for each seed and measures its memory.

    Raises ValueError for another cell or no seed, ForwardOverflow where a state leaves float64's range.
    """
    bias = remembering_bias(exp, cell)
    exp = replace(exp, cell=cell)
    observed = []
    for seed in at_least_one("seeds", seeds):
        flow = run(replace(exp, seed=seed))
        observed.extend(observe(flow, [memory_biases(flow.trace)]))
    return summarised(cell, bias, observed)


def remembering_bias(exp: Experiment, cell: str) -> float | None:
    """The bias of a cell's memory gate, its sign such that high keeps; None with Chrono, where every unit has its own."""
    check_choice("cell", cell, GATED)
    check_experiment(exp)
    gated = build_cell(exp, cell)
    return None if exp.chrono else gated.memory_sign * getattr(exp, memory_bias_field(gated)) + 0.0  # never −0


def sweep_memory(exp: Experiment, cell: str, biases: Iterable[float], seeds: Iterable[int]) -> tuple[Memory, ...]:
    """`measure_memory` at each bias for remembering, all else equal; Chrono is off.

    In the GRU's convention in which a high z overwrites, the bias has the opposite sign, so that the same b keeps the same share.
    """
    check_choice("cell", cell, GATED)
    check_experiment(exp)
    knob, biases = KNOBS[memory_bias_field(build_cell(exp, cell))], at_least_one("biases", biases)
    for bias in biases:
        check_number("biases", bias, knob.low, knob.high)
    unbiased = replace(exp, cell=cell, forget_bias=0.0, update_bias=0.0, chrono=False)
    observed = []
    for seed in at_least_one("seeds", seeds):
        flow = run_side_by_side(build(replace(unbiased, seed=seed)), biases)
        observed.append(observe(flow, [np.array([bias], float) for bias in biases]))
    return tuple(
        summarised(cell, float(bias), runs) for bias, runs in zip(biases, zip(*observed, strict=True), strict=True)
    )


def run_side_by_side(network: Network, biases: Sequence[float]) -> Flow:
    """One network with each bias of its memory gate, side by side in the batch, (T + 1, biases · B, H).

    The weights are the same, so that one matrix product serves all: the bias comes in as one more input, of weight 1.
    """
    cell, x, mask, n = network.cell, network.sequences.x, network.sequences.mask, len(biases)
    steps, batch, _ = x.shape
    bias = np.broadcast_to(cell.memory_sign * np.repeat(biases, batch)[:, None], (steps, n * batch, 1))
    to_memory_gate = np.repeat(
        [float(gate == cell.memory_gate) for gate in cell.gates], network.params["weight_hh_l0"].shape[1]
    )
    weight = np.column_stack([network.params["weight_ih_l0"], to_memory_gate])
    trace = forward(
        cell,
        {**network.params, "weight_ih_l0": weight},
        np.concatenate([np.tile(x, (1, n, 1)), bias], axis=-1),
        mask=None if mask is None else np.tile(mask, n),
    )
    direct = [network.readout.read(h).dL_dh for h in np.split(trace.h, n, axis=1)]
    return backward(trace, np.concatenate(direct, axis=1))


@dataclass(frozen=True, eq=False, repr=False)
class Observed:
    """One run by quantity: log10 norms (T + 1, B), NaN where a sequence has no such step, and per-step factors (B,)."""

    norms: dict[str, Array]
    log10_factors: dict[str, Array]
    law: Array
    density: Array
    means: tuple[float, float, float, float]  # written, newest, size, passed


def summarised(cell: str, bias: float | None, runs: Sequence[Observed]) -> Memory:
    """The runs of several seeds as one Memory."""
    norms = {quantity: np.stack([r.norms[quantity] for r in runs]) for quantity in runs[0].norms}
    written, newest, size, passed = np.mean([r.means for r in runs], axis=0).tolist()
    return Memory(
        cell=cell,
        bias=bias,
        curves={quantity: band(norm)[1] for quantity, norm in norms.items()},
        law=np.median([r.law for r in runs], axis=0),
        log10_factors={q: median_factor([r.log10_factors[q] for r in runs]) for q in norms},
        density=np.mean([r.density for r in runs], axis=0),
        written=written,
        newest=newest,
        size=size,
        passed=passed,
    )


def observe(flow: Flow, biases: Sequence[Array]) -> list[Observed]:
    """What each of the networks that stand side by side in a run's batch shows of its memory, for their units' biases."""
    trace = flow.trace
    steps, together, _ = trace.x.shape
    own = own_rows(trace.mask, steps, together)
    norms = {"dL/dh": flow.log10_norm}
    if flow.log10_norm_c is not None:
        norms = {"dL/dc": flow.log10_norm_c, **norms, "joint": flow.log10_norm_joint}
    norms = {quantity: np.where(own, norm, np.nan) for quantity, norm in norms.items()}
    factors = {quantity: log10_factor(norm, own.sum(0) - 1) for quantity, norm in norms.items()}
    logit, own = memory_logit(trace), own[:-1]
    means = entries(trace, logit, own, len(biases))
    batch = together // len(biases)
    observed = []
    for k, unit_biases in enumerate(biases):
        which = slice(k * batch, (k + 1) * batch)
        seen = logit[:, which][own[:, which]]
        ends = float(LOGIT_EDGES[0]), float(LOGIT_EDGES[-1])
        counts, _ = np.histogram(np.clip(seen, *ends), len(LOGIT_EDGES) - 1, ends)
        observed.append(
            Observed(
                {quantity: norm[:, which] for quantity, norm in norms.items()},
                {quantity: factor[which] for quantity, factor in factors.items()},
                pure_gate_law(unit_biases, steps),
                counts / seen.size,
                means[k],
            )
        )
    return observed


def memory_logit(trace: Trace) -> Array:
    """The memory gate's pre-activation, its sign such that kept = σ(it), (T, B, H)."""
    cell = trace.cell
    assert cell.memory_gate is not None
    return cell.memory_sign * trace.pre_activations[cell.input_rows.index(cell.memory_gate)]


def memory_biases(trace: Trace) -> Array:
    """Every unit's bias of the memory gate, its sign such that high keeps, (H,)."""
    cell = trace.cell
    assert cell.memory_gate is not None
    both = trace.params["bias_ih_l0"] + trace.params["bias_hh_l0"]
    return cell.memory_sign * both.reshape(len(cell.gates), -1)[cell.gates.index(cell.memory_gate)]


def pure_gate_law(biases: Array, steps: int) -> Array:
    """log10 of the root mean square over units of σ(b)^(T − t), t = 0 … T: what gates at rest would keep, (T + 1,)."""
    log_kept = -np.logaddexp(0.0, -biases)
    k = np.arange(steps, -1, -1.0)[:, None]
    log_mean_square = np.logaddexp.reduce(2.0 * k * log_kept, axis=1) - np.log(len(biases))
    return 0.5 * log_mean_square / np.log(10.0)


def entries(
    trace: Trace, logit: Array, own: NDArray[np.bool_], networks: int
) -> list[tuple[float, float, float, float]]:
    """(written, newest, size, passed) of each of the networks, as in Memory; own (T, B) are the steps that a sequence has.

    Unrolled, memory_T = Σ_k weight_k ⊙ candidate_k with weight_k = written_k ⊙ Π_{j>k} kept_j: exact, whatever the gates do.
    """
    cell = trace.cell
    with np.errstate(over="ignore", divide="ignore", under="ignore", invalid="ignore"):
        kept = sigmoid(logit)
        written = (trace.gates["i"] if cell.has_c else complement(logit, kept)) * own[..., None]
        weights = np.zeros_like(kept[0])
        for kept_t, written_t in zip(kept, written, strict=True):
            weights *= kept_t
            weights += written_t
        newest = np.where(weights > 0.0, written[-1] / weights, np.nan)
        memory = (trace.h if trace.c is None else trace.c)[-1]
        slope = np.ones_like(memory) if trace.c is None else cell.phi.slope(memory, cell.phi.value(memory))
    parts = (
        np.split(array, networks, axis)
        for array, axis in ((written, 1), (own, 1), (newest, 0), (memory, 0), (slope, 0))
    )
    return [
        (float(w[o].mean()), mean_of_known(n), float(np.abs(m).mean()), float(s.mean()))
        for w, o, n, m, s in zip(*parts, strict=True)
    ]


def mean_of_known(values: Array) -> float:
    """The mean of what is not NaN; NaN where nothing is."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else float("nan")


def memories_frame(memories: Iterable[Memory]) -> "pd.DataFrame":
    """One row per network, step and quantity: its norm's log10, the pure-gate law's, and what holds for the whole network."""
    import pandas as pd

    frames = [
        pd.DataFrame(
            {
                "cell": m.cell,
                "bias": "chrono" if m.bias is None else m.bias,
                "quantity": quantity,
                "step": np.arange(m.length + 1),
                "log10_median": curve,
                "log10_law": m.law + curve[-1],
                "per_step_factor": m.factor(quantity),
                "law_factor": m.law_factor,
                "horizon": m.horizon,
                "written": m.written,
                "newest": m.newest,
                "size": m.size,
                "passed": m.passed,
            }
        )
        for m in memories
        for quantity, curve in m.curves.items()
    ]
    return pd.concat(frames, ignore_index=True)
