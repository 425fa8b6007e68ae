"""The frame around every lesson: the shared network controls, a link's hidden controls, and the presenter's size.

It is drawn by app.py before the page runs: widgets of the door keep their values, and their place in the address, from page
to page. A page asks here for the values and for the places that are its own.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from gradflow.cells import CELLS
from gradflow.experiment import KNOBS, Experiment, Knob
from gradflow.ui import STYLE
from gradflow.ui.controls import IN_SIGHT, control, told
from gradflow.ui.lessons import Lesson
from gradflow.ui.link import show_refused
from gradflow.unroll import ForwardOverflow

DEFAULTS = Experiment(input="text", batch=1)
NARROWER: dict[str, Any] = {"length": {"high": 300}, "hidden": {"high": 128}, "seed": {"high": 99}}
SHARED: dict[str, tuple[Any, Knob]] = {
    "cells": (
        ("rnn", "lstm", "gru"),
        Knob("Cells", "Side by side on the same input, seeds and loss.", choices=tuple(CELLS)),
    ),
    **{
        field: (getattr(DEFAULTS, field), replace(k, **NARROWER[field]) if field in NARROWER else k)
        for field, k in KNOBS.items()
        if field not in ("cell", "batch")
    },
}
PRESENTER = """<style>
html { font-size: 21px !important; }
[data-testid=stSidebar], [data-testid=stExpandSidebarButton] { display: none; }
</style>"""

# the places of this run's page: a script run has a context of its own
HEAD: ContextVar[DeltaGenerator] = ContextVar("head")
OWN: ContextVar[DeltaGenerator] = ContextVar("own")
URL: ContextVar[str] = ContextVar("url")
OWN_MORE: ContextVar[DeltaGenerator] = ContextVar("own_more")


def frame(lesson: Lesson) -> None:
    """Everything around the page, drawn before the page itself."""
    IN_SIGHT.set({})
    URL.set(lesson.url)
    st.html(STYLE)
    complaints = st.container()
    HEAD.set(st.container())
    under_title = st.container()
    with st.sidebar:
        OWN.set(st.container())
        in_view = st.container()
        more = st.expander("More")
        elsewhere = st.container(key="elsewhere")  # hidden: keeps the values that other pages show
    OWN_MORE.set(more.container())
    for key, (default, k) in in_order(lesson):
        if key == "text" and setting("input") != "text":
            place = elsewhere
        elif key in lesson.controls:
            place = under_title if key == "text" else in_view
        else:
            place = more if key in lesson.more else elsewhere
        with place:
            control(key, default, k)
        if place is elsewhere:
            IN_SIGHT.get().pop(key)
    with elsewhere:
        st.text_input("Present", key="present", bind="query-params")
        st.text_input("Hide", key="hide", bind="query-params")
    hide(hidden_names())
    if presenting():
        st.html(PRESENTER)
    with complaints:
        show_refused()


def in_order(lesson: Lesson) -> Iterator[tuple[str, tuple[Any, Knob]]]:
    """The shared knobs as the page lists them, then those it does not show."""
    listed = [key for key in (*lesson.controls, *lesson.more) if key != "text"]
    rest = [key for key in SHARED if key not in listed and key != "text"]
    return ((key, SHARED[key]) for key in (*listed, *rest, "text"))


def hidden_names() -> list[str]:
    """The controls that the link hides, `?hide=seed,length`."""
    return re.findall(r"[a-z_]+", st.session_state.get("hide", ""))


def hide(names: list[str]) -> None:
    """Hides these controls; "sidebar" hides them all."""
    sidebar = "[data-testid=stSidebar], [data-testid=stExpandSidebarButton]"
    selectors = [sidebar if name == "sidebar" else f".st-key-{name}" for name in names]
    if selectors:
        st.html(f"<style>{', '.join(selectors)} {{ display: none; }}</style>")


def presenting() -> bool:
    """Whether the page is shown in presenter size, `?present=1`."""
    return st.session_state.get("present", "") not in ("", "0", "false")


def title(text: str) -> None:
    """The page's title, its finding, at the top."""
    HEAD.get().header(text, anchor=False)


def own_controls() -> DeltaGenerator:
    """The place for the page's own controls, above the shared ones."""
    return OWN.get()


def own_more() -> DeltaGenerator:
    """The place for the page's own controls under More."""
    return OWN_MORE.get()


def page_url() -> str:
    """The page's own part of the address."""
    return URL.get()


def setting(key: str) -> Any:
    """The value of a shared control."""
    return st.session_state.get(key, SHARED[key][0])


def experiment(**fixed: Any) -> Experiment:
    """The experiment that the shared controls describe, with some fields fixed by the page."""
    shared = {key: setting(key) for key in SHARED if key != "cells"}
    # a link may hold line breaks, a sentence has none; another input reads no text, so that a bad one is no problem
    shared["text"] = " ".join(shared["text"].splitlines()) if shared["input"] == "text" else DEFAULTS.text
    return Experiment(**{**shared, "batch": 1, **fixed})


@contextmanager
def problems_told(name: str) -> Iterator[None]:
    """Says what is wrong with a value, under the page's name, and ends the page there."""
    try:
        yield
    except (ValueError, ForwardOverflow) as problem:
        title(name)
        st.warning(told(problem), icon=":material/edit:")
        st.stop()
