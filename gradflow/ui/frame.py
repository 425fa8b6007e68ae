"""The frame around every lesson: the shared network controls, a link's hidden controls, and the presenter's size.

It is drawn by app.py before the page runs: widgets of the door keep their values, and their place in the address, from page
to page. A page asks here for the values and for the places that are its own.
"""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import replace
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from gradflow.cells import CELLS
from gradflow.experiment import KNOBS, Experiment, Knob
from gradflow.sequences import characters
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
    """Everything around the page, drawn before the page itself.

    Every shared control stands at the same place on every page, and a style says where it is seen and whether: a control
    that moves from one container to another loses its value in the browser.
    """
    IN_SIGHT.set({})
    URL.set(lesson.url)
    st.html(STYLE)
    style = st.container()
    complaints = st.container()
    HEAD.set(st.container())
    under_title = st.container()
    with st.sidebar:
        OWN.set(st.container())
        with st.container(key="shared"):
            more = st.expander("More", key="more")
            for key, (default, k) in SHARED.items():
                with under_title if key == "text" else nullcontext():
                    control(key, default, k)
            note_length()
            with st.container(key="elsewhere"):  # never seen
                st.text_input("Present", key="present", bind="query-params")
                st.text_input("Hide", key="hide", bind="query-params")
    OWN_MORE.set(more.container())
    more.caption("And below, further settings of the network.")
    unseen = {key for key in SHARED if key not in (*lesson.controls, *lesson.more)}
    if setting("input") != "text":
        unseen.add("text")
    for key in unseen:
        IN_SIGHT.get().pop(key)
    with style:
        st.html(f"<style>{placed(lesson)}\n{hidden(sorted(unseen) + hidden_names())}</style>")
        if presenting():
            st.html(PRESENTER)
    with complaints:
        show_refused()


def note_length() -> None:
    """Says under the length where the sentence is shorter: further to the right the slider has no effect."""
    count = len(characters(sentence()))
    if setting("input") == "text" and setting("length") > count:
        with st.container(key="length_note"):
            st.caption(f"The sentence has {count} characters, so T is no longer; noise, an input under More, can be.")


def placed(lesson: Lesson) -> str:
    """CSS: the page's controls in its order, those under More only while that is open."""
    order = with_note([*lesson.controls, "more", *lesson.more])
    rules = [f".st-key-{key} {{ order: {n}; }}" for n, key in enumerate(order)]
    closed = ".stApp:not(:has(.st-key-more details[open]))"
    return " ".join([*rules, *(f"{closed} .st-key-{key} {{ display: none; }}" for key in with_note(lesson.more))])


def hidden(names: list[str]) -> str:
    """CSS: these controls are not seen; "sidebar" hides them all."""
    sidebar = "[data-testid=stSidebar], [data-testid=stExpandSidebarButton]"
    return " ".join(
        f"{sidebar if name == 'sidebar' else f'.st-key-{name}'} {{ display: none; }}" for name in with_note(names)
    )


def with_note(names: Iterable[str]) -> list[str]:
    """The names with the length's note behind the length."""
    return [name for key in names for name in ((key, "length_note") if key == "length" else (key,))]


def hidden_names() -> list[str]:
    """The controls that the link hides, `?hide=seed,length`."""
    return re.findall(r"[a-z0-9_]+", st.session_state.get("hide", ""))


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


def sentence() -> str:
    """The text on one line; a link may hold line breaks."""
    return " ".join(setting("text").splitlines())


def experiment(**fixed: Any) -> Experiment:
    """The experiment that the shared controls describe, with some fields fixed by the page."""
    shared = {key: setting(key) for key in SHARED if key != "cells"}
    # another input reads no text, so that a bad one is no problem
    shared["text"] = sentence() if shared["input"] == "text" else DEFAULTS.text
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
