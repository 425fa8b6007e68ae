"""The list of lessons, in the order of the navigation, with the network controls that each of them shows."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Lesson:
    """One page: its script, its name, its address, and which shared controls it has in view and which under More."""

    path: str
    title: str
    url: str
    controls: tuple[str, ...]
    more: tuple[str, ...]


# settings of the network that most lessons have under More
START = ("init", "rescale", "input_scale", "hidden")
GRU_FORM = ("gru_reset", "gru_update")
GATES = ("update_bias", "chrono", *GRU_FORM)

LESSONS = (
    Lesson(
        "pages/lessons/gradient_flow.py",
        "Gradient flow",
        "",
        controls=("text", "cells", "activation", "length", "spectral_radius", "forget_bias"),
        more=("sequence_type", "seed", "input", "loss", "reduction", *START, *GATES),
    ),
    Lesson(
        "pages/lessons/spectral_radius.py",
        "Spectral radius",
        "spectral-radius",
        controls=("spectral_radius", "activation", "length", "input_scale", "hidden", "seed"),
        more=("text", "input"),
    ),
    Lesson(
        "pages/lessons/activations.py",
        "Activations",
        "activations",
        controls=("spectral_radius", "input_scale"),
        more=("length", "input", "text", "sequence_type", "loss", "reduction", "init", "rescale", "hidden", "seed"),
    ),
    Lesson("pages/lessons/clipping.py", "Clipping", "clipping", controls=("seed",), more=()),
    Lesson(
        "pages/lessons/forget_bias.py",
        "Forget-gate bias",
        "forget-gate-bias",
        controls=("forget_bias", "update_bias", "chrono", "spectral_radius", "length"),
        more=("activation", "input", "text", *START, "seed", *GRU_FORM),
    ),
    Lesson(
        "pages/lessons/paths.py",
        "Cell paths",
        "paths-through-a-cell",
        controls=("length", "spectral_radius", "forget_bias", "update_bias"),
        more=("seed", "activation", "input", "text", *START, "chrono", *GRU_FORM),
    ),
    Lesson(
        "pages/lessons/loss_matrix.py",
        "Loss matrix",
        "which-loss-reaches-which-step",
        controls=("text", "cells", "length", "spectral_radius", "forget_bias"),
        more=("seed", "activation", "input", "loss", *START, *GATES),
    ),
    Lesson(
        "pages/lessons/truncation.py",
        "Truncated BPTT",
        "truncated-bptt",
        controls=("cells", "length", "spectral_radius", "forget_bias"),
        more=("seed", "activation", "input", "text", "loss", *START, *GATES),
    ),
    Lesson(
        "pages/lessons/derivation.py",
        "Derivation",
        "derivation",
        controls=("activation", "spectral_radius", "forget_bias"),
        more=(
            "text",
            "length",
            "hidden",
            "seed",
            "input",
            "sequence_type",
            "loss",
            "reduction",
            "init",
            "rescale",
            "input_scale",
            *GATES,
        ),
    ),
)
