"""Which loss reaches which step: the gradient of every step's own loss at every state before it."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gradflow.activations import Array
from gradflow.checks import check_number
from gradflow.experiment import Experiment, run
from gradflow.exponents import Exponent, column_sum, log10_norm
from gradflow.flow import Flow, Trace, one_sequence, steps_between
from gradflow.measures import FAR, band
from gradflow.unroll import pull_back

if TYPE_CHECKING:
    import pandas as pd

Stack = tuple[Array, Exponent]  # one vector per row, (T + 1, H, 1), and its exponent, (T + 1, 1)
LOSSES_AT_ONCE = 40  # measured: fewer cost NumPy's overhead, more go back through steps that none of them reads


@dataclass(frozen=True, eq=False, repr=False)
class LossMatrix:
    """The gradient ‖∂L_k/∂h_t‖ of each step's own loss L_k at each state h_t, for one sequence; L = Σ_k L_k.

    log10_norm: (T + 1, T + 1), [k, t] is log10 ‖∂L_k/∂h_t‖ at any magnitude. −inf says exactly zero, as it is for t > k,
    which L_k cannot depend on, and where step k has no loss. log10_total: log10 ‖∂L/∂h_t‖ of all losses together from a
    backward pass of its own, (T + 1,). sum_error: ‖Σ_k ∂L_k/∂h_t − ∂L/∂h_t‖ / ‖∂L/∂h_t‖, (T + 1,). steps: the inputs
    x_1 … x_T by name.
    """

    cell: str
    sequence_type: str
    steps: tuple[str, ...]
    log10_norm: Array
    log10_total: Array
    sum_error: Array

    def __repr__(self) -> str:
        return f"<LossMatrix of {self.cell}, {self.sequence_type}, {self.length} steps>"

    @property
    def length(self) -> int:
        """T, the number of time steps."""
        return len(self.steps)

    @cached_property
    def by_lag(self) -> Array:
        """log10 ‖∂L_k/∂h_{k−d}‖ / ‖∂L_k/∂h_k‖, [d, k], (T + 1, T + 1): what is left of a loss d steps back.

        NaN where d > k and where L_k has no gradient at its own step.
        """
        k = np.arange(self.length + 1)
        d = k[:, None]
        own = np.diagonal(self.log10_norm)
        there = (d <= k) & np.isfinite(own)
        left = self.log10_norm[k, np.maximum(k - d, 0)] - np.where(np.isfinite(own), own, 0.0)
        return np.where(there, left, np.nan)

    @cached_property
    def lag_band(self) -> tuple[Array, Array, Array]:
        """10 %, median and 90 % of `by_lag` over the losses, each (T + 1,); empty where no loss has a gradient."""
        if np.isnan(self.by_lag).all():
            return np.empty(0), np.empty(0), np.empty(0)
        return band(self.by_lag[None])

    @cached_property
    def reaches(self) -> Array:
        """For every loss k the number of steps back to which 1/100 or more of it is left, (T + 1,); NaN where it has none."""
        faded = self.by_lag < -FAR
        lost = np.where(faded.any(0), faded.argmax(0) - 1.0, np.arange(self.length + 1.0))
        return np.where(np.isnan(self.by_lag[0]), np.nan, lost)

    @property
    def reach(self) -> int | None:
        """The number of steps back to which the median loss has 1/100 or more left; None if no loss has a gradient.

        It is `longest` where that holds for as far back as there are losses.
        """
        middle = self.lag_band[1]
        faded = np.flatnonzero(middle < -FAR)
        return None if not middle.size else int(faded[0]) - 1 if faded.size else self.longest

    @property
    def longest(self) -> int:
        """The longest way back that any loss has, the step number of the last one with a gradient."""
        return int(np.flatnonzero(np.isfinite(self.by_lag[0])).max(initial=0))

    def to_frame(self) -> "pd.DataFrame":
        """One row per loss k and step t ≤ k: cell, sequence_type, loss_step, loss_input, step, input, log10_norm.

        Step 0 has no input.
        """
        import pandas as pd

        k, t = np.tril_indices(self.length + 1)
        has_loss = np.isfinite(np.diagonal(self.log10_norm))
        k, t = k[has_loss[k]], t[has_loss[k]]
        names = np.array(["", *self.steps], object)
        network = {"cell": self.cell, "sequence_type": self.sequence_type}
        columns = {**network, "loss_step": k, "loss_input": names[k], "step": t, "input": names[t]}
        return pd.DataFrame({**columns, "log10_norm": self.log10_norm[k, t]})

    def lags_to_frame(self) -> "pd.DataFrame":
        """`lag_band`, one row per lag: cell, sequence_type, lag, log10_low, log10_median, log10_high."""
        import pandas as pd

        network = {"cell": self.cell, "sequence_type": self.sequence_type}
        low, middle, high = self.lag_band
        curves = {"log10_low": low, "log10_median": middle, "log10_high": high}
        return pd.DataFrame({**network, "lag": np.arange(len(middle)), **curves})


def loss_matrix(exp: Experiment, sequence: int = 0) -> LossMatrix:
    """Back-propagates every step's loss on its own through one sequence of an experiment.

    Losses go back side by side, as the columns of one backward pass that begins at the last of them. Raises ValueError where
    there is no such sequence, ForwardOverflow where the state leaves float64's range.
    """
    flow = run(exp)
    check_number("sequence", sequence, 0, flow.trace.h.shape[1] - 1, integer=True)
    names = flow.network.sequences.steps[sequence]
    first = len(flow.trace.x) - len(names)  # sequences end together, a shorter one begins later
    trace = one_sequence(steps_between(flow.trace, first, len(flow.trace.x)), sequence)
    direct = flow.direct[first:, sequence]
    losses = np.flatnonzero(flow.network.readout.weight[first:, sequence]) + 1
    norm = np.full((len(direct), len(direct)), -np.inf)
    total: Stack = flow.mantissa_h[first:, :, [sequence]], flow.exponent[first:, [sequence]]
    rest = total  # what is left of the total when each loss's share has been taken out
    for k in range(0, len(losses), LOSSES_AT_ONCE):
        some = losses[k : k + LOSSES_AT_ONCE]
        part = each_alone(trace, direct, some)
        norm[some, : len(part.exponent)] = part.log10_norm.T
        rest = without(rest, part)
    log10_total, log10_rest = log10_norm(*total)[:, 0], log10_norm(*rest)[:, 0]
    with np.errstate(under="ignore", over="ignore", invalid="ignore"):
        error = np.where(np.isneginf(log10_rest), 0.0, 10.0 ** (log10_rest - log10_total))
    return LossMatrix(exp.cell, exp.sequence_type, names, norm, log10_total, error)


def each_alone(trace: Trace, direct: Array, losses: NDArray[np.int_]) -> Flow:
    """The backward passes of one sequence from the last of these losses on, every loss in a column of its own.

    direct: (T + 1, H), the direct derivative ∂L_k/∂h_k of the loss at every step k.
    """
    rows, columns = losses[-1] + 1, np.arange(len(losses))
    alone = np.zeros((rows, len(losses), direct.shape[-1]))
    alone[losses, columns] = direct[losses]
    read = np.zeros(rows, bool)
    read[losses] = True
    return pull_back(steps_between(trace, 0, rows - 1), alone, read, keep_a=False)


def without(rest: Stack, part: Flow) -> Stack:
    """`rest` minus all of this pass's columns, in the rows that it has."""
    mantissa, exponent = rest[0].copy(), rest[1].copy()
    rows = slice(len(part.exponent))
    mantissa[rows], exponent[rows] = column_sum(
        np.concatenate([mantissa[rows], -part.mantissa_h], -1), np.concatenate([exponent[rows], part.exponent], -1)
    )
    return mantissa, exponent
