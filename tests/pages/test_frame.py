"""The frame around every lesson: links good and bad, hidden controls, presenter size, one computation for a whole class."""

import functools
import json
import random
from pathlib import Path
from threading import Barrier, Thread

import plotly.graph_objects as go
import pytest
from visit import FRAME, KINDS, URLS, Visit

from gradflow.summary import summarise
from gradflow.ui import cache
from gradflow.ui.frame import SHARED
from gradflow.ui.lessons import LESSONS

PAGES = {Path(lesson.path).stem: lesson for lesson in LESSONS}
IN_VIEW = 6
COSTLY = {"length": 12, "hidden": 4}  # the extremes have tests of their own
SMALL = {key: str(value) for key, value in COSTLY.items()}


@functools.cache
def opened(name):
    """A page with its defaults, for those who only read it."""
    return Visit(name)


def said(visit):
    return " ".join(warning.value for warning in visit.app.warning)


def styles(visit):
    return " ".join(e.proto.body for e in visit.app.get("html") if "<style>" in e.proto.body)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_opens_on_a_finished_picture(name):
    page = Visit(name)
    assert len(page.heading) > 20
    assert not page.app.warning
    charts = page.app.get("plotly_chart")
    assert 1 <= len(charts) <= 4
    assert all(len(chart.proto.alt) > 20 for chart in charts)
    assert page.python
    assert page.csv.count(b"\n") > 10
    page.app.session_state["equations"] = True
    page.run()
    assert any(code.value.startswith(("def ", "@", "class ")) for code in page.app.code)


@pytest.mark.parametrize("name", URLS)
def test_a_figure_that_plotly_has_not_read_is_as_one_that_it_has(name):
    for figure in opened(name).figures:
        parts = {"data": [{"type": "scatter", **trace} for trace in figure["data"]], "layout": figure["layout"]}
        checked = go.Figure(parts)
        checked.layout.template = None
        assert telling(json.loads(checked.to_json())) == telling(parts)


def telling(part):
    """Without what says nothing."""
    if isinstance(part, dict):
        return {name: telling(value) for name, value in part.items() if value not in (None, [])}
    return [telling(value) for value in part] if isinstance(part, list) else part


@pytest.mark.parametrize("name", URLS)
def test_plotly_can_tell_that_a_figure_handed_over_twice_is_the_same(name):
    """Streamlit does so; each of these would make the browser draw it twice, half as fast again for everybody."""
    for figure in opened(name).figures:
        assert figure["layout"]["datarevision"] == 1
        assert "template" not in figure["layout"]
        lines = [trace.get(axis) for trace in figure["data"] for axis in "xy"]
        assert not [values for values in lines if isinstance(values, dict)]
        if figure["layout"]["yaxis"].get("scaleanchor") == "x":  # else Plotly widens the range
            assert figure["layout"]["xaxis"]["constrain"] == "domain"


@pytest.mark.parametrize("name", URLS)
def test_an_axis_of_words_says_that_it_is_one(name):
    for figure in opened(name).figures:
        for trace in figure["data"]:
            for axis in ("x", "y"):
                values = trace.get(axis)
                if isinstance(values, list) and any(isinstance(value, str) for value in values):
                    ours = trace.get(f"{axis}axis", axis)
                    assert figure["layout"][ours.replace(axis, f"{axis}axis", 1)]["type"] == "category"


def test_every_lesson_has_its_own_address_and_known_controls():
    assert len({lesson.url for lesson in LESSONS}) == len({lesson.title for lesson in LESSONS}) == len(LESSONS)
    for lesson in LESSONS:
        assert set(lesson.controls) | set(lesson.more) <= set(SHARED)
        assert not set(lesson.controls) & set(lesson.more)


@pytest.mark.parametrize("name", PAGES)
def test_at_most_six_controls_are_in_view(name):
    page, lesson = opened(name), PAGES[name]
    sidebar = page.app.sidebar
    under_more = {w.key for e in sidebar.expander for kind in KINDS for w in e.get(kind)}
    own = {w.key for kind in KINDS for w in sidebar.get(kind)} - set(SHARED) - under_more - FRAME
    assert len(own | set(lesson.controls) - {"text"}) <= IN_VIEW
    for key in set(SHARED) - set(lesson.controls) - set(lesson.more):
        assert f".st-key-{key} {{ display: none; }}" in styles(page)
    for key in lesson.more:
        assert f":not(:has(.st-key-more details[open])) .st-key-{key} {{ display: none; }}" in styles(page)


def test_every_control_can_be_hidden_by_its_name():
    for name in PAGES:
        controls = set(Visit(name, **SMALL).controls)
        assert not said(Visit(name, **SMALL, hide=",".join(controls & {*PAGES[name].controls, *PAGES[name].more})))
        own = controls - set(SHARED)
        hiding = Visit(name, **SMALL, hide=",".join(own))
        assert not said(hiding)
        assert all(f".st-key-{key} {{ display: none; }}" in styles(hiding) for key in own)


def test_a_page_s_sliders_end_where_it_is_still_quick():
    controls = Visit(**SMALL).controls
    assert {key: controls[key].max for key in ("length", "hidden", "seed")} == {
        "length": 300,
        "hidden": 128,
        "seed": 99,
    }


def test_a_length_beyond_the_sentence_s_is_said():
    said = "The sentence has 3 characters, so T is no longer"
    for settings, there in (
        ({"text": "Ab.", "length": "4"}, True),
        ({"text": "Ab.", "length": "3"}, False),
        ({"text": "Ab.", "length": "4", "input": "Noise"}, False),
    ):
        page = Visit("paths", **SMALL | settings)
        assert any(caption.value.startswith(said) for caption in page.app.caption) == there


BAD = {
    "spectral_radius": ("77", "-1", "nan", "inf", "", "one", "1e999", "0x1"),
    "length": ("0", "301", "7.5", "many", "-3", "1e9", "٣x"),
    "cells": ("foo", "rnn", "RNN,LSTM"),
    "activation": ("softplus", "TANH", ""),
    "chrono": ("2", "yes", ""),
    "text": ("", "   ", "x" * 5001),
    "sequence_type": ("many", "<script>alert(1)</script>"),
}


@pytest.mark.parametrize(("key", "raw"), [(key, raw) for key, values in BAD.items() for raw in values])
def test_a_link_s_bad_value_is_named_and_replaced_by_the_default(key, raw):
    page = Visit(seed="3", **{key: raw})
    default, k = SHARED[key]
    assert page.settings["seed"] == 3
    assert page.settings[key] in (default, list(default) if isinstance(default, tuple) else default)
    assert said(page).startswith(k.label)
    assert "in the link must " in said(page)
    assert "the default is used" in said(page)
    assert len(said(page)) < 250
    assert page.figures
    page.run()
    assert not said(page)  # told once


@pytest.mark.parametrize(
    "query",
    [
        {"spectral_radius": "1.234"},
        {"length": "7"},
        {"cells": ["RNN", "GRU"]},
        {"activation": "ReLU"},
        {"chrono": "TRUE"},
    ],
    ids=str,
)
def test_a_link_s_good_value_is_taken_without_a_word(query):
    page = Visit(**query)
    ((key, raw),) = query.items()
    want = {"1.234": 1.234, "7": 7, "ReLU": "relu", "TRUE": True}.get(str(raw), ["rnn", "gru"])
    assert page.settings[key] == want
    assert not said(page)


def test_several_bad_values_are_all_named_and_the_good_ones_kept():
    page = Visit(spectral_radius="99", length="x", seed="5", forget_bias="2")
    assert SHARED["spectral_radius"][1].label in said(page)
    assert SHARED["length"][1].label in said(page)
    assert (page.settings["seed"], page.settings["forget_bias"]) == (5, 2.0)


@pytest.mark.parametrize("raw", ["![x](https://example.com/x.png)", "`</code><img src=x>`", "a\nb\x00\u202e"])
def test_a_bad_value_is_quoted_as_inert_code(raw):
    text = said(Visit(activation=raw))
    before, quoted, after = text.split("`")
    assert before.endswith("got ")
    assert after.startswith(": the default")
    assert quoted.isprintable()


def test_a_link_may_hide_controls():
    page = Visit(hide="seed,length")
    hidden = ("seed", "length", "length_note")
    assert " ".join(f".st-key-{key} {{ display: none; }}" for key in hidden) in styles(page)
    assert not said(page)
    assert "stSidebar" in styles(Visit(hide="sidebar"))
    assert page.settings["seed"] == 0  # hidden, not gone


def test_hiding_what_does_not_exist_is_said_and_no_style_can_be_smuggled_in():
    page = Visit(hide="seed,sede,} body{background:url(https://example.com)")
    assert "sede" in said(page)
    assert "url(" not in styles(page).split(".st-key-seed")[1]


def test_presenter_size_is_in_the_link_and_can_be_left():
    page = Visit(present="1")
    assert "font-size: 21px" in styles(page)
    sizes = [figure["layout"]["font"]["size"] for figure in page.figures]
    assert min(sizes) > max(figure["layout"]["font"]["size"] for figure in Visit().figures)
    (leave,) = (b for b in page.app.button if b.label == "Leave presenter size")
    leave.click()
    page.run()
    assert "font-size: 21px" not in styles(page)


@pytest.mark.parametrize("off", ["0", "false", ""])
def test_presenter_size_can_be_off_in_a_link(off):
    assert "font-size: 21px" not in styles(Visit(present=off))


@pytest.fixture
def counted():
    """A cached computation that counts how often it is really done."""
    calls = []

    def compute(exp, cells, seeds, quantity):
        calls.append(exp)
        return summarise(exp, cells, seeds, quantity)

    cached = cache.shared(compute)
    cached.clear()
    yield cached, calls
    cached.clear()


def test_a_class_of_40_that_opens_one_link_computes_once(counted):
    cached, calls = counted
    exp = Visit().experiment
    together, results = Barrier(40), []

    def student():
        together.wait()
        results.append(cached(exp, ("rnn", "lstm", "gru"), tuple(range(20)), "dL/dh"))

    class_of_40 = [Thread(target=student) for _ in range(40)]
    for thread in class_of_40:
        thread.start()
    for thread in class_of_40:
        thread.join()
    assert len(calls) == 1
    assert len(results) == 40
    assert all((r["rnn"].middle == results[0]["rnn"].middle).all() for r in results)


def test_what_is_shared_is_bounded(counted):
    cached, calls = counted
    exp = Visit(length="2").experiment
    for seed in range(140):
        cached(exp, ("rnn",), (seed,), "dL/dh")
    cached(exp, ("rnn",), (139,), "dL/dh")
    assert len(calls) == 140
    cached(exp, ("rnn",), (0,), "dL/dh")
    assert len(calls) == 141  # the oldest has been given up


HOSTILE = (
    "<script>alert(1)</script>",
    "-99999999999999999999",
    "1e999",
    "NaN",
    "한국어 👨‍👩‍👧‍👦",
    "../../etc/passwd",
    "{{7*7}}",
    "' OR 1=1 --",
    "\u202eabc\x00",
    "[](javascript:alert(1))",
    "x" * 6000,
)


def good_value(widget, rng):
    """What a link may hold for this control, and what the control then has."""
    if widget.type == "slider":
        high = COSTLY.get(widget.key, widget.max)
        value = type(widget.value)(widget.min + round(rng.random() * (high - widget.min) / widget.step) * widget.step)
        value = round(value, 6)
        return str(value), value
    if widget.type == "toggle":
        value = rng.random() < 0.5
        return str(value).lower(), value
    if widget.type == "text_input":
        return "Gradients fade.", "Gradients fade."
    words = list(getattr(widget, "options", None) or [])
    if widget.type == "button_group":
        words = [option.content for option in widget.proto.options]
    chosen = rng.choice(words)
    return chosen, None


def asked_by_links(controls, rng):
    """For each link which controls it sets, and whether to something hostile: every control to both in its turn."""
    first = {key: rng.random() < 0.4 for key in controls}
    while True:
        for hostile in (first, {key: not bad for key, bad in first.items()}):
            left = rng.sample(sorted(controls), len(controls))
            while left:
                count = rng.randint(1, 8)
                yield {key: hostile[key] for key in left[:count]}
                left = left[count:]


LINKS = dict.fromkeys(PAGES, 35) | {"spectral_radius": 20}  # the slow one


@pytest.mark.parametrize("name", PAGES)
def test_random_links_good_and_hostile(name):
    """300 in all: whatever a link holds, the page renders, names what is bad and does not execute it."""
    assert sum(LINKS.values()) == 300
    rng = random.Random(name)
    controls = {key: widget for key, widget in Visit(name, **SMALL).controls.items() if key not in FRAME}
    links, tried = asked_by_links(controls, rng), set()
    for _ in range(LINKS[name]):
        query, want, bad = dict(SMALL), {}, []
        for key, hostile in next(links).items():
            tried.add((key, hostile))
            if hostile:
                query[key] = rng.choice(HOSTILE)
                if controls[key].type != "text_input" or len(query[key]) > 5000:
                    bad.append(key)
            else:
                query[key], want[key] = good_value(controls[key], rng)
        if rng.random() < 0.2:
            query[rng.choice(HOSTILE[:8])] = rng.choice(HOSTILE)
        page = Visit(name, **query)
        assert page.heading, query
        text = said(page)
        for key in bad:
            label = (SHARED[key][1].label if key in SHARED else controls[key].label).split(" ")[0]
            assert label in text, (key, query)
        settings = page.settings
        for key, value in want.items():
            assert value is None or settings[key] == pytest.approx(value), (key, query)
        bodies = " ".join(e.proto.body for e in page.app.get("html"))
        assert "<script" not in bodies
        assert "javascript:" not in bodies.replace(text, "")
    assert len(tried) == 2 * len(controls)  # each once good, once hostile


@pytest.mark.parametrize(
    "query",
    [
        {"activation": "", "quantity": "", "input": "", "seed": ""},
        {"text": ["a", "b"], "seed": ["1", "2"], "cells": ["RNN", "RNN", "../../etc/passwd"]},
    ],
    ids=["nothing everywhere", "everything twice"],
)
def test_a_hostile_link_still_opens_on_the_defaults(query):
    page = Visit(**SMALL, **query)
    assert list(page.curves) == ["RNN", "LSTM", "GRU"]
    assert page.settings["seed"] == 0
    assert "link" in said(page)


def test_a_number_given_twice_is_told():
    page = Visit(length=["7", "5"])
    assert "Sequence length in the link must be given once, got `7, 5`" in said(page)
    assert page.settings["length"] == 100


@pytest.mark.parametrize("text", ["", "   ", "x" * 5001])
def test_a_text_that_is_none_is_told_in_a_whole_sentence(text):
    assert "Sentence in the link must have 1 to 5,000 characters, got" in said(Visit(text=text))


@pytest.mark.parametrize(
    ("name", "query", "words"),
    [
        ("paths", {"forget_bias": "-5", "seed": "2"}, "each step back −"),
        (
            "paths",
            {"path_cell": "GRU", "gru_update": "write", "update_bias": "4", "path_weights": "trained"},
            "weights: 1 − z is",
        ),
        ("activations", {"unit_activation": "tanh", "unit_weight": "-1", "unit_bias": "8"}, "its gradient keeps"),
        ("clipping", {"clip_start_w": "5.6", "clip_start_b": "-2.95", "clip_rate": "0.6"}, "−6.1·10⁻³"),
        ("forget_bias", {"gru_update": "write"}, "at b = 0,"),
        ("truncation", {"truncation_k2": "1"}, "passes of 1 step every 5"),
        ("gradient_flow", {"length": "1", "sequence_type": "many-to-many"}, "only the last is read"),
        ("gradient_flow", {"text": "Hello world"}, "The sentence is 11 steps long, so T is 11."),
        (
            "activations",
            {"unit_activation": "ReLU", "unit_weight": "-1", "unit_bias": "1"},
            "from 0 to 1 has a cycle of its own",
        ),
    ],
)
def test_what_once_went_wrong_is_said_right(name, query, words):
    page = Visit(name, **query)
    everything = " ".join([page.heading, page.words, *(s.value for s in page.app.subheader)])
    assert words in everything
    assert "-0" not in everything
