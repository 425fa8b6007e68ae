"""The forget-gate lesson in words, computed from its numbers."""

import math

from gradflow.cells import CELLS
from gradflow.experiment import Experiment
from gradflow.findings import NAMES, cut_off, number, percent
from gradflow.memory import Memory
from gradflow.summary import QUANTITIES

ONE_SIDED = ("text", "series")  # inputs that push a gate the same way at most steps


def bias_name(m: Memory) -> str:
    """b_f = 1 of a forget gate; b = 1 in the GRU, whose b_z has another sign in another convention; or Chrono."""
    symbol = "b_f" if CELLS[m.cell]().has_c else "b"
    return "Chrono" if m.bias is None else f"{symbol} = {m.bias:g}"


def per_step(factor: float) -> str:
    """A per-step factor to three digits and to two of what is lost or gained: 0.860, 1.036, 0.9933, 0.999954."""
    if math.isnan(factor):
        return "no gradient"
    if not 0.01 <= factor < 100.0:
        return number(factor)
    change = abs(factor - 1.0)
    if change < 1e-7:
        return "1"
    return f"{factor:.{max(2 - math.floor(math.log10(factor)), 1 - math.floor(math.log10(change)))}f}"


def memory_title(m: Memory, quantity: str) -> str:
    """What the present network keeps per step, against what its gate at rest, σ(b), would keep."""
    q = m.own(quantity)
    factor, law, symbol = m.factor(q), m.law_factor, QUANTITIES[q]
    name = f"{bias_name(m)}: the {NAMES[m.cell]}"
    if math.isnan(factor):
        return f"{name} has no gradient to carry: {symbol} is exactly 0 at the last step"
    if m.log10_factors[q] == -math.inf:
        return f"{name} brings exactly nothing of {symbol} back to the first step"
    if agrees(m, q):
        return f"{name} keeps {per_step(factor)} of {symbol} per step, as its gate at rest would"
    does = f"multiplies {symbol} by {per_step(factor)}" if factor > 1.0 else f"keeps {per_step(factor)} of {symbol}"
    return f"{name} {does} per step; its gate at rest would keep {per_step(law)}"


def agrees(m: Memory, q: str) -> bool:
    """Whether what reaches the first step is within a factor of 2 of the pure-gate law."""
    return abs(m.log10_factors[q] * m.length - m.law[0]) < math.log10(2.0)


def seen(exp: Experiment, m: Memory, quantity: str) -> str:
    """The sentences beside the curves over time: what one sees, why, what to try."""
    law = "Dashed is the pure-gate law σ(b)ᵏ, what gates at rest would leave after k steps back; the line is all that arrives."
    q = m.own(quantity)
    return f"{law} {why(exp, m, q)} {to_try(exp, m, q)}"


def why(exp: Experiment, m: Memory, q: str) -> str:
    """What stands between the line and its law."""
    if dead(exp, m):
        return "None of it reaches the first step: every unit is off, where ReLU has no slope."
    if not math.isfinite(m.log10_factors[q]):
        return "None of it reaches the first step: ∂L/∂h_t comes back through W_hh alone, ∂L/∂c_t through the gate as well."
    if agrees(m, q):
        return "Here they agree: hardly anything comes back by another way than the gate."
    if m.log10_factors[q] * m.length < m.law[0]:
        return (
            "The shaded part is lost: these gates are not at rest, and a swing down costs more than one up gives back."
        )
    if cut_off(exp):
        return "W_hh is zero, so the shaded rest came by the gates too: the input holds those of some units open."
    through_h = "The shaded rest came through h, which feeds every gate and candidate of the next step"
    held = exp.input in ONE_SIDED and m.size > 0.0
    return f"{through_h}, and through gates that the input holds open." if held else f"{through_h}."


def to_try(exp: Experiment, m: Memory, q: str) -> str:
    """A setting other than the present one that closes or opens one of the ways back."""
    chrono = "Chrono, whose input gates start nearly closed"
    if dead(exp, m):
        return "Try an input scale of 0.5, which turns some of them on."
    if cut_off(exp) and q == "dL/dh":
        return "Try ∂L/∂c_t, or ρ = 1, which opens the way through h."
    if m.bias is None:
        return "Chrono starts with nearly closed input gates: turn it off and try b_f = 5, which leaves them open."
    if exp.rescale and not cut_off(exp):
        return f"Try ρ = 0, which closes every way but the gate, then {chrono}."
    if cut_off(exp) and m.size == 0.0:
        return "Try ρ = 1, which opens the way through h."
    if cut_off(exp) and exp.init != "pytorch":  # whose input has a scale of its own
        return f"Try an input scale of 0, which leaves the gates at rest, then {chrono}."
    return f"Try {chrono}."


def dead(exp: Experiment, m: Memory) -> bool:
    """Whether no ReLU unit is ever on."""
    return exp.activation == "relu" and m.size == 0.0


def details(gru: Memory, seeds: int) -> str:
    """What the picture was made of, and what its green line is."""
    return (
        f"Lines: median over {seeds} seeds; a random probe reads h_T. Green: the GRU's ∂L/∂h_t at {bias_name(gru)}, "
        f"{per_step(gru.factor())} per step; its gate at rest would keep {per_step(gru.law_factor)}."
    )


def kept_title(lstm: Memory, gru: Memory) -> str:
    """What is kept at one high bias."""
    return f"Kept per step at b = {lstm.bias:g}: GRU {per_step(gru.factor())}, LSTM {per_step(lstm.factor())}"


def entry_title(lstm: Memory, gru: Memory) -> str:
    """What gets in at the same bias."""
    return f"Written at b = {lstm.bias:g}: GRU {percent(gru.written)}, LSTM {percent(lstm.written)}"


def price(lstm: Memory, gru: Memory, chrono: Memory, unbiased: Memory) -> str:
    """What is lost at a high bias, which lstm and gru share; unbiased is the LSTM at b = 0."""
    if lstm.size == 0.0:
        return (
            f"Nothing is written here, since every candidate is zero: |c_t| is 0 at b = {lstm.bias:g} as at b = 0. "
            f"Of another candidate the GRU would write {percent(gru.written)}, the LSTM {percent(lstm.written)}. "
            "Try an input scale of 0.5, and see what a high bias costs."
        )
    sizes = f"|c_t| is {number(lstm.size)} instead of {number(unbiased.size)} at b = 0"
    if gru.written > 0.05 or lstm.size < 2.0 * unbiased.size:
        return (
            f"Here b = {gru.bias:g} costs little: the sequence is too short for it, or the input moves the gates further than it "
            f"does. The GRU writes {percent(gru.written)} of each new candidate, the LSTM {percent(lstm.written)}, and {sizes}."
        )
    return (
        f"What is kept leaves no room: at b = {gru.bias:g} the GRU writes {percent(gru.written)} of each new candidate, "
        f"so nothing new gets in. "
        f"The LSTM's input gate is its own and still writes {percent(lstm.written)}, but into a full memory: {sizes}, "
        f"the newest step is {percent(lstm.newest)} of it, and φ passes on {percent(lstm.passed)} of a change. "
        f"Chrono, with b_i = −b_f, closes the input gate as far as it opens the other: it writes {percent(chrono.written)} and "
        f"|c_t| is {number(chrono.size)}."
    )


def gates_title(one: Memory, chrono: Memory) -> str:
    """Over which time scales the gates spread, with one bias and with Chrono."""
    return f"Gates hold for {span(one)} at {bias_name(one)}, for {span(chrono)} with Chrono"


def span(m: Memory) -> str:
    """The middle 80 % of the horizons of its gates."""
    return f"{number(m.gate_horizon(0.1))} to {number(m.gate_horizon(0.9))} steps"


GATES = (
    "Each row is how often the memory gate took a value, over all steps, units and seeds; the middle 80 % make the title. "
    "One bias gives every unit the same time scale, and only the input spreads it; Chrono draws each unit's from 2 to T steps, "
    "so that some units forget while others keep."
)
