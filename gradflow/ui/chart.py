"""How every figure gets onto a page: with a text alternative, fixed keys, and larger in presenter size."""

import plotly.graph_objects as go
import streamlit as st

from gradflow.figures.theme import CONFIG, enlarged
from gradflow.ui.frame import presenting

PRESENTER_SCALE = 1.3


def draw(figure: go.Figure, key: str, alt: str, presenter_scale: float = PRESENTER_SCALE) -> None:
    """Shows a figure; `alt` states its finding in a sentence, `key` names its file too."""
    as_image = {
        **CONFIG["toImageButtonOptions"],
        "filename": f"gradflow-{key}",
        "format": st.session_state.get("figure_format", "SVG").lower(),
    }
    if presenting():
        figure = enlarged(figure, presenter_scale)
    st.plotly_chart(figure, key=key, theme=None, config={**CONFIG, "toImageButtonOptions": as_image}, alt=alt)
