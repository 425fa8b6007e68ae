"""The activation functions φ, each with its derivative φ′.

A derivative is made from the output where that is accurate and from the pre-activation where it is not: 1 − tanh²
has lost half of its digits by |a| = 9 and is exactly 0 from |a| = 19 on, where sech² still has them all. A saturated
unit is so not mistaken for a dead one until its slope is below every float64 (|a| ≈ 372 for tanh; for the sigmoid 745
above and 709 below).
Arrays of any shape; `value` takes complex input too, for complex steps.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# as arrays: NumPy converts a Python number anew at every call, which costs as much as a small array's arithmetic
ONE, DEEP = np.array(1.0), np.array(0.0002)


@dataclass(frozen=True)
class Activation:
    """An elementwise function y = φ(a), its derivative φ′ from (a, y), and max φ′, the γ of Pascanu et al. 2013.

    Both write into `out` where that is given, as NumPy's own functions do.
    """

    name: str
    title: str
    value: Callable[..., Array]
    slope: Callable[..., Array]
    max_slope: float


def sigmoid(a: Array, out: Array | None = None) -> Array:
    """σ(a) = 1 / (1 + e^−a), elementwise; where e^−a overflows to inf, σ is below every normal number and reads 0."""
    s = np.negative(a, np.empty_like(a) if out is None else out)
    np.exp(s, s)
    np.add(s, ONE, s)
    return np.divide(ONE, s, s)


def complement(a: Array, s: Array, out: Array | None = None) -> Array:
    """1 − σ(a) with s = σ(a), elementwise; e^−a / (1 + e^−a) where 1 − s has lost digits."""
    rest = np.subtract(ONE, s, np.empty_like(s) if out is None else out)
    if rest.size and rest.min() < DEEP:
        deep = rest < DEEP
        with np.errstate(under="ignore"):
            e = np.exp(-a[deep])
            rest[deep] = e / (1.0 + e)
    return rest


def sigmoid_slope(a: Array, s: Array, out: Array | None = None) -> Array:
    """σ′(a) = s (1 − s) with s = σ(a), elementwise."""
    with np.errstate(under="ignore"):
        slope = complement(a, s, out)
        slope *= s
        return slope


def tanh_slope(a: Array, y: Array, out: Array | None = None) -> Array:
    """tanh′(a) = 1 − y² with y = tanh(a), elementwise; sech²(a) where 1 − y² has lost digits."""
    slope = np.multiply(y, y, np.empty_like(y) if out is None else out)
    np.subtract(ONE, slope, slope)
    if slope.size and slope.min() < DEEP:
        deep = slope < DEEP
        with np.errstate(under="ignore"):
            e = np.exp(-2.0 * np.abs(a[deep]))
            slope[deep] = 4.0 * e / np.square(1.0 + e)
    return slope


def relu(a: Array, out: Array | None = None) -> Array:
    """max(a, 0), elementwise; a complex number is kept where its real part is positive."""
    return np.maximum(a, 0.0, out=out) if np.isrealobj(a) else np.multiply(a, a.real > 0.0, out=out)


def relu_slope(a: Array, y: Array, out: Array | None = None) -> Array:
    """1 where a > 0, else 0: at the kink itself the derivative is taken as 0, as PyTorch does."""
    return np.greater(a, 0.0, out=np.empty(np.shape(a)) if out is None else out)


ACTIVATIONS = {
    "tanh": Activation("tanh", "tanh", np.tanh, tanh_slope, 1.0),
    "sigmoid": Activation("sigmoid", "sigmoid", sigmoid, sigmoid_slope, 0.25),
    "relu": Activation("relu", "ReLU", relu, relu_slope, 1.0),
}
