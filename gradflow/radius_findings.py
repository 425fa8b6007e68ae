"""What the spectral radius does, in words computed from the numbers."""

import numpy as np

from gradflow.activations import ACTIVATIONS
from gradflow.findings import number
from gradflow.radii import WIDE, RadiusStudy

ARTICLES = {"tanh": "a tanh", "sigmoid": "a sigmoid", "relu": "a ReLU"}
NEARLY_ONE = 0.9  # a radius with which powers fade in the end, but of a Gaussian W_hh not at once
A_START = {"gaussian": "a Gaussian", "orthogonal": "an orthogonal", "identity": "an identity"}


def radius_title(studies: dict[str, RadiusStudy], radius: float) -> str:
    """The finding: what the Gaussian start does at one of the radii, and where it would pass the gradient unchanged."""
    s = studies["gaussian"]
    network = f"{ARTICLES[s.experiment.activation]} RNN"
    here = f"At ρ = {radius:g} {network} {what_it_does(float(s.per_step_factor[s.radii.index(radius)]))}"
    if s.unchanged_at is None:
        most = float(np.nanmax(s.per_step_factor))
        if most == 0.0:
            return f"Whatever ρ, {network} with a Gaussian start brings nothing of the gradient back to the first step"
        if most > 1.0:
            return f"{here}; no ρ passes it unchanged"
        return f"{here}; the most that any ρ keeps is {number(most)}"
    return f"{here}; it passes unchanged at ρ ≈ {s.unchanged_at:.2f}"


def what_it_does(factor: float) -> str:
    """A per-step factor as what a network does."""
    if np.isnan(factor):
        return "leaves float64's range"
    if factor == 0.0:
        return "brings nothing of the gradient back"
    if factor >= 1.0:
        return f"multiplies the gradient by {number(factor)} per step"
    return f"keeps {number(factor)} of the gradient per step"


def radius_words(studies: dict[str, RadiusStudy], radius: float, seeds: int) -> str:
    """The sentences beside the picture: what one sees, why, what to try; then what it must not hide."""
    s = studies["gaussian"]
    text = [
        "Dragging ρ only stretches W_hh: its eigenvalues move straight outwards, and the gradient follows.",
        f"A step back multiplies by W_hhᵀ diag(φ′), and {share_of_slope(s)}: {unchanged(studies)}.",
        bump(s, radius),
    ]
    gamma = ACTIVATIONS[s.experiment.activation].max_slope
    details = [
        f"Curves, maps and factors are medians over {seeds} seeds; eigenvalues and powers are the first seed's; "
        "starts with the same powers, ρ^k, share a line. "
        "Faint curves: the Gaussian start at other radii. Maps: cool vanishing, warm exploding, grey exactly zero, "
        "the line where the gradient is unchanged.",
        f"The bound γ σ_max(W_hh) has γ = max φ′ = {gamma:g} and σ_max = {number(s.sigma_max)} ρ for the Gaussian start; for the "
        "other two σ_max is ρ itself.",
        "√χ is the mean field of a wide Gaussian network in its stationary state"
        + ("." if np.isfinite(s.mean_field).all() else f": {why_no_mean_field(s)}."),
        "The slider in the picture follows the pointer; Spectral radius in the sidebar, which the keyboard moves too, sets the "
        "title, the link, the data and the Python.",
    ]
    return " ".join(text) + "\n\n:small[:gray[" + " ".join(details) + "]]"


def share_of_slope(s: RadiusStudy) -> str:
    """What φ′ does to the growth that |λ| > 1 would give."""
    near_one = s.unchanged_at is not None and s.unchanged_at < 1.05
    return "here φ′ takes next to nothing away" if near_one else "φ′ takes away what |λ| > 1 would give"


def unchanged(studies: dict[str, RadiusStudy]) -> str:
    """Where each start passes the gradient unchanged."""
    places = {
        start: "at no ρ" if study.unchanged_at is None else f"at ρ ≈ {study.unchanged_at:.2f}"
        for start, study in studies.items()
    }
    if len(places) > 1 and len(set(places.values())) == 1:
        return f"the gradient passes unchanged {next(iter(places.values()))}, whatever the start"
    *most, last = [f"{place} from {A_START[start]} start" for start, place in places.items()]
    return f"the gradient passes unchanged {', '.join(most)} and {last}"


def bump(s: RadiusStudy, radius: float) -> str:
    """How far powers of W_hh grow although ρ < 1, and what to try, which is another radius than the present one."""
    powers = s.log10_powers_at(NEARLY_ONE)
    peak = int(np.argmax(powers))
    here = radius == NEARLY_ONE
    at, next_one = ("Here", "; try ρ = 1.1, with which they never fade") if here else (f"Try ρ = {NEARLY_ONE:g}:", "")
    if powers[peak] <= 0.01:
        return f"{at} the powers of W_hh fall from the first step on, as a bound would have it{next_one}."
    return (
        f"{at} the powers of the Gaussian W_hh still grow, to {number(10.0 ** powers[peak])} at k = {peak}, "
        f"so ρ < 1 alone does not say that the next few steps vanish{next_one}."
    )


def why_no_mean_field(s: RadiusStudy) -> str:
    """What stands against the prediction at some or all of the radii."""
    if s.experiment.hidden < WIDE:
        return f"it needs at least {WIDE} units and is not drawn"
    if np.isnan(s.mean_field).all():
        return "it needs a steady input and is not drawn"
    return f"it ends where there is none, from ρ ≈ {s.radii[int(np.isnan(s.mean_field).argmax())]:.2f} on"
