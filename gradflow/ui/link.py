"""What a link may hold, and what is said where it holds something else.

Streamlit itself drops or clamps a bad value without a word. So a link's values are looked at before the control exists: a
bad one is taken out of the address, a sentence about it is kept, and the page starts again with the default.
"""

from collections.abc import Mapping
from typing import Any, TypeVar

import streamlit as st

from gradflow.experiment import Knob
from gradflow.sequences import check_text

LESSON = "lesson"  # in the link
CHECKED, REFUSED, TOLD = "checked_keys", "refused_values", "told_values"  # in the session's state

T = TypeVar("T")


def first_run() -> bool:
    """Whether the session has not shown a page yet; a page that starts again without a refused value has not."""
    return CHECKED not in st.session_state or bool(st.session_state.get(REFUSED))


def asked_lesson(pages: Mapping[str, T]) -> tuple[T | None, dict[str, list[str]]]:
    """The page that `?lesson=…` asks for, and the rest of the link; a session's first run alone heeds it.

    Such a link opens on any server. A page's own address does too, but where nobody has been before Streamlit first takes
    the folder pages/ for its older way to list pages, and tells that visitor that there is no such page.
    """
    names = st.query_params.get_all(LESSON)
    if not names or not first_run():
        return None, {}
    rest = {name: st.query_params.get_all(name) for name in st.query_params if name != LESSON}
    if names[-1] not in pages:
        known = ", ".join(name for name in pages if name)
        sentence = f"Lesson in the link must be one of {known}, got {quoted(names)}: the first one is shown."
        st.session_state[REFUSED] = [sentence]
    return pages.get(names[-1], pages[""]), rest


def refuse(key: str, default: Any, k: Knob, words: tuple[str, ...]) -> None:
    """Restarts the page without the link's value of this knob where that is not allowed; later values come from the control."""
    checked = st.session_state.setdefault(CHECKED, set())
    if key not in checked and key in st.query_params:
        values = st.query_params.get_all(key)
        allowed = wanted(values, default, k, words)
        if allowed:
            sentence = f"{k.label} in the link must {allowed}, got {quoted(values)}: the default is used."
            st.session_state[REFUSED] = [*st.session_state.get(REFUSED, []), *st.session_state.get(TOLD, []), sentence]
            del st.query_params[key]
            st.rerun()
    checked.add(key)


def wanted(values: list[str], default: Any, k: Knob, words: tuple[str, ...]) -> str:
    """What the knob allows, as it goes on after "must", where the link's values are not that; else nothing."""
    if isinstance(default, tuple):
        return "" if set(values) <= {*words, ""} else f"be some of {', '.join(words)}"
    if len(values) > 1:
        return "be given once"  # Streamlit takes neither
    (value,) = values
    if words:
        return "" if value in words else f"be one of {', '.join(words)}"
    if isinstance(default, bool):
        return "" if value.lower() in ("true", "false") else "be true or false"
    if isinstance(default, str):
        return not_a_text(value)
    whole = isinstance(default, int)
    return "" if is_number(value, k.low, k.high, whole) else f"be a {'whole ' * whole}number in [{k.low:g}, {k.high:g}]"


def is_number(text: str, low: float, high: float, whole: bool) -> bool:
    try:
        value = float(text)
    except ValueError:
        return False
    return low <= value <= high and (value.is_integer() or not whole)


def not_a_text(text: str) -> str:
    """What a text must be, where this one is not; the library's own words."""
    try:
        check_text(text)
    except ValueError as problem:
        return str(problem).removeprefix("text must ").partition(", got")[0]
    return ""


def quoted(values: list[str]) -> str:
    """A link's values as inert code in a sentence, cut to a readable length."""
    text = "".join(c for c in ", ".join(values) if c.isprintable() and c != "`")
    return f"`{text if len(text) <= 40 else text[:39] + '…'}`" if text else "nothing"


def tell_again() -> None:
    """Has the next run say once more what was wrong, where the page is drawn anew without the reader's doing."""
    st.session_state[REFUSED] = st.session_state.get(TOLD, [])


def show_refused() -> None:
    """What was wrong with the link that opened the page, once; a page that starts again tells it again."""
    st.session_state[TOLD] = st.session_state.pop(REFUSED, [])
    if st.session_state[TOLD]:
        st.warning("  \n".join(st.session_state[TOLD]), icon=":material/link_off:")
