"""Controls made from Experiment's knobs: label, symbol, help, range and default are stated there and nowhere else.

Every control is bound to the URL under its field's name, so that a link restores it, and to nothing else.
"""

from dataclasses import replace
from typing import Any

import streamlit as st

from gradflow.experiment import KNOBS, Experiment, Knob
from gradflow.findings import NAMES

# what reads better on a control than the value itself
WORDS = {
    **NAMES,
    "relu": "ReLU",
    "pytorch": "PyTorch's",
    "noise": "Noise",
    "series": "Sunspots",
    "text": "Text",
    "impulse": "Impulse",
}


def word(value: str) -> str:
    """A choice as the reader sees it."""
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


def told(problem: ValueError) -> str:
    """The library's sentence about a bad value, with the control's label in place of the field's name."""
    field, _, rest = str(problem).partition(" ")
    return f"{KNOBS[field].label if field in KNOBS else field} {rest}."


def control(field: str, defaults: Experiment, **narrower: Any) -> Any:
    """The control for one field of Experiment, and its value; `narrower` tightens the knob's range on a page."""
    k, value = replace(KNOBS[field], **narrower), getattr(defaults, field)
    shared: dict[str, Any] = {"key": field, "help": f"{k.help}{without_effect(k)}", "bind": "query-params"}
    if k.choices and len(k.choices) <= 4 and max(map(len, k.choices)) <= 8:
        return st.segmented_control(
            labelled(k), k.choices, default=value, required=True, format_func=word, width="stretch", **shared
        )
    if k.choices:
        return st.selectbox(labelled(k), k.choices, index=k.choices.index(value), format_func=word, **shared)
    if isinstance(value, bool):
        return st.toggle(labelled(k), value, **shared)
    if isinstance(value, str):
        return st.text_input(labelled(k), value, **shared)
    kind = type(value)
    return st.slider(labelled(k), kind(k.low), kind(k.high), value, kind(k.step), **shared)
