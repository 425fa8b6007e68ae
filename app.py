"""The door: page settings and the list of lessons. Run with `streamlit run app.py`."""

import os

# before NumPy is first imported: sweeps already use every core, and BLAS threads of many sessions fight over them
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import streamlit as st

from gradflow.ui import ICON

st.set_page_config(page_title="gradflow", page_icon=str(ICON), layout="wide")

st.navigation([st.Page("pages/lessons/gradient_flow.py", title="Gradient flow", default=True)]).run()
