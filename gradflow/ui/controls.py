"""Controls made from knobs: label, symbol, help, range and choices are stated there and nowhere else.

Every control is bound to the URL under its key, so that a link restores it, and to nothing else.
"""

from contextvars import ContextVar
from typing import Any

import streamlit as st

from gradflow.experiment import KNOBS, Knob
from gradflow.findings import NAMES
from gradflow.summary import QUANTITIES
from gradflow.ui.link import refuse

# key and label of every control that this run has put in sight
IN_SIGHT: ContextVar[dict[str, str]] = ContextVar("in_sight")

# what reads better on a control than the value itself
WORDS = {
    **NAMES,
    **QUANTITIES,
    "relu": "ReLU",
    "pytorch": "PyTorch's",
    "noise": "Noise",
    "series": "Sunspots",
    "text": "Text",
    "impulse": "Impulse",
    "forward": "Forward",
    "local": "Local",
    "back": "Back",
}


def word(value: str) -> str:
    """A choice as the reader sees it, and as a link holds it."""
    return WORDS.get(value, value)


def labelled(k: Knob) -> str:
    return f"{k.label} {k.symbol}".strip()


def without_effect(k: Knob) -> str:
    """When the knob does nothing, as a sentence behind its help."""
    if k.needs is None:
        return ""
    other, allowed = k.needs
    values = " or ".join({True: "on", False: "off"}.get(value) or word(value) for value in allowed)
    return f" Has an effect only where {KNOBS[other].label} is {values}."


def told(problem: Exception) -> str:
    """The library's sentence about what is wrong, with a control's label in place of its field's name."""
    field, _, rest = str(problem).partition(" ")
    return f"{KNOBS[field].label if field in KNOBS else field} {rest}."


def control(key: str, default: Any, k: Knob) -> Any:
    """The control for one knob, and its value; a tuple as the default makes it a choice of several."""
    refuse(key, default, k, tuple(map(word, k.choices)))
    IN_SIGHT.get()[key] = k.label
    shared: dict[str, Any] = {"key": key, "help": f"{k.help}{without_effect(k)}", "bind": "query-params"}
    if isinstance(default, tuple):
        return st.pills(
            labelled(k),
            k.choices,
            selection_mode="multi",
            default=default,
            format_func=word,
            width="stretch",
            **shared,
        )
    if k.choices and len(k.choices) <= 4 and max(map(len, k.choices)) <= 8:
        return st.segmented_control(
            labelled(k), k.choices, default=default, required=True, format_func=word, width="stretch", **shared
        )
    if k.choices:
        return st.selectbox(labelled(k), k.choices, index=k.choices.index(default), format_func=word, **shared)
    if isinstance(default, bool):
        return st.toggle(labelled(k), default, **shared)
    if isinstance(default, str):
        return st.text_input(labelled(k), default, **shared)
    kind = type(default)
    return st.slider(labelled(k), kind(k.low), kind(k.high), default, kind(k.step), **shared)
