"""The frame around every lesson: what a page opens on, its controls in view and hidden, presenter size."""

import functools
import json

import plotly.graph_objects as go
import pytest
from visit import FRAME, KINDS, PAGES, SMALL, Visit, said

from gradflow.ui.frame import SHARED
from gradflow.ui.lessons import LESSONS

IN_VIEW = 6


@functools.cache
def opened(name):
    """A page with its defaults, for those who only read it."""
    return Visit(name)


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


@pytest.mark.parametrize("name", PAGES)
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


@pytest.mark.parametrize("name", PAGES)
def test_plotly_can_tell_that_a_figure_handed_over_twice_is_the_same(name):
    """Streamlit does so; each of these would make the browser draw it twice, half as fast again for everybody."""
    for figure in opened(name).figures:
        assert figure["layout"]["datarevision"] == 1
        assert "template" not in figure["layout"]
        lines = [trace.get(axis) for trace in figure["data"] for axis in "xy"]
        assert not [values for values in lines if isinstance(values, dict)]
        if figure["layout"]["yaxis"].get("scaleanchor") == "x":  # else Plotly widens the range
            assert figure["layout"]["xaxis"]["constrain"] == "domain"


@pytest.mark.parametrize("name", PAGES)
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
