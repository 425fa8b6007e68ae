"""Gradients with a power-of-two exponent beside them, exact far outside float64's range.

A stack of vectors is a pair (mantissa, exponent): the vector in column n of row t is mantissa[t, …, :, n] · 2^e[t, …, n].
Scaling by a power of two rounds nothing, so the pair behaves like a float64 whose exponent has no end.
"""

import numpy as np
from numpy.typing import NDArray

from gradflow.activations import Array

Exponent = NDArray[np.int64]
LOG10_2 = np.log10(2.0)
MAX_POWER = 1000  # 2^±1000 is an ordinary float64
EXPONENT_OF_ZERO = -(2**40)  # below every other number's


def square_norm(mantissa: Array) -> Array:
    """Squared Euclidean norm along the hidden axis (the last but one)."""
    return np.vecdot(mantissa, mantissa, axis=-2)  # type: ignore[call-overload]


def nonzero_rows(array: Array) -> NDArray[np.bool_]:
    """Which rows along the first axis hold anything but zeros."""
    return np.asarray(array.reshape(len(array), -1).any(1))  # over one axis, not two: that is ten times as fast


def exponent_of(mantissa: Array) -> Exponent:
    """e with norm = m · 2^e, m near 1, for any float64 content; EXPONENT_OF_ZERO where every component is 0."""
    largest = np.abs(mantissa).max(-2)
    return np.where(largest == 0.0, EXPONENT_OF_ZERO, np.frexp(largest)[1].astype(np.int64))


def shift(mantissa: Array, by: Exponent) -> Array:
    """mantissa · 2^by, column by column; what leaves float64's range becomes 0 or ±inf."""
    if not np.count_nonzero(by):  # a third of what `any` takes
        return mantissa
    power = np.clip(by, -9999, 9999).astype(np.int32)[..., None, :]
    with np.errstate(over="ignore", under="ignore"):
        if np.abs(power).max() <= MAX_POWER:  # a product is several times as fast as `ldexp` and just as exact
            return mantissa * np.ldexp(1.0, power)
        return np.ldexp(mantissa, power)


def column_sum(mantissa: Array, exponent: Exponent) -> tuple[Array, Exponent]:
    """The sum over the columns, (…, H, N) → (…, H, 1), with its exponent (…, 1)."""
    top = (exponent + exponent_of(mantissa)).max(-1, keepdims=True)
    top = np.where(top > EXPONENT_OF_ZERO // 2, top, 0)
    with np.errstate(under="ignore"):
        return shift(mantissa, exponent - top).sum(-1, keepdims=True), top


def log10_norm(mantissa: Array, exponent: Exponent, square: Array | None = None) -> Array:
    """log10 of the Euclidean norm along the hidden axis, its `square_norm` given if known; −inf says exactly zero.

    +inf says that it can't be told: a single step has taken the mantissa out of float64's range.
    """
    with np.errstate(divide="ignore", over="ignore", under="ignore", invalid="ignore"):
        square = square_norm(mantissa) if square is None else square
        log = 0.5 * np.log10(square) + exponent * LOG10_2
        unsafe = ~((square > 1e-250) & (square < 1e250))  # where squaring has lost digits
        if unsafe.any():
            vectors = mantissa.swapaxes(-1, -2)[unsafe]
            largest = np.abs(vectors).max(-1)
            unit = vectors / np.where(largest == 0.0, 1.0, largest)[:, None]
            norm = np.log10(largest) + 0.5 * np.log10(np.square(unit).sum(-1))
            norm += np.broadcast_to(exponent, square.shape)[unsafe] * LOG10_2
            log[unsafe] = np.where(np.isfinite(largest), norm, np.inf)
    return log


def log10_hypot(p: Array, q: Array) -> Array:
    """log10 √(10^2p + 10^2q), without leaving the logarithm."""
    high, low = np.maximum(p, q), np.minimum(p, q)
    with np.errstate(invalid="ignore", under="ignore"):
        gap = np.where(low == high, 0.0, low - high)  # both may be −inf, or both +inf
        return high + 0.5 * np.log10(1.0 + 10.0 ** (2.0 * gap))
