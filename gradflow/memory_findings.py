"""The forget-gate lesson in words, computed from its numbers."""

import math
from collections.abc import Sequence

from gradflow.findings import NAMES, number
from gradflow.memory import Memory
from gradflow.summary import QUANTITIES


def bias_name(m: Memory) -> str:
    """b_f = 1 in the LSTM; b = 1 in the GRU, whose b_z has another sign in another convention; or Chrono."""
    return "Chrono" if m.bias is None else f"{'b_f' if m.cell == 'lstm' else 'b'} = {m.bias:g}"


def per_step(factor: float) -> str:
    """A per-step factor to three digits: 0.874, 1.04; near 1 the third one counts."""
    return f"{factor:.3g}" if 0.01 <= factor < 100.0 else number(factor)


def percent(share: float) -> str:
    return f"{number(100.0 * share)} %"


def memory_title(m: Memory, quantity: str) -> str:
    """What the present network keeps per step, against what its gate alone would keep."""
    q = m.own(quantity)
    factor, law, symbol = m.factor(q), m.law_factor, QUANTITIES[q]
    name = f"{bias_name(m)}: the {NAMES[m.cell]}"
    if math.isnan(factor):
        return f"{name} has no gradient to carry: {symbol} is exactly 0 at the last step"
    if m.log10_factors[q] == -math.inf:
        return f"{name} brings exactly nothing of {symbol} back to the first step"
    if abs(m.log10_factors[q] * m.length - m.law[0]) < math.log10(2.0):
        return f"{name} keeps {per_step(factor)} of {symbol} per step, as its gates alone would"
    if factor > 1.0:
        return f"{name} multiplies {symbol} by {per_step(factor)} per step; its gates alone would keep {per_step(law)}"
    return f"{name} keeps {per_step(factor)} of {symbol} per step; its gates alone would keep {per_step(law)}"


def seen(m: Memory, quantity: str) -> str:
    """The sentences beside the curves over time: what one sees, why, what to try."""
    text = (
        "Thin and dashed is the pure-gate law σ(b)ᵏ, what the gates alone would leave after k steps back; thick is all that "
        "arrives, for it also comes through h_{t−1} into every gate and candidate. "
    )
    if quantity == "dL/dh" and m.factor(quantity) == 0.0:
        return text + "In the LSTM ∂L/∂h_t lives on that way alone."
    return text + "Set ρ to 0, which closes that way, and every line falls onto its law; then try Chrono."


def price(lstm: Memory, gru: Memory, chrono: Memory) -> str:
    """What is lost at a high bias; lstm and gru have the same one."""
    return (
        f"What is kept leaves no room: at b = {gru.bias:g} the GRU writes {percent(gru.written)} of each new candidate, and "
        f"nothing new gets in. The LSTM's input gate is its own and still writes {percent(lstm.written)}, but c_t keeps it all, "
        f"|c| grows to {number(lstm.size)}, the newest step is {percent(lstm.newest)} of it, and φ passes on "
        f"{percent(lstm.passed)} of a change. "
        f"Chrono, with b_i = −b_f, closes the input gate as far as it opens the other: it writes {percent(chrono.written)}, "
        f"and |c| stays at {number(chrono.size)}."
    )


GATES = (
    "One bias gives all units one time scale. Chrono draws each unit's horizon from 2 to T steps, so that some forget while "
    "others keep."
)
