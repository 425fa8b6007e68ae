"""What the losses of single steps teach, in words computed from their matrices."""

from collections.abc import Mapping

from gradflow.findings import NAMES, listed, number
from gradflow.loss_matrix import LossMatrix


def reach_title(by_cell: Mapping[str, LossMatrix]) -> str:
    """The finding by lag: how many steps back a loss goes until less than 1/100 of its gradient is left."""
    silent = [NAMES[m.cell] for m in by_cell.values() if m.reach is None]
    if silent:
        return f"No loss has a gradient in the {listed(silent)}: every prediction is already certain"
    lasting = [NAMES[m.cell] for m in by_cell.values() if m.reach == m.longest]
    fading = [m for m in by_cell.values() if m.reach != m.longest]
    if not fading:
        return f"Every loss reaches the first step: 1/100 or more of its gradient is left in the {listed(lasting)}"
    first, *others = fading
    steps = "step" if first.reach == 1 else "steps"
    parts = [
        f"{first.reach} {steps} back in the {NAMES[first.cell]}",
        *(f"{m.reach} in the {NAMES[m.cell]}" for m in others),
    ]
    reaches = ", ".join(parts)
    kept = f"; in the {listed(lasting)} 1/100 or more is left all the way" if lasting else ""
    return f"A loss reaches {reaches}, then less than 1/100 of its gradient is left{kept}"


def matrix_words(m: LossMatrix) -> str:
    """The sentences beside the matrix: what one sees, the check that its rows add up, what to try."""
    worst = int(m.sum_error.argmax())
    return (
        "Each row is one loss on its own: its gradient starts on the diagonal and flows left to earlier states; "
        "no loss depends on a later one. Added up as vectors the rows are the total ∂L/∂h_t of a separate backward pass; "
        f"the largest difference is {number(float(m.sum_error[worst]))} of it, at step {worst}. "
        "Try a spectral radius of 1.5, or the LSTM with a forget-gate bias of 4."
    )


LAGS = (
    "The same matrix along its diagonals: what is left of a loss k − t steps back. "
    "Line: median over the losses; band: 10–90 %. Losses at different steps meet different states, hence the width."
)
TYPES = (
    "Colours as above. The type decides which losses there are, the network how far each is heard. "
    "Many-to-one has a single row, so the first step hears one far loss or none; many-to-many gives every step a near one."
)
