"""One visitor's session: set controls by field name, read back what is drawn and written."""

import json
import subprocess
import sys
from functools import cache, cached_property
from html.parser import HTMLParser
from pathlib import Path
from unittest.mock import patch

import streamlit as st
from charts import bands, curves
from streamlit.components.v2 import manifest_scanner
from streamlit.runtime.scriptrunner.script_cache import ScriptCache
from streamlit.testing.v1 import AppTest, app_test, local_script_runner
from streamlit.util import calc_hash

import gradflow as gf
from gradflow.experiment import KNOBS
from gradflow.ui.lessons import LESSONS

PAGES = {Path(lesson.path).stem: lesson for lesson in LESSONS}
APP = Path(__file__).parents[2] / "app.py"
FRAME = {"present", "hide", "link_hides", "link_presents", "figure_format"}  # the frame's own, on every page
KINDS = ("slider", "number_input", "selectbox", "button_group", "toggle", "text_input")
SEEDS = 20
COSTLY = {"length": 12, "hidden": 4}  # the extremes have tests of their own
SMALL = {key: str(value) for key, value in COSTLY.items()}

# for every session AppTest reads the metadata of all installed packages, which takes longer than the page
manifest_scanner.scan_component_manifests = cache(manifest_scanner.scan_component_manifests)
# and for every run it compiles the app and the page anew
app_test.ScriptCache = local_script_runner.ScriptCache = cache(ScriptCache)


def said(visit):
    """All that the page warns of."""
    return " ".join(warning.value for warning in visit.app.warning)


def extremes(control, **own):
    """The least and the greatest value of a control, or all its choices; `own` holds those of controls that are no knob."""
    if control.key in own:
        return own[control.key]
    if control.type in ("slider", "number_input"):
        return [type(control.value)(control.min), type(control.value)(control.max)]
    return {"toggle": [True, False], "text_input": ["x", "y" * 5000]}.get(control.type) or KNOBS[control.key].choices


class Visit:
    """A session on a page of pages/lessons; `set` changes controls and reruns it, failing on any exception.

    Controls that are there are changed together, those that only they bring on after them.
    """

    def __init__(self, page="gradient_flow", **query):
        self.app = AppTest.from_file(str(APP), default_timeout=120)
        for key, value in query.items():
            self.app.query_params[key] = value
        self.app._page_hash = calc_hash(
            PAGES[page].url
        )  # a deep link; `switch_page` knows only what a run has registered
        self.run()

    def run(self):
        with patch.object(st, "download_button", wraps=st.download_button) as offered:
            self.app.run()
        self.offered = offered.call_args
        for read in ("controls", "figures"):
            self.__dict__.pop(read, None)
        assert not self.app.exception, self.app.exception[0].message
        assert not self.app.error

    @cached_property
    def controls(self):
        return {widget.key: widget for kind in KINDS for widget in self.app.get(kind) if widget.key not in FRAME}

    @property
    def settings(self):
        return {key: widget.value for key, widget in self.controls.items()}

    def set(self, **settings):
        while settings:
            there = [key for key in settings if key in self.controls]
            assert there, settings
            for key in there:
                self.controls[key].set_value(settings.pop(key))
            self.run()
        return self

    @property
    def heading(self):
        return self.app.header[0].value

    @property
    def warning(self):
        """The one sentence that says what is wrong, or None."""
        assert len(self.app.warning) <= 1
        return self.app.warning[0].value if self.app.warning else None

    @property
    def words(self):
        return " ".join(text.value for text in self.app.markdown)

    @cached_property
    def figures(self):
        return [json.loads(chart.proto.spec) for chart in self.app.get("plotly_chart")]

    @property
    def curves(self):
        """Cell → log10 of the median of the derivative that is chosen, as drawn."""
        return {name: y for name, (_, y) in curves(self.figures[0]["data"]).items() if not name.endswith(", total")}

    @property
    def bands(self):
        return bands(self.figures[0]["data"])

    def html(self, marker):
        """The body of the one piece of HTML with this class."""
        (body,) = (e.proto.body for e in self.app.get("html") if f'class="{marker}"' in e.proto.body)
        return body

    @property
    def cards(self):
        """Each cell's card as text."""
        return [text for text in Markup(self.html("cards")).outline if text]

    @property
    def strip(self):
        """Each cell's row of characters as text."""
        return Markup(self.html("strip"))

    @property
    def python(self):
        """The program under "Python that makes this", which is written when that is opened."""
        self.app.session_state["python"] = True
        self.run()
        (code,) = (c.value for c in self.app.code if "import gradflow" in c.value)
        return code

    def printed(self, folder):
        """What that program prints where it is pasted into an empty folder, as words, line by line."""
        (folder / "pasted.py").write_text(self.python, encoding="utf-8")
        done = subprocess.run(
            [sys.executable, "-W", "error", "pasted.py"],
            cwd=folder,
            env={
                "PYTHONPATH": str(APP.parent),
                "PATH": "/usr/bin:/bin",
                "PYTHONUTF8": "1",
                "OPENBLAS_NUM_THREADS": "1",
            },
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return [line.split() for line in done.stdout.splitlines()]

    @property
    def csv(self):
        """The bytes that the download button hands over when it is clicked."""
        return self.offered.args[1]()

    @property
    def experiment(self):
        """What the library is asked for, from the controls' values alone."""
        knobs = {field: value for field, value in self.settings.items() if field in KNOBS}
        if "text" in knobs:
            knobs["text"] = " ".join(knobs["text"].splitlines())  # the page reads one sentence
        return gf.Experiment(**{**knobs, "batch": 1})

    @property
    def summaries(self):
        """The library's own numbers for the controls' values."""
        seed = self.settings["seed"]
        return summarised(
            self.experiment, tuple(self.settings["cells"]), range(seed, seed + SEEDS), self.settings["quantity"]
        )


summarised = cache(gf.summarise)


class Markup(HTMLParser):
    """HTML taken apart: the tags it has, the text of every child of the outermost element, the text of every <i>."""

    VOID = ("img", "br", "hr", "input", "meta", "link", "source")

    def __init__(self, html):
        super().__init__()
        self.tags, self.attributes, self.outline, self.italics, self.depth = set(), set(), [], [], []
        self.feed(html)
        self.close()
        assert not self.depth, f"unclosed: {self.depth}"

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag in self.VOID:
            return
        self.depth.append(tag)
        if len(self.depth) == 2:
            self.outline.append("")
        if tag == "i":
            self.italics.append("")

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.depth.pop() == tag

    def handle_data(self, data):
        if len(self.depth) > 1:
            self.outline[-1] += data
        if self.depth and self.depth[-1] == "i":
            self.italics[-1] += data
