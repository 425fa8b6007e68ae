"""How wide the visitor's window is, which only the browser knows."""

import streamlit as st

from gradflow.ui.link import tell_again

WATCH = st.components.v2.component(
    "viewport",
    js="""
export default function ({ data, setStateValue }) {
    const narrow = window.matchMedia("(max-width: 640px)");
    const tell = () => setStateValue("narrow", narrow.matches);
    if (narrow.matches !== data) tell();
    narrow.addEventListener("change", tell);
    return () => narrow.removeEventListener("change", tell);
}
""",
)


def narrow() -> bool:
    """Whether the window is as narrow as a phone's; a page is drawn anew when that changes.

    To be asked before a page computes: meanwhile the browser makes room for the one who watches.
    """
    known = bool(st.session_state.get("viewport", {}).get("narrow", False))
    return bool(WATCH(key="viewport", data=known, default={"narrow": False}, on_narrow_change=tell_again).narrow)
