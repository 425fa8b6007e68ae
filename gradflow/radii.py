"""A vanilla RNN as the spectral radius of its W_hh is dragged from 0 to 3: what the gradient does, and the theory beside it.

One draw of W_hh only changes its length: at radius ρ it is ρ W, with W the same matrix at radius 1. Eigenvalues, singular
values and powers of all radii therefore follow from W's.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import islice, pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gradflow.activations import ACTIVATIONS, Array
from gradflow.checks import check_choice, check_number, shown
from gradflow.experiment import KNOBS, Experiment, build, check_experiment, read_sequences
from gradflow.measures import log10_factor
from gradflow.spectrum import eigenvalues, mean_field, singular_values
from gradflow.sweeps import at_least_one, listed, measure_all, sweep

if TYPE_CHECKING:
    import pandas as pd

RADII = tuple(round(0.05 * k, 2) for k in range(61))
STARTS = ("gaussian", "orthogonal", "identity")
POWERS = 40  # steps back over which the powers of W_hh are looked at
WIDE = 16  # hidden units from which on the mean field, a limit of infinite width, is a fair prediction
STEADY = ("noise", "text")  # inputs that add the variance input_scale² to a pre-activation at every step


@dataclass(frozen=True, eq=False, repr=False)
class RadiusStudy:
    """The vanilla RNN of `experiment`, from its own start of W_hh, at R spectral radii.

    log10_share (R, T + 1): log10 ‖∂L/∂h_t‖ / ‖∂L/∂h_T‖, and log10_factor (R,): log10 of the per-step factor, both medians
    over seeds and sequences; −inf says exactly zero, NaN that a run has no such number. mean_field (R,): √χ, NaN where it
    does not hold. sigma_max: ‖W‖₂ of the W_hh with radius 1, median over seeds; eigenvalues (H,) and log10_powers (K + 1,),
    log10 ‖W^k‖₂: the first seed's.
    """

    experiment: Experiment
    radii: tuple[float, ...]
    log10_share: Array
    log10_factor: Array
    mean_field: Array
    sigma_max: float
    eigenvalues: NDArray[np.complex128]
    log10_powers: Array

    def __repr__(self) -> str:
        return f"<RadiusStudy of {len(self.radii)} radii from {self.experiment.init}>"

    @cached_property
    def per_step_factor(self) -> Array:
        """What ‖∂L/∂h‖ is multiplied with per step back, (R,)."""
        with np.errstate(under="ignore"):
            return np.asarray(10.0**self.log10_factor)

    @property
    def bound(self) -> Array:
        """γ σ_max(W_hh), (R,), γ = max |φ′|: no run's factor is above its own (Pascanu, Mikolov & Bengio 2013)."""
        return ACTIVATIONS[self.experiment.activation].max_slope * self.sigma_max * np.array(self.radii)

    @property
    def unchanged_at(self) -> float | None:
        """The smallest radius at which the per-step factor rises through 1; None where it does so at no radius."""
        radius = float(rises_through_one(self.radii, self.log10_factor))
        return None if np.isnan(radius) else radius

    @property
    def contour(self) -> Array:
        """For every step t the smallest radius at which ‖∂L/∂h_t‖ rises through ‖∂L/∂h_T‖, (T + 1,); NaN where none does."""
        return rises_through_one(self.radii, self.log10_share)

    def log10_powers_at(self, radius: ArrayLike) -> Array:
        """log10 ‖W_hh^k‖₂ for k = 0 … K, (…, K + 1), at radii (…): what a linear network does to the worst gradient."""
        k = np.arange(len(self.log10_powers))
        with np.errstate(divide="ignore"):
            scale = np.log10(np.asarray(radius, float))[..., None]
        return np.where(k == 0, 0.0, self.log10_powers + np.maximum(k, 1) * scale)


def rises_through_one(radii: tuple[float, ...], log10_values: Array) -> Array:
    """The first radius at which the values (R, …) rise through 1, read off between two neighbours; NaN where none is."""
    with np.errstate(invalid="ignore"):  # NaN is neither below nor above
        rises = (log10_values[:-1] < 0.0) & (log10_values[1:] >= 0.0)
    k = rises.argmax(0)[None]
    below, above = (np.take_along_axis(log10_values, at, 0)[0] for at in (k, k + 1))
    low, high = (np.asarray(radii)[at][0] for at in (k, k + 1))
    with np.errstate(invalid="ignore", divide="ignore"):
        between = np.where(np.isneginf(below), 1.0, below / (below - above))
    return np.where(rises.any(0), low + (high - low) * between, np.nan)


def study_radii(
    exp: Experiment, radii: Iterable[float] = RADII, seeds: Iterable[int] = range(5), inits: Iterable[str] = STARTS
) -> dict[str, RadiusStudy]:
    """The same input, seeds, loss and radii for each start of W_hh, of a vanilla RNN with one loss at the end.

    Raises ValueError where `exp` is another cell or sequence type, or does not rescale W_hh, and where the radii do not
    increase.
    """
    check_experiment(exp)
    check_choice("cell", exp.cell, ("rnn",))
    check_choice("sequence_type", exp.sequence_type, ("many-to-one",))
    if not exp.rescale:
        raise ValueError("rescale must be True for the spectral radius to have an effect, got False")
    low, high = KNOBS["spectral_radius"].low, KNOBS["spectral_radius"].high
    radii = tuple(check_number("radii", radius, low, high) for radius in at_least_one("radii", radii))
    if any(after <= before for before, after in pairwise(radii)):  # a crossing is looked for between neighbours
        raise ValueError(f"radii must increase from each to the next, got {shown(radii)}")
    seeds = at_least_one("seeds", seeds)
    starts = [replace(exp, init=init) for init in listed("inits", inits)]
    by_start = zip(starts, norms(starts, radii, seeds), strict=True)
    return {start.init: study(start, radii, seeds, norm) for start, norm in by_start}


def study(exp: Experiment, radii: tuple[float, ...], seeds: tuple[int, ...], norm: Array) -> RadiusStudy:
    """One start of W_hh; norm (R, T + 1, S·B): log10 ‖∂L/∂h_t‖ at every radius, for every seed's sequences."""
    lengths = [len(names) for names in read_sequences(exp).steps] * len(seeds)
    with np.errstate(invalid="ignore"):  # no gradient at the last step: no share of it either
        share = norm - norm[:, -1:]
    drawn = at_radius_one(replace(exp, spectral_radius=1.0), seeds)
    return RadiusStudy(
        experiment=exp,
        radii=radii,
        log10_share=median(share),
        log10_factor=median(log10_factor(norm, lengths)),
        mean_field=predicted(exp, radii, drawn.sigma_w),
        sigma_max=drawn.sigma_max,
        eigenvalues=drawn.eigenvalues,
        log10_powers=drawn.log10_powers,
    )


class AtRadiusOne(NamedTuple):
    """What the matrices W_hh of some seeds say that holds, times ρ, for every radius."""

    sigma_w: float
    sigma_max: float
    eigenvalues: NDArray[np.complex128]
    log10_powers: Array


@lru_cache(maxsize=8)
def at_radius_one(exp: Experiment, seeds: tuple[int, ...]) -> AtRadiusOne:
    """Medians over the seeds, eigenvalues and powers of the first; kept, for radii are often looked at one by one."""
    matrices = [build(replace(exp, seed=seed)).params["weight_hh_l0"] for seed in seeds]
    facts = AtRadiusOne(
        sigma_w=float(median(np.array([entry_scale(w) for w in matrices]))),
        sigma_max=float(median(np.array([singular_values(w)[0] for w in matrices]))),
        eigenvalues=eigenvalues(matrices[0]),
        log10_powers=log10_powers(matrices[0], POWERS),
    )
    facts.eigenvalues.setflags(write=False)  # many studies share them
    facts.log10_powers.setflags(write=False)
    return facts


def norms(starts: Sequence[Experiment], radii: tuple[float, ...], seeds: tuple[int, ...]) -> list[Array]:
    """log10 ‖∂L/∂h_t‖ of every start at every radius, for every seed's sequences, (R, T + 1, S·B) each.

    Swept over the longer of the two; a few radii have all starts and seeds run side by side.
    """
    if len(radii) >= len(seeds):
        by_seed = [[sweep(replace(exp, seed=seed), "spectral_radius", radii) for seed in seeds] for exp in starts]
        return [np.concatenate([s.log10_norm for s in sweeps], axis=-1) for sweeps in by_seed]
    experiments = [
        replace(exp, spectral_radius=radius, seed=seed) for exp in starts for radius in radii for seed in seeds
    ]
    measured = (m.log10_norm for m in measure_all(experiments))
    return [np.stack([np.concatenate([*islice(measured, len(seeds))], axis=-1) for _ in radii]) for _ in starts]


def median(values: Array) -> Array:
    """Over the last axis, as one of the values, so that exact zeros (−inf) need no arithmetic; NaN where one is NaN."""
    return np.asarray(np.quantile(values, 0.5, axis=-1, method="inverted_cdf"))


def entry_scale(w: Array) -> float:
    """σ_w of a matrix with entries of variance σ_w²/H."""
    return float(np.linalg.norm(w) / np.sqrt(len(w)))


def log10_powers(w: Array, count: int) -> Array:
    """log10 ‖W^k‖₂ for k = 0 … count, (count + 1,); for a non-normal W with radius 1 it rises before it levels off.

    By Gelfand's formula ‖W^k‖^(1/k) comes down to the spectral radius, but only in the long run.
    """
    power, log = np.eye(len(w)), np.zeros(count + 1)
    for k in range(1, count + 1):
        power = w @ power
        log[k] = np.log10(singular_values(power)[0])
    return log


def predicted(exp: Experiment, radii: tuple[float, ...], sigma_w: float) -> Array:
    """√χ of the mean field at every radius, (R,); sigma_w is that of radius 1.

    NaN where it does not hold: other than Gaussian starts, few units, an input that is silent or varies in size, no
    stationary state.
    """
    fields = np.full(len(radii), np.nan)
    if exp.init == "gaussian" and exp.hidden >= WIDE and exp.input in STEADY and exp.input_scale > 0.0:
        for r, radius in enumerate(radii):
            field = mean_field(radius * sigma_w, exp.input_scale**2, exp.activation)
            fields[r] = field.per_step_factor if np.isfinite(field.q) else np.nan
    return fields


def with_radius(studies: Mapping[str, RadiusStudy], more: Mapping[str, RadiusStudy]) -> dict[str, RadiusStudy]:
    """The studies with the radii of others, of the same networks, put in their places."""
    return {init: merged(study, more[init]) for init, study in studies.items()}


def merged(a: RadiusStudy, b: RadiusStudy) -> RadiusStudy:
    """Both studies' radii in order, each once."""
    radii, order = np.unique([*a.radii, *b.radii], return_index=True)
    return replace(
        a,
        radii=tuple(radii.tolist()),
        log10_share=np.concatenate([a.log10_share, b.log10_share])[order],
        log10_factor=np.concatenate([a.log10_factor, b.log10_factor])[order],
        mean_field=np.concatenate([a.mean_field, b.mean_field])[order],
    )


def radii_frame(studies: Mapping[str, RadiusStudy]) -> "pd.DataFrame":
    """Columns start, spectral_radius, quantity, step, value: every number that a picture of the studies shows, a row each.

    `step` is t of a share, k of a power, the number of an eigenvalue, and 0 where there is one value for each radius. What
    does not exist has no row.
    """
    import pandas as pd

    parts = []
    for init, s in studies.items():
        values_at_all = {
            "log10_share": s.log10_share,
            "per_step_factor": s.per_step_factor[:, None],
            "mean_field": s.mean_field[:, None],
            "bound": s.bound[:, None],
            "eigenvalue_real": np.outer(s.radii, s.eigenvalues.real),
            "eigenvalue_imaginary": np.outer(s.radii, s.eigenvalues.imag),
            "log10_power": s.log10_powers_at(s.radii),
        }
        for quantity, values in values_at_all.items():
            rows, columns = values.shape
            parts.append(
                pd.DataFrame(
                    {
                        "start": init,
                        "spectral_radius": np.repeat(s.radii, columns),
                        "quantity": quantity,
                        "step": np.tile(np.arange(columns), rows),
                        "value": values.reshape(-1),
                    }
                )
            )
    return pd.concat(parts, ignore_index=True).dropna(subset="value", ignore_index=True)
