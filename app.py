"""The door: page settings and the list of lessons. Run with `streamlit run app.py`."""

import streamlit as st

from gradflow.ui import ICON

st.set_page_config(page_title="gradflow", page_icon=str(ICON), layout="wide")

st.navigation([st.Page("pages/lessons/gradient_flow.py", title="Gradient flow", default=True)]).run()
