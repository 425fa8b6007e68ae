"""Where on φ a network works: its pre-activations, the slopes φ′ it has there, and the gradient that comes of them.

max φ′ bounds what one step back can keep; how much it does keep is decided by φ′ where the pre-activations lie.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from gradflow.activations import ACTIVATIONS, Array
from gradflow.checks import check_choice
from gradflow.experiment import Experiment, build, check_experiment
from gradflow.radii import entry_scale
from gradflow.summary import Summary, summarise
from gradflow.sweeps import listed
from gradflow.unroll import ForwardOverflow, forward

if TYPE_CHECKING:
    import pandas as pd

SATURATED = 0.1  # of max φ′: below it a unit counts as saturated at that step
BINS = 80
REACHES = (
    4.0,
    8.0,
    16.0,
    32.0,
)  # of the histogram's axis: few, so that it rests while the pre-activations move a little
HELD = 0.99  # the share of every activation's pre-activations that the axis should hold

VISIBLE = 0.005  # a smaller share beyond the axis is not worth a word


@dataclass(frozen=True, eq=False, repr=False)
class OperatingPoint:
    """One activation function at work in an RNN, over several seeds and all sequences.

    edges, (K + 1,), and share, (K,): the histogram of all pre-activations a_t, as shares of all of them; below and above
    lie outside it. mean_slope and rms_slope: of φ′(a_t) over all units and steps. sigma_w: W_hh has entries of variance
    σ_w²/H, median over all seeds. saturated: the share of units and steps where φ′ is under a tenth of max φ′. dead: the share
    of units with a_t ≤ 0 at every step of ReLU, through which no gradient passes at all; 0 of tanh and sigmoid, whose slope is
    small at worst. gradient: the curve of ∂L/∂h_t. A seed whose state leaves float64's range is left out; where none is left
    there are no numbers: NaN, and share is empty.
    """

    activation: str
    edges: Array
    share: Array
    below: float
    above: float
    mean_slope: float
    rms_slope: float
    sigma_w: float
    saturated: float
    dead: float
    gradient: Summary

    def __repr__(self) -> str:
        return f"<OperatingPoint of {self.activation}: mean slope {self.mean_slope:.3g} of {self.max_slope:g}>"

    @property
    def max_slope(self) -> float:
        """max φ′, the γ of Pascanu et al. 2013."""
        return ACTIVATIONS[self.activation].max_slope

    @property
    def expected_factor(self) -> float:
        """σ_w · rms φ′, the √χ that wide random weights keep of the gradient per step (Schoenholz et al. 2017)."""
        return self.sigma_w * self.rms_slope


def operating_points(
    exp: Experiment, seeds: Iterable[int], activations: Iterable[str] = tuple(ACTIVATIONS)
) -> dict[str, OperatingPoint]:
    """The same RNN, input, seeds and loss with each activation function; the histograms share their edges.

    Raises ValueError on another cell, whose gates have slopes of their own, and on an unknown activation.
    """
    check_experiment(exp)
    check_choice("cell", exp.cell, ("rnn",))
    seeds = listed("seeds", seeds)
    names = listed("activations", activations)
    reached = {name: pre_activations(replace(exp, activation=name), seeds) for name in names}
    edges = np.linspace(-1.0, 1.0, BINS + 1) * axis_reach(reached.values())
    sigma_w = weight_scale(exp, seeds)
    return {
        name: operating_point(replace(exp, activation=name), seeds, reached[name], sigma_w, edges) for name in names
    }


def pre_activations(exp: Experiment, seeds: Iterable[int]) -> list[Array]:
    """a_t of every seed's run that stays finite: (steps of all sequences, H) each."""
    reached = []
    for seed in seeds:
        network = build(replace(exp, seed=seed))
        mask = network.sequences.mask
        try:
            trace = forward(network.cell, network.params, network.sequences.x, mask=mask)
        except ForwardOverflow:
            continue
        (a,) = trace.pre_activations
        reached.append(a.reshape(-1, exp.hidden) if mask is None else a[mask])
    return reached


def weight_scale(exp: Experiment, seeds: Iterable[int]) -> float:
    """σ_w of the W_hh that all activations share; a little less than ρ, the largest eigenvalue of a matrix that is not wide."""
    matrices = (build(replace(exp, seed=seed)).params["weight_hh_l0"] for seed in seeds)
    return float(np.median([entry_scale(w) for w in matrices]))


def axis_reach(reached: Iterable[list[Array]]) -> float:
    """The least of REACHES that holds enough of every activation's pre-activations, but for those that none would hold."""
    held = [[bool(np.mean(np.abs(runs) <= reach) >= HELD) for reach in REACHES] for runs in reached if runs]
    return max((REACHES[fits.index(True)] for fits in held if any(fits)), default=REACHES[0])


def operating_point(
    exp: Experiment, seeds: tuple[int, ...], runs: list[Array], sigma_w: float, edges: Array
) -> OperatingPoint:
    """One activation's measures from the pre-activations of its runs."""
    phi = ACTIVATIONS[exp.activation]
    gradient = summarise(exp, ["rnn"], seeds)["rnn"]
    if not runs:
        nan = float("nan")
        return OperatingPoint(exp.activation, edges, np.empty(0), nan, nan, nan, nan, nan, nan, nan, gradient)
    a = np.stack(runs)
    with np.errstate(over="ignore", under="ignore"):
        slope = phi.slope(a, phi.value(a))
        rms_slope = float(np.sqrt(np.mean(slope * slope)))
    counts, _ = np.histogram(a, edges)
    return OperatingPoint(
        activation=exp.activation,
        edges=edges,
        share=counts / a.size,
        below=float(np.mean(a < edges[0])),
        above=float(np.mean(a > edges[-1])),
        mean_slope=float(slope.mean()),
        rms_slope=rms_slope,
        sigma_w=sigma_w,
        saturated=float(np.mean(slope < SATURATED * phi.max_slope)),
        dead=float(np.mean((a <= 0.0).all(1))) if exp.activation == "relu" else 0.0,
        gradient=gradient,
    )


def operating_points_frame(points: Mapping[str, OperatingPoint]) -> "pd.DataFrame":
    """Columns activation, quantity, at, value, one row per bar and per point of a curve.

    "share of a_t" is at the middle of its bar; "log10 dL/dh, 10 %" (50 %, 90 %) is at a step.
    """
    import pandas as pd

    parts = []
    for name, point in points.items():
        middles, curve = (point.edges[:-1] + point.edges[1:]) / 2.0, point.gradient
        series = {
            "share of a_t": (middles[: point.share.size], point.share),
            "log10 dL/dh, 10 %": (np.arange(curve.low.size), curve.low),
            "log10 dL/dh, 50 %": (np.arange(curve.middle.size), curve.middle),
            "log10 dL/dh, 90 %": (np.arange(curve.high.size), curve.high),
        }
        parts += [
            pd.DataFrame({"activation": name, "quantity": quantity, "at": at, "value": value})
            for quantity, (at, value) in series.items()
        ]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
