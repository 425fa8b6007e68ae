"""What every page gives away: a link to exactly this state, the data, the figures and the Python that makes it."""

from collections.abc import Callable
from dataclasses import fields
from urllib.parse import urlencode

import streamlit as st

from gradflow.experiment import Experiment
from gradflow.ui.controls import IN_SIGHT
from gradflow.ui.frame import hidden_names, page_url, presenting
from gradflow.ui.link import LESSON


def experiment_code(exp: Experiment, *without: str) -> str:
    """The Python that makes this experiment; only what differs from the defaults is written out."""
    given = {
        f.name: getattr(exp, f.name) for f in fields(exp) if f.name not in without and getattr(exp, f.name) != f.default
    }
    arguments = "".join(f"    {name}={value!r},\n" for name, value in given.items())
    return f"exp = gf.Experiment(\n{arguments})\n" if given else "exp = gf.Experiment()\n"


def link(**more: str) -> str:
    """The address that restores exactly this page, with more in it where that is given."""
    url = page_url()
    held = {name: st.query_params.get_all(name) for name in st.query_params}
    query = urlencode({**({LESSON: url} if url else {}), **held, **{k: v for k, v in more.items() if v}}, doseq=True)
    door = str(st.context.url).removesuffix(url)
    return f"{door}?{query}" if query else door


def share(csv: Callable[[], bytes], python: str, name: str) -> None:
    """The link, the data, the figures' format and the Python in one row.

    csv is called only when the reader asks for the file `name`.csv; python is a program that prints the page's numbers.
    """
    unknown = [name for name in hidden_names() if name not in {*IN_SIGHT.get(), "sidebar"}]
    if unknown:
        st.warning(
            f"The link hides {', '.join(unknown)}, but there is no such control here.", icon=":material/link_off:"
        )
    with st.container(horizontal=True):
        with st.popover("Copy link", icon=":material/link:"):
            st.caption("Opens exactly this state, seed included.")
            labels = IN_SIGHT.get()
            hidden = st.multiselect(
                "Hide in the link",
                tuple(labels),
                format_func=labels.__getitem__,
                key="link_hides",
                placeholder="no control",
            )
            size = st.toggle("Presenter size: larger type, no sidebar", key="link_presents")
            st.code(link(hide=",".join(hidden), present="1" * size), language=None, wrap_lines=True)
        st.download_button("Data as CSV", csv, f"{name}.csv", "text/csv", on_click="ignore", icon=":material/download:")
        with st.popover("Figure", icon=":material/image:"):
            st.segmented_control(
                "The camera in a figure's toolbar saves it as",
                ("SVG", "PNG"),
                default="SVG",
                required=True,
                key="figure_format",
            )
        with st.popover("Python that makes this", icon=":material/code:", key="python", on_change="rerun") as shown:
            if shown.open:
                st.code(python)
        if presenting():
            st.button("Leave presenter size", on_click=leave_presenter_size)


def leave_presenter_size() -> None:
    st.session_state["present"] = ""
