"""What the memory gate's bias does: how much of the gradient it keeps, and how much of anything new gets in.

The LSTM's c_t = f ⊙ c_{t−1} + i ⊙ g and the GRU's h_t = kept ⊙ h_{t−1} + written ⊙ n are one form,
memory_t = kept ⊙ memory_{t−1} + written ⊙ candidate. Were the gates constant at their bias, ∂L/∂memory would decay as
σ(b)^k, the pure-gate law. The total derivative has more paths: through h_{t−1} into every gate and candidate.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from gradflow.activations import Array, sigmoid_parts
from gradflow.checks import check_choice
from gradflow.experiment import Experiment, Run, build_cell, run
from gradflow.flow import Trace
from gradflow.measures import band, log10_factor, median_factor
from gradflow.sweeps import listed

if TYPE_CHECKING:
    import pandas as pd

BIAS_FIELDS = {"lstm": "forget_bias", "gru": "update_bias"}
LOGIT_EDGES = np.linspace(-13.0, 13.0, 131)  # bins of the memory gate's pre-activation, 0.2 wide


@dataclass(frozen=True, eq=False, repr=False)
class Memory:
    """How a gated cell keeps its past and takes in its present, over several seeds; its memory is c in the LSTM, h in the GRU.

    bias: the memory gate's, positive for remembering in both of the GRU's conventions; None with Chrono, where every unit
    has its own. curves: quantity → log10 of its norm at steps 0 … T, (T + 1,), median. law: log10 of what gates constant
    at their bias would leave of the memory's gradient at step T, (T + 1,), 0 at step T. log10_factors: quantity → log10 of
    the per-step factor, median. density: the part of the memory gate's values whose logit lies in each bin of LOGIT_EDGES;
    values beyond count in the outermost bins.

    The others are means. written: the weight of a new candidate, i or 1 − kept. newest: the share of step T's candidate in
    all that is present in the memory at step T. size: |memory_T|. passed: φ′(c_T), the part of a small change of c_T that φ
    lets through to the output; 1 in the GRU, whose memory is its output. NaN where there is no such number.
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
        return f"<Memory of {self.cell}, {name}: {self.factor():.3g} per step, {self.law_factor:.3g} by the gate alone>"

    @property
    def length(self) -> int:
        """T, the number of time steps."""
        return len(self.law) - 1

    def own(self, quantity: str) -> str:
        """The quantity itself, or dL/dh in a cell that has nothing else."""
        return quantity if quantity in self.curves else "dL/dh"

    def factor(self, quantity: str = "dL/dc") -> float:
        """Per-step factor of a quantity, the geometric mean over the steps; of dL/dh in a cell that has nothing else."""
        return float(10.0 ** self.log10_factors[self.own(quantity)])

    @property
    def law_factor(self) -> float:
        """Per-step factor by the gate alone: σ(b), or with Chrono the geometric mean over the steps."""
        return float(10.0 ** (self.law[0] / self.length))

    @property
    def horizon(self) -> float:
        """Memory horizon 1 / (1 − σ(b)) = 1 + e^b in steps (Tallec & Ollivier 2018); NaN with Chrono, which has many."""
        return float("nan") if self.bias is None else float(1.0 + np.exp(self.bias))


def measure_memory(exp: Experiment, seeds: Iterable[int]) -> Memory:
    """Runs a gated cell once for each seed and measures its memory.

    Raises ValueError for a cell without a memory gate or no seed, ForwardOverflow where a state leaves float64's range.
    """
    check_choice("cell", exp.cell, BIAS_FIELDS)
    seeds = listed("seeds", seeds)
    if not seeds:
        raise ValueError("seeds must hold at least one seed, got none")
    norms, laws, densities, entries = zip(*(observe(run(replace(exp, seed=seed))) for seed in seeds), strict=True)
    by_quantity = {quantity: np.stack([of_run[quantity] for of_run in norms]) for quantity in norms[0]}
    written, newest, size, passed = np.mean(entries, axis=0).tolist()
    return Memory(
        cell=exp.cell,
        bias=None if exp.chrono else build_cell(exp).memory_sign * getattr(exp, BIAS_FIELDS[exp.cell]),
        curves={quantity: band(norm)[1] for quantity, norm in by_quantity.items()},
        law=np.median(laws, axis=0),
        log10_factors={quantity: median_factor(log10_factor(norm)) for quantity, norm in by_quantity.items()},
        density=np.mean(densities, axis=0),
        written=written,
        newest=newest,
        size=size,
        passed=passed,
    )


def observe(r: Run) -> tuple[dict[str, Array], Array, Array, tuple[float, float, float, float]]:
    """One run's norms by quantity, pure-gate law, density of the memory gate and (written, newest, size, passed)."""
    norms = {"dL/dh": r.log10_norm}
    if r.log10_norm_c is not None:
        norms = {"dL/dc": r.log10_norm_c, "dL/dh": r.log10_norm, "joint": r.log10_norm_joint}
    logit = memory_logit(r.trace)
    counts, _ = np.histogram(np.clip(logit, LOGIT_EDGES[0], LOGIT_EDGES[-1]), LOGIT_EDGES)
    return norms, pure_gate_law(r.trace), counts / logit.size, entry(r.trace, logit)


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


def pure_gate_law(trace: Trace) -> Array:
    """log10 of the root mean square over units of σ(b)^(T − t), t = 0 … T: what constant gates alone would keep."""
    log_kept = -np.logaddexp(0.0, -memory_biases(trace))
    k = np.arange(len(trace.x), -1, -1.0)[:, None]
    log_squares = np.logaddexp.reduce(2.0 * k * log_kept, axis=1) - np.log(log_kept.size)
    return 0.5 * log_squares / np.log(10.0)


def entry(trace: Trace, logit: Array) -> tuple[float, float, float, float]:
    """(written, newest, size, passed) of one run, as in Memory.

    Unrolled, memory_T = Σ_k weight_k ⊙ candidate_k with weight_k = written_k ⊙ Π_{j>k} kept_j: exact, whatever the gates do.
    """
    cell = trace.cell
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        kept, rest, _ = sigmoid_parts(logit)
        written = trace.gates["i"] if cell.has_c else rest
        weights = np.zeros_like(kept[0])
        for kept_t, written_t in zip(kept, written, strict=True):
            weights = kept_t * weights + written_t
        holds = weights > 0.0
        newest = float(np.mean(written[-1][holds] / weights[holds])) if holds.any() else float("nan")
        if trace.c is None:
            return float(written.mean()), newest, float(np.abs(trace.h[-1]).mean()), 1.0
        c = trace.c[-1]
        passed = cell.phi.slope(c, cell.phi.value(c))
        return float(written.mean()), newest, float(np.abs(c).mean()), float(passed.mean())


def sweep_memory(exp: Experiment, cell: str, biases: Iterable[float], seeds: Iterable[int]) -> tuple[Memory, ...]:
    """`measure_memory` of one cell at each bias for remembering, all else equal; Chrono is off.

    In the GRU's convention in which a high z overwrites, the bias is set with the opposite sign, so that the same b keeps the
    same share.
    """
    check_choice("cell", cell, BIAS_FIELDS)
    own = replace(exp, cell=cell, chrono=False)
    sign = build_cell(own).memory_sign
    seeds = listed("seeds", seeds)
    return tuple(
        measure_memory(replace(own, **{BIAS_FIELDS[cell]: sign * bias}), seeds) for bias in listed("biases", biases)
    )


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
