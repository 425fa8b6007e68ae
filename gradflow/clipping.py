"""Gradient clipping by PyTorch's formulas. It acts on ∂L/∂θ and never changes ∂L/∂h_t."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from gradflow.activations import Array
from gradflow.checks import as_numbers, check_number, shown

Gradients = dict[str, Array]


@dataclass(frozen=True, eq=False, repr=False)
class Clipped:
    """Clipped gradients, the global norm before and after, and whether clipping changed anything.

    `cosine` is that of the angle between the gradient before and after: 1 where the direction is kept, NaN where a norm
    is 0 or not finite, so that there is no direction.
    """

    grads: Gradients
    norm_before: float
    norm_after: float
    clipped: bool
    cosine: float


def clip_by_norm(
    grads: Mapping[str, ArrayLike], max_norm: float, eps: float = 1e-6, error_if_nonfinite: bool = True
) -> Clipped:
    """Scales all gradients by min(1, max_norm / (norm + eps)), norm being the Euclidean one over all of them together.

    The formula of `torch.nn.utils.clip_grad_norm_` (Pascanu et al. 2013, algorithm 1); `eps=0` is Keras'
    `global_clipnorm`, `max_norm=inf` only measures. Raises ValueError on a norm that is not finite, unless
    `error_if_nonfinite` is False: then the result is PyTorch's silent one: an infinite norm turns finite entries into 0
    and infinite ones into NaN, a NaN norm turns all entries into NaN.
    """
    max_norm = check_number("max_norm", max_norm, 0.0, np.inf)
    eps = check_number("eps", eps, 0.0, np.finfo(float).max)
    before = as_gradients(grads)
    norm = global_norm(before)
    if error_if_nonfinite and not np.isfinite(norm):
        raise ValueError(
            f"grads must have a finite norm, got {norm}: as in PyTorch, an infinite norm would turn finite entries into 0 "
            "and infinite ones into NaN, a NaN norm all entries into NaN; error_if_nonfinite=False asks for that"
        )
    with np.errstate(all="ignore"):
        coefficient = 1.0 if norm + eps == 0.0 else np.minimum(1.0, max_norm / (norm + eps))
        after = {name: grad * coefficient for name, grad in before.items()}
    return compared(before, after)


def clip_by_value(grads: Mapping[str, ArrayLike], limit: float) -> Clipped:
    """Limits every entry to [−limit, limit], as `torch.nn.utils.clip_grad_value_`; this turns the direction."""
    limit = check_number("limit", limit, 0.0, np.inf)
    before = as_gradients(grads)
    return compared(before, {name: np.clip(grad, -limit, limit) for name, grad in before.items()})


def as_gradients(grads: Mapping[str, ArrayLike]) -> Gradients:
    """The gradients as float64 arrays; ValueError where there are none."""
    if not isinstance(grads, Mapping):
        raise ValueError(f"grads must map names to arrays, got {shown(grads)}")
    if not grads:
        raise ValueError("grads must hold at least one gradient, got none")
    return {name: as_numbers(f"grads[{name!r}]", grad) for name, grad in grads.items()}


def global_norm(grads: Mapping[str, Array]) -> float:
    """Euclidean norm over all arrays together, without overflow or underflow on the way."""
    flat = np.concatenate([grad.reshape(-1) for grad in grads.values()])
    largest = float(np.abs(flat).max(initial=0.0))
    if largest == 0.0 or not np.isfinite(largest):
        return largest
    with np.errstate(under="ignore"):
        return largest * float(np.linalg.norm(flat / largest))


def compared(before: Gradients, after: Gradients) -> Clipped:
    """The clipped gradients with their norms and the angle that clipping has turned them by."""
    norm_before, norm_after = global_norm(before), global_norm(after)
    changed = any(not np.array_equal(before[name], after[name], equal_nan=True) for name in before)
    cosine = np.nan
    if 0.0 < norm_before < np.inf and 0.0 < norm_after < np.inf:
        with np.errstate(under="ignore"):
            cosine = sum(float(np.vdot(before[name] / norm_before, after[name] / norm_after)) for name in before)
    return Clipped(after, norm_before, norm_after, changed, min(cosine, 1.0))


# kind of clipping → gradients and threshold in, clipped gradients out
CLIPPERS: dict[str, Callable[[Mapping[str, ArrayLike], float], Clipped]] = {
    "none": lambda grads, threshold: clip_by_norm(grads, np.inf),
    "norm": clip_by_norm,
    "value": clip_by_value,
}
CLIPPED = {"none": "not clipped", "norm": "clipped by norm", "value": "clipped by value"}
