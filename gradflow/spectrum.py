"""Why a gradient grows or shrinks: eigenvalues, singular values, Jacobian products, bounds, mean field, Lyapunov."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gradflow.activations import ACTIVATIONS, Array
from gradflow.checks import check_choice, check_kind, check_number, square_matrix
from gradflow.exponents import LOG10_2, shift
from gradflow.flow import Trace, one_sequence
from gradflow.unroll import check_memory, pull_back


def eigenvalues(w_hh: ArrayLike) -> NDArray[np.complex128]:
    """Eigenvalues of a square W_hh, largest magnitude first, (H,); the spectral radius is the first one's magnitude."""
    values = np.linalg.eigvals(square_matrix("w_hh", w_hh)).astype(np.complex128)
    return values[np.argsort(-np.abs(values), kind="stable")]


def singular_values(w_hh: ArrayLike) -> Array:
    """Singular values of a square W_hh, largest first, (H,); the first is the spectral norm σ_max."""
    return np.asarray(np.linalg.svd(square_matrix("w_hh", w_hh), compute_uv=False))


@np.errstate(divide="ignore", under="ignore")
def log10_jacobian_singular_values(trace: Trace, sequence: int = 0) -> Array:
    """log10 of the singular values of ∂h_T/∂h_t for every t, (T + 1, H), largest first.

    ∂h_T/∂h_t is total, through c too where there is one. H unit probes at h_T go back at once, carrying exponents, so the
    largest is right at any magnitude; those smaller than it by more than float64's 15 digits cannot be told from rounding
    and are NaN, as are all where a single step has left float64's range; −inf says that the whole Jacobian is zero.
    """
    check_kind("trace", trace, Trace)
    check_number("sequence", sequence, 0, trace.h.shape[1] - 1, integer=True)
    steps, hidden = len(trace.x), trace.h.shape[-1]
    check_memory(trace.cell, steps, hidden, hidden, trace.x.shape[-1])
    probes = np.zeros((steps + 1, hidden, hidden))
    probes[-1] = np.eye(hidden)
    at_the_end = np.arange(steps + 1) == steps
    flow = pull_back(one_sequence(trace, sequence), probes, at_the_end, keep_a=False)
    alive = flow.mantissa_h.any(-2)  # a probe that has died keeps the exponent it had
    top = np.where(alive, flow.exponent, flow.exponent.min()).max(-1, keepdims=True)
    jacobians = shift(flow.mantissa_h, flow.exponent - top)
    told = np.isfinite(jacobians).all((-2, -1))
    values = np.full(jacobians.shape[:-1], np.nan)
    values[told] = np.linalg.svd(jacobians[told], compute_uv=False)
    log = np.log10(values) + top * LOG10_2
    noise = values < hidden * np.finfo(float).eps * values[:, :1]
    return np.where(noise & (values[:, :1] > 0.0), np.nan, log)


def log10_pascanu_bound(w_hh: ArrayLike, activation: str, steps: int) -> Array:
    """log10 (γ σ_max(W_hh))^k for k = steps … 0, (steps + 1,): row t bounds ‖∂L/∂h_t‖ / ‖∂L/∂h_T‖ of a vanilla RNN.

    γ = max |φ′|. Pascanu, Mikolov & Bengio 2013, section 2.1; for a loss at the last step.
    """
    check_choice("activation", activation, ACTIVATIONS)
    steps = check_number("steps", steps, 0, 10**7, integer=True)
    with np.errstate(divide="ignore"):
        per_step = np.log10(ACTIVATIONS[activation].max_slope * singular_values(w_hh)[0])
    back = np.arange(steps, -1, -1)
    return np.where(back == 0, 0.0, back * np.where(back == 0, 0.0, per_step))


@dataclass(frozen=True)
class MeanField:
    """The stationary state of a wide random RNN: q* = variance of a pre-activation, χ = growth of ‖∂L/∂h‖² per step."""

    q: float
    chi: float

    @property
    def per_step_factor(self) -> float:
        """√χ, what ‖∂L/∂h‖ is multiplied with per step back."""
        return float(np.sqrt(self.chi))


@np.errstate(over="ignore", under="ignore")
def mean_field(sigma_w: float, input_variance: float, activation: str = "tanh") -> MeanField:
    """Mean-field prediction for a vanilla RNN with W_ij ~ N(0, σ_w²/H) and inputs that add `input_variance`.

    q* = σ_w² E[φ²(√q* z)] + s², χ = σ_w² E[φ′²(√q* z)], z ~ N(0, 1) (Poole et al. 2016; Schoenholz et al. 2017). Valid for
    large H in the stationary state; ReLU with σ_w² ≥ 2 has none, its q grows for ever (inf) while χ holds.
    """
    sigma_w = check_number("sigma_w", sigma_w, 0.0, 50.0)  # beyond √q* ≈ 70 the quadrature would no longer resolve φ′
    input_variance = check_number("input_variance", input_variance, 0.0, 2500.0)
    check_choice("activation", activation, ACTIVATIONS)
    if activation == "relu":
        chi = sigma_w**2 / 2.0  # E[relu²] = q/2 and E[relu′²] = 1/2 in closed form
        return MeanField(input_variance / (1.0 - chi) if chi < 1.0 else np.inf, chi)
    phi = ACTIVATIONS[activation]
    z = np.linspace(-12.0, 12.0, 4801)  # on the whole line the trapezoid rule converges faster than any power
    density = np.exp(-0.5 * z * z)
    density /= density.sum()

    def second_moment(q: float) -> float:
        return float(sigma_w**2 * density @ np.square(phi.value(np.sqrt(q) * z)) + input_variance)

    low, high = 0.0, sigma_w**2 + input_variance  # |φ| ≤ 1, and q ↦ second moment is concave: bisect from above
    least = min(1e-12, input_variance) or 1e-12  # without input it is 0 that grows, or stays
    if second_moment(least) > least:
        low = least
        while low < (middle := 0.5 * (low + high)) < high:  # down to neighbouring numbers
            low, high = (middle, high) if second_moment(middle) > middle else (low, middle)
    else:
        high = 0.0
    q = 0.5 * (low + high)
    a = np.sqrt(q) * z
    return MeanField(q, float(sigma_w**2 * density @ np.square(phi.slope(a, phi.value(a)))))


def lyapunov_exponents(
    w_hh: ArrayLike, steps: int = 1000, burn_in: int = 500, count: int | None = None, seed: int = 0
) -> Array:
    """The `count` largest Lyapunov exponents of x ← W tanh(x), per step, natural logarithm, largest first.

    QR method (Benettin et al. 1980; Engelken, Wolf & Abbott 2023): after `burn_in` steps from a random state, an orthonormal
    frame follows the Jacobians W diag(tanh′ x) and is made orthonormal again every step; ln |R_ii| accumulates.
    """
    w = square_matrix("w_hh", w_hh)
    if np.iscomplexobj(w):
        raise ValueError(f"w_hh must be real, got {w.dtype}")
    hidden = len(w)
    count = hidden if count is None else count
    check_number("steps", steps, 1, 10**7, integer=True)
    check_number("burn_in", burn_in, 0, 10**7, integer=True)
    check_number("count", count, 1, hidden, integer=True)
    check_number("seed", seed, 0, 2**63, integer=True)
    rng = np.random.default_rng(seed)
    tanh = ACTIVATIONS["tanh"]
    x = rng.normal(size=hidden)
    q = np.linalg.qr(rng.normal(size=(hidden, count)))[0]
    total = np.zeros(count)
    with np.errstate(all="ignore"):  # infinite states saturate tanh; what has no number is told below
        for _ in range(burn_in):
            x = w @ np.tanh(x)
        for _ in range(steps):
            y = np.tanh(x)
            q, r = np.linalg.qr(w @ (tanh.slope(x, y)[:, None] * q))
            total += np.log(np.abs(np.diag(r)))
            x = w @ y
    if np.isnan(total).any():
        raise ValueError(f"w_hh must keep its products in float64's range, got entries up to {np.abs(w).max():g}")
    return np.sort(total / steps)[::-1]
