"""The door: page settings, navigation and the frame around the lessons. Run with `streamlit run app.py`."""

import os

# before NumPy is first imported: sweeps already use every core, and BLAS threads of many sessions fight over them
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import streamlit as st

from gradflow.ui import ICON
from gradflow.ui.frame import frame
from gradflow.ui.lessons import LESSONS
from gradflow.ui.link import asked_lesson, first_run

# it holds for the session; said at every run, it would have the browser go through the whole page once more
if first_run():
    st.set_page_config(page_title="gradflow", page_icon=str(ICON), layout="wide")

lessons = {
    st.Page(lesson.path, title=lesson.title, url_path=lesson.url, default=not lesson.url): lesson for lesson in LESSONS
}
page = st.navigation(list(lessons), position="top")
asked, settings = asked_lesson({lesson.url: page for page, lesson in lessons.items()})
if asked:
    st.switch_page(asked, query_params=settings)
frame(lessons[page])
page.run()
