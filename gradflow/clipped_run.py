"""What clipping leaves alone: ∂L/∂h_t is the same before and after it, whether it explodes or vanishes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gradflow.activations import Array
from gradflow.checks import check_number
from gradflow.clipping import clip_by_norm
from gradflow.experiment import Experiment, run
from gradflow.measures import log10_factor, verdict

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False, repr=False)
class ClippedRun:
    """One experiment whose ∂L/∂θ is clipped by norm: ‖∂L/∂θ‖ before and after, and log10 ‖∂L/∂h_t‖, (T + 1,).

    There is one curve over time, not two: clipping comes after the backward pass and does not reach into it.
    """

    spectral_radius: float
    log10_norm: Array
    norm_before: float
    norm_after: float

    @property
    def verdict(self) -> str:
        """ "vanishing", "stable" or "exploding", by the gradient's way over all steps."""
        return verdict(float(log10_factor(self.log10_norm[:, None])[0]), len(self.log10_norm) - 1)


def clipped_run(exp: Experiment, threshold: float) -> ClippedRun:
    """Runs an experiment on one sequence and clips its parameters' gradients by norm.

    Raises ValueError where their norm is not finite, ForwardOverflow as `run` does.
    """
    check_number("threshold", threshold, 0.0, np.inf)
    flow = run(exp)
    clipped = clip_by_norm(flow.grads, threshold)
    return ClippedRun(exp.spectral_radius, flow.log10_norm[:, 0], clipped.norm_before, clipped.norm_after)


def clipped_runs_frame(runs: Sequence[ClippedRun]) -> "pd.DataFrame":
    """One row per (spectral radius, step t): log10 ‖∂L/∂h_t‖, and log10 ‖∂L/∂θ‖ before and after clipping."""
    import pandas as pd

    frames = [
        pd.DataFrame(
            {
                "spectral_radius": run.spectral_radius,
                "step": np.arange(len(run.log10_norm)),
                "log10_norm": run.log10_norm,
                "norm_before": run.norm_before,
                "norm_after": run.norm_after,
            }
        )
        for run in runs
    ]
    return pd.concat(frames, ignore_index=True)
