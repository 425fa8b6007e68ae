"""What a gradient curve says in one word: per-step factor, half-life, verdict."""

import numpy as np
from numpy.typing import ArrayLike

from gradflow.activations import Array
from gradflow.checks import as_numbers, check_number, shown

FAR = 2.0  # decades: the gradient at the first step against the one at the last
RULE = (
    "Vanishing: over all T steps the per-step factor leaves less than 1/100 of the gradient; "
    "exploding: more than 100 times; stable: anything between."
)


def log10_factor(log10_norm: ArrayLike, steps: ArrayLike | None = None) -> Array:
    """log10 of the per-step factor, the geometric mean of ‖∂L/∂h_{t−1}‖ / ‖∂L/∂h_t‖ over a sequence's steps.

    log10_norm: (..., T + 1, B); steps: how many steps each sequence has, (B,), T unless given; all end in the last row.
    −inf says that nothing reaches the first step, NaN that there is no gradient at the last one, or no such run.
    """
    norm = as_numbers("log10_norm", log10_norm)
    if norm.ndim < 2 or norm.shape[-2] < 2:
        raise ValueError(f"log10_norm must have shape (…, T + 1, B) with T ≥ 1, got {norm.shape}")
    rows, batch = norm.shape[-2:]
    count = as_numbers("steps", rows - 1 if steps is None else steps, kinds="iuf")
    if count.ndim > 1 or count.size not in (1, batch) or not np.isin(count, np.arange(1, rows)).all():
        allowed = f"whole numbers in [1, {rows - 1}], one for each of {batch} sequences"
        raise ValueError(f"steps must be {allowed}, got {shown(steps)}")
    count = count.astype(int)
    first, last = norm[..., rows - 1 - count, np.arange(batch)], norm[..., -1, :]
    with np.errstate(invalid="ignore", under="ignore"):  # −inf − (−inf), where there is no gradient at all
        rate = (first - last) / count
    return np.where(np.isneginf(last), np.nan, np.where(np.isneginf(first), -np.inf, rate))


def half_life(log10_factor: ArrayLike) -> Array:
    """Steps after which half of the gradient is gone, ln 2 / −ln(factor); inf where the factor is 1 or more."""
    rate = as_numbers("log10_factor", log10_factor)
    with np.errstate(divide="ignore", over="ignore"):
        return np.where(rate >= 0.0, np.inf, np.log10(2.0) / -rate)


def median_factor(log10_factors: ArrayLike) -> float:
    """The median of the factors there are; NaN if there is none. An order statistic, so that −inf takes part."""
    known = as_numbers("log10_factors", log10_factors)
    known = known[~np.isnan(known)]
    return float(np.quantile(known, 0.5, method="inverted_cdf")) if known.size else float("nan")


def verdict(log10_factor: float, steps: int) -> str:
    """ "vanishing", "stable" or "exploding", by RULE."""
    if isinstance(log10_factor, (float, np.floating)) and np.isnan(log10_factor):
        raise ValueError("log10_factor must be a number, got nan: a run that overflowed has no verdict")
    rate = check_number("log10_factor", log10_factor, -np.inf, np.inf)
    total = rate * check_number("steps", steps, 1, 2**63, integer=True)
    return "vanishing" if total < -FAR else "exploding" if total > FAR else "stable"


def band(log10_norm: ArrayLike) -> tuple[Array, Array, Array]:
    """10 %, median and 90 % over the runs and sequences of (S, T + 1, B), each (T + 1,); runs that overflowed are left out.

    NaN where no run has that row. Order statistics, so that exact zeros (−inf) take part without arithmetic on them.
    """
    norm = np.asarray(log10_norm)
    flat = np.moveaxis(norm, -2, 0).reshape(norm.shape[-2], -1)
    flat = flat[:, ~np.isnan(flat).all(0)]
    if not flat.size:
        raise ValueError("log10_norm must hold at least one run that did not overflow, got none")
    flat = np.sort(flat, axis=1)  # NaN goes last
    count = flat.shape[1] - np.isnan(flat).sum(1)
    nth = np.ceil(np.array([[0.1], [0.5], [0.9]]) * count).astype(int) - 1  # of no runs the last, a NaN
    low, middle, high = flat[np.arange(len(flat)), nth]
    return low, middle, high
