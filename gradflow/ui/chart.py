"""How every figure gets onto a page: with a text alternative, fixed keys, and larger in presenter size."""

import plotly.graph_objects as go
import plotly.io as pio
import streamlit as st

from gradflow.figures.theme import CONFIG, enlarged
from gradflow.ui.frame import presenting

PRESENTER_SCALE = 1.3

# Streamlit hands each figure to Plotly twice; it sees that nothing is new only without a template, and where we say so
pio.templates.default = None


def draw(figure: go.Figure, key: str, alt: str, presenter_scale: float = PRESENTER_SCALE) -> None:
    """Shows a figure; `alt` states its finding in a sentence, `key` names its file too."""
    as_image = {
        **CONFIG["toImageButtonOptions"],
        "filename": f"gradflow-{key}",
        "format": st.session_state.get("figure_format", "SVG").lower(),
    }
    if presenting():
        figure = enlarged(figure, presenter_scale)
    figure.layout.datarevision = 1
    st.plotly_chart(figure, key=key, theme=None, config={**CONFIG, "toImageButtonOptions": as_image}, alt=alt)
