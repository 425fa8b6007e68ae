"""What every recurrent cell is made of; the cells themselves are one file each.

A cell is its equations: no time, no batch, no matrix. Arrays end in the axes (hidden, batch), one sequence to a
column, so that a gate is one contiguous block; a slot axis leads where there is one, sweep axes may stand between.
As in NumPy itself, an argument beyond an operation's operands receives its result.

`equations` reads `step`, `partials` and `step_back` as they stand. So their lines are assignments, +=, or calls of NumPy's and
φ's functions with the result as the last argument; the block of the `sigmoids` is called `a_gates` and its values `gates`,
products are annotated `Product`, and each slot has its np.multiply(local[k], dh or dc, da[k]), or a range of slots has.

`a` holds a unit's pre-activations W_ih x + b_ih + W_hh h + b_hh, one *slot* each. W_ih and b_ih feed the first
`len(input_rows)` slots, W_hh and b_hh the last `len(state_rows)`; the names in them say which gate's rows go where.
They differ in PyTorch's GRU, whose candidate keeps the two shares apart.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import repeat
from typing import Any, ClassVar

from gradflow.activations import ACTIVATIONS, Activation, Array
from gradflow.checks import check_choice

Rows = tuple[Array, ...]  # one step's, as `Cell.rows` takes them apart
Product = Callable[..., Array]  # v ↦ W v, into a second argument where that is given
HIGHWAY = "highway"  # the path through time that meets no weight


@dataclass(frozen=True)
class Cell:
    """The contract of a recurrent cell: one step forward, its local derivatives, and the step's transpose."""

    activation: str = "tanh"

    name: ClassVar[str]
    title: ClassVar[str]  # the name as people write it
    gates: ClassVar[tuple[str, ...]]  # in the order of PyTorch's rows
    slots: ClassVar[int]
    input_rows: ClassVar[tuple[str, ...]]
    state_rows: ClassVar[tuple[str, ...]]
    late_rows: ClassVar[tuple[str, ...]] = ()  # the last state rows, if their product must wait for another gate
    unit_weights: ClassVar[tuple[str, ...]] = ()  # parameters beyond PyTorch's four arrays, a number for each unit
    saves: ClassVar[tuple[str, ...]] = ()  # what `step` saves for `partials`, by the names in the equations
    sigmoids: ClassVar[slice] = slice(0)  # gates taken by one sigmoid, where they stand in the slots and in `saves`
    others: ClassVar[tuple[str, ...]] = ()  # the local derivatives beside the slots', such as ∂c_t/∂c_{t−1}
    has_c: ClassVar[bool] = False
    memory_gate: ClassVar[str | None] = None  # the gate that decides how much of the past is kept
    memory_sign = 1.0  # −1 where a high memory gate overwrites instead of keeping

    @property
    def states(self) -> int:
        """How many states a unit has: h and, where there is one, c."""
        return 2 if self.has_c else 1

    @property
    def early_slots(self) -> tuple[int, int]:
        """The first slot that W_hh h feeds, and the one after the last that it feeds without waiting."""
        return self.slots - len(self.state_rows), self.slots - len(self.late_rows)

    def __post_init__(self) -> None:
        check_choice("activation", self.activation, ACTIVATIONS)

    @cached_property
    def phi(self) -> Activation:
        """The activation function φ with its derivative."""
        return ACTIVATIONS[self.activation]

    def rows(self, a: Array, saved: Array) -> Iterator[tuple[Rows, Rows]]:
        """What `step` takes of the slots (slots, steps, …) and of room for what it saves (len(saves), steps, …), step by step.

        Of the slots, the block of the `sigmoids`, if there is one, and the others one by one; then that block's values and
        all rows one by one. Taken apart here, for to take an array apart costs NumPy as much as a small array's arithmetic.
        """
        gates = range(self.slots)[self.sigmoids]
        if not gates:
            return zip(zip(*a, strict=True), zip(*saved, strict=True) if self.saves else repeat(()), strict=False)
        others = (slot for k, slot in enumerate(a) if k not in gates)
        blocks = [rows[self.sigmoids].swapaxes(0, 1) for rows in (a, saved)]
        return zip(zip(blocks[0], *others, strict=True), zip(blocks[1], *saved, strict=True), strict=True)

    def step(self, a: Rows, saved: Rows, h: Array, c: Any, h_next: Array, c_next: Any) -> None:
        """h_t into `h_next` and c_t into `c_next` from the slots and (h_{t−1}, c_{t−1}); no c is None.

        a and saved are one step's `rows`; `saved` receives what `partials` needs again, such as the gates' values.
        With `late_rows`, their product comes as one more argument, a function, and `step` adds it to its slot. The
        `unit_weights` come last, (…, H, 1) each; what they add to a slot is added in place too.
        """
        raise NotImplementedError

    def partials(self, a: Array, saved: Array, h: Array, c: Any, local: Array, *others: Any) -> None:
        """The local derivatives that `step_back` multiplies with, several steps at once.

        `a` is (slots, steps, …), `saved` (len(saves), steps, …), `h` and `c` are (steps + 1, …). `local`, like `a`, receives
        each slot's derivative of what that slot feeds (h, or c in the LSTM's inner gates); where it feeds a second thing, that
        is one of the `others`. They come next, an array for each to receive it, (steps, …), then the `unit_weights`.
        """
        raise NotImplementedError

    def step_back(self, dh: Array, dc: Any, local: Array, *others: Any) -> None:
        """One step's transpose, from its local derivatives to (∂L/∂h_{t−1}, ∂L/∂c_{t−1}).

        Takes the total ∂L/∂h_t, c_{t+1}'s share of ∂L/∂c_t, which turns into the total in place, and the `partials`. Then come,
        in this order: `da`, to receive ∂L/∂a_t; `fed`, those slots of da that W_hh feeds at once as the one matrix that W_hhᵀ
        takes; `dh_before` and `dc_before`, to receive ∂L/∂h_{t−1} and ∂L/∂c_{t−1}, to which the loop adds the direct part; the
        product with W_hhᵀ, and that with the late rows' transpose. Apart from the products all is elementwise, on arrays that
        may broadcast: `jacobians` calls it with dh of another shape than `dh_before`, without `fed` and with a product that is 0.
        """
        raise NotImplementedError

    def paths(self, dh: Array, dc: Any, local: Array, *others: Any) -> dict[str, tuple[Any, Any]]:
        """`step_back` with its sums left open: path → its shares of (∂L/∂h_{t−1}, ∂L/∂c_{t−1}), 0.0 where it does not lead.

        HIGHWAY is the elementwise path, if there is one; the others bear the name of the gate through whose pre-activation
        they go. Takes the totals ∂L/∂h_t and ∂L/∂c_t, the `partials`, products with W_hhᵀ that keep the slots apart, and the
        `unit_weights`. Nothing is changed in place.
        """
        raise NotImplementedError

    def total_c(self, dh: Array, dc: Any, *others: Any) -> Array:
        """The total ∂L/∂c_t from c_{t+1}'s share of it and the total ∂L/∂h_t: the paths inside a step, given the `others`."""
        raise NotImplementedError

    def late_operand(self, saved: Array, h: Array) -> Array:
        """What the late rows multiply, all steps at once."""
        raise NotImplementedError

    def unit_operands(self, h: Array, c: Any) -> tuple[tuple[int, Array], ...]:
        """For each of the `unit_weights` the slot that it feeds, and what it multiplies there, all steps at once."""
        return ()
