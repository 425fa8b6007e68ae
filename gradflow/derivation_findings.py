"""What the values of a cell's lines say, in words."""

import math

from gradflow.derivation import Derivation
from gradflow.findings import NAMES, number, power_of_ten

SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
PART_TITLES = {
    "forward": "Forward: from $h_{t-1}$ to $h_t$",
    "local": "Local derivatives: what one step multiplies with",
    "back": r"Back: from $\partial L/\partial h_t$ to $\partial L/\partial h_{t-1}$",
}
WORDS = (
    "Each row is one left-hand side of the lines below, each column a time step, the colour its size; blank is exactly 0. "
    "The same lines run at every step, so a gradient fades or grows because the same local derivatives multiply it again. "
    "Try the sigmoid activation, then a forget-gate bias of 4 in the LSTM, and see which rows change."
)


def title_of(d: Derivation, step: int) -> str:
    """What the step pointed at does to the gradient."""
    after, before = float(d.log10_norm_h[step]), float(d.log10_norm_h[step - 1])
    if math.isfinite(before) and math.isfinite(after):
        done = f"multiplies the gradient by {power_of_ten(before - after)}: {size(step - 1, before)}"
    else:
        done = f"turns {size(step, after)} into {size(step - 1, before)}"
    return f"Step {step} of the {NAMES[d.cell]} {done}"


def size(step: int, log10: float) -> str:
    return f"‖∂L/∂h{str(step).translate(SUBSCRIPTS)}‖ = {power_of_ten(log10)}"


def signed(value: float, log10_norm: float) -> str:
    """A value to two digits; where only its norm is within reach of float64, the bound that it lies under or over."""
    if value == 0.0 and -math.inf < log10_norm < -300.0:
        return "below 10⁻³⁰⁰"
    sign = "−" if value < 0.0 else ""
    return f"{sign}{number(abs(value))}" if math.isfinite(value) else f"beyond {sign}10³⁰⁸"
