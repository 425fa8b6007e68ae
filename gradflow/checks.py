"""One sentence for every kind of bad input: the field, what is allowed, the value that came."""

from collections.abc import Collection
from contextlib import suppress
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

MAX_BYTES = 1e9  # the most that one request may need


def shown(value: object) -> str:
    """The value as a message shows it: its repr, cut to a readable length."""
    try:
        text = " ".join(repr(value).split())  # an array's is over several lines
    except ValueError:  # Python does not write out an integer of more than 4300 digits
        text = f"a value of type {type(value).__name__} that is too long to show"
    return text if len(text) <= 60 else f"{text[:57]}…"


def check_choice(field: str, value: object, allowed: Collection[str]) -> None:
    """ValueError unless `value` is one of the allowed names."""
    if not isinstance(value, str) or value not in allowed:
        raise ValueError(f"{field} must be one of {', '.join(allowed)}, got {shown(value)}")


def check_kind(field: str, value: object, kind: type) -> None:
    """ValueError unless `value` is of that class."""
    if not isinstance(value, kind):
        article = "an" if kind.__name__[0] in "AEIO" else "a"
        raise ValueError(f"{field} must be {article} {kind.__name__}, got {shown(value)}")


def check_number(field: str, value: object, low: float, high: float, integer: bool = False, unit: str = "") -> Any:
    """`value` as a float (an int if `integer`), since a small NumPy number would overflow or lose digits later on.

    ValueError unless it is a number, a whole one if `integer`, in [low, high].
    """
    kind = (int, np.integer) if integer else (int, float, np.integer, np.floating)
    number: float = np.nan
    if isinstance(value, kind) and not isinstance(value, (bool, np.timedelta64)):
        with suppress(OverflowError):  # a whole number beyond float64's range
            number = int(value) if integer else float(value)
    if not low <= number <= high:
        what = "a whole number in" if integer else "in"
        raise ValueError(f"{field} must be {what} [{low:g}, {high:g}]{unit and ' ' + unit}, got {shown(value)}")
    return number


def as_numbers(field: str, value: object, kinds: str = "biuf") -> NDArray:
    """`value` as a float64 array, or a complex128 one if `kinds` has "c" and it is complex; ValueError otherwise."""
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        raise ValueError(f"{field} must have no masked entries: they would be read as numbers")
    try:
        array = np.asarray(value)
    except ValueError:  # rows of different lengths
        array = np.array(None)
    if array.dtype.kind not in kinds:
        raise ValueError(f"{field} must be an array of numbers, got {shown(value)}")
    if array.dtype == np.float64:
        return array
    with np.errstate(over="ignore"):  # a longer number becomes inf, and is told as such
        return array.astype(np.complex128 if array.dtype.kind == "c" else np.float64, copy=False)


def square_matrix(field: str, value: ArrayLike) -> NDArray:
    """`value` as a finite (H, H) array with H ≥ 1; ValueError otherwise."""
    array = finite_array(field, value, ("H", "H"))
    if array.shape[0] != array.shape[1] or not array.size:
        raise ValueError(f"{field} must be a square matrix, got shape {array.shape}")
    return array


def surely_finite(array: NDArray) -> bool:
    """Whether the sum of all squares is finite: the cheap test, only where it fails is an exact one needed."""
    return isfinite(np.vdot(array, array).real)


def finite_array(field: str, value: ArrayLike, shape: tuple[int | str, ...] | None = None) -> NDArray:
    """`value` as a float64 (or complex128) array; ValueError if it is not finite or not of the shape.

    A name in `shape` stands for a size that is free: `("T", "B", 8)`.
    """
    array = as_numbers(field, value, kinds="biufc")
    if shape is not None:
        fits = len(shape) == array.ndim and all(
            want == got or isinstance(want, str) for want, got in zip(shape, array.shape, strict=True)
        )
        if not fits:
            wanted = f"({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})"
            raise ValueError(f"{field} must have shape {wanted}, got {array.shape}")
    if not surely_finite(array) and not np.isfinite(array).all():
        where = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        raise ValueError(f"{field} must be finite, got {array[where]} at index {where}")
    return array
