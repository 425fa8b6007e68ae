"""What the spectral radius does, in words computed from the numbers."""

import numpy as np

from gradflow.activations import ACTIVATIONS
from gradflow.findings import number
from gradflow.radii import WIDE, RadiusStudy

ARTICLES = {"tanh": "a tanh", "sigmoid": "a sigmoid", "relu": "a ReLU"}
A_START = {"gaussian": "a Gaussian", "orthogonal": "an orthogonal", "identity": "an identity"}


def radius_title(studies: dict[str, RadiusStudy]) -> str:
    """The finding: what the Gaussian start does at ρ = 1, and where it would pass the gradient unchanged."""
    s = studies["gaussian"]
    network = f"{ARTICLES[s.experiment.activation]} RNN"
    factor = s.per_step_factor[s.radii.index(1.0)]
    at_one = (
        "brings nothing of the gradient back" if factor == 0.0 else f"keeps {number(factor)} of the gradient per step"
    )
    if factor >= 1.0:
        at_one = f"multiplies the gradient by {number(factor)} per step"
    if s.unchanged_at is None:
        most = float(np.nanmax(s.per_step_factor))
        if most == 0.0:
            return f"Whatever ρ, {network} with a Gaussian start brings nothing of the gradient back to the first step"
        if most > 1.0:
            return f"At ρ = 1 {network} {at_one}; no ρ passes it unchanged"
        return f"At ρ = 1 {network} {at_one}; the most that any ρ keeps is {number(most)}"
    return f"At ρ = 1 {network} {at_one}; it passes unchanged at ρ ≈ {s.unchanged_at:.2f}"


def radius_words(studies: dict[str, RadiusStudy], seeds: int) -> str:
    """The sentences beside the picture: what one sees, why, what to try; then what it must not hide."""
    s = studies["gaussian"]
    text = [
        "Dragging ρ only stretches W_hh: its eigenvalues move straight outwards, and the gradient follows.",
        f"A step back multiplies by W_hhᵀ diag(φ′), and {share_of_slope(s)}: {unchanged(studies)}.",
        bump(s),
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
        "link, the data and the Python.",
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
    *most, last = [f"{place} from {A_START[start]} start" for start, place in places.items()]
    return f"the gradient passes unchanged {', '.join(most)} and {last}"


def bump(s: RadiusStudy, radius: float = 0.9) -> str:
    """How far powers of W_hh grow although ρ < 1, and what to try."""
    powers = s.log10_powers_at(radius)
    peak = int(np.argmax(powers))
    if powers[peak] <= 0.01:
        return f"Try ρ = {radius:g}: the powers of W_hh fall from the first step on, as a bound would have it."
    return (
        f"Try ρ = {radius:g}: the powers of the Gaussian W_hh still grow, to {number(10.0 ** powers[peak])} at k = {peak}, "
        "so ρ < 1 alone does not say that the next few steps vanish."
    )


def why_no_mean_field(s: RadiusStudy) -> str:
    """What stands against the prediction at some or all of the radii."""
    if s.experiment.hidden < WIDE:
        return f"it needs at least {WIDE} units and is not drawn"
    if np.isnan(s.mean_field).all():
        return "it needs a steady input and is not drawn"
    return f"it ends where there is none, from ρ ≈ {s.radii[int(np.isnan(s.mean_field).argmax())]:.2f} on"
