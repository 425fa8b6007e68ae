"""What only a browser shows: the link, the keyboard, the size of things, colours, and that nobody else is asked."""

import csv
from urllib.parse import parse_qs, quote, urlsplit

import numpy as np
import pytest
from tab import LAPTOP, Tab

from gradflow.experiment import KNOBS

CONTROLS = set(KNOBS) - {"cell", "batch"} | {"cells", "quantity", "derivative"}
RADIUS = KNOBS["spectral_radius"].label


def test_a_link_sets_what_it_says(server, visit):
    tab = visit(f"{server}/?spectral_radius=1.5&cells=RNN&activation=sigmoid", new=True).settled()
    assert list(tab.curves) == ["RNN"]
    assert tab.slider(RADIUS).input_value() == "1.5"
    assert tab.page.get_by_role("radio", name="sigmoid").get_attribute("aria-checked") == "true"
    assert tab.chosen("cells") == ["RNN"]
    assert tab.query == {"spectral_radius": ["1.5"], "cells": ["RNN"], "activation": ["sigmoid"]}
    assert tab.heading.startswith("RNN")


def test_a_slider_moved_with_the_keyboard_moves_everything_and_the_link_brings_it_back(server, visit):
    tab = visit(server).settled()
    before, heading, curves = tab.raw, tab.heading, tab.curves
    slider = tab.slider(RADIUS)
    slider.focus()
    for _ in range(5):
        tab.page.keyboard.press("ArrowRight")
    tab.page.wait_for_function("() => new URLSearchParams(location.search).get('spectral_radius') === '1.05'")
    tab.wait_for_other_curves(before)
    tab.page.wait_for_function("before => document.querySelector('h2').innerText !== before", arg=heading)
    assert slider.input_value() == "1.05"
    assert tab.query == {"spectral_radius": ["1.05"]}
    moved = tab.curves
    assert all(moved[name] != curves[name] for name in ("RNN", "LSTM", "GRU"))
    again = visit(tab.page.url, new=True).settled()
    assert again.curves == moved
    assert again.heading == tab.heading
    assert again.slider(RADIUS).input_value() == "1.05"


def test_a_preset_moves_every_control_and_is_in_the_link(server, visit):
    tab = visit(f"{server}/?length=60&cells=RNN&cells=LSTM&seed=5&derivative=direct").settled()
    before = tab.raw
    button = tab.page.get_by_role("button", name="LSTM's rescue")
    button.focus()
    tab.page.keyboard.press("Enter")
    tab.page.wait_for_function("() => new URLSearchParams(location.search).get('forget_bias') === '4'")
    tab.wait_for_other_curves(before)
    tab.page.get_by_role("heading", name="LSTM keeps the gradient within a factor of 100").wait_for()
    assert tab.chosen("cells") == ["RNN", "LSTM"]  # the visitor's own
    assert tab.slider(KNOBS["length"].label).input_value() == "60"
    assert set(tab.query) == {"forget_bias", "quantity", "length", "cells", "seed"}


def test_the_gradients_are_checked_in_the_page(server, visit):
    tab = visit(f"{server}/?cells=LSTM&length=40").settled()
    tab.page.get_by_role("button", name="Check these gradients").click()
    tab.page.get_by_text("the largest disagreement is").wait_for()
    assert "complex steps" in tab.text


def test_a_new_sentence_is_on_the_page_and_in_the_link(server, visit):
    tab = visit(server).settled()
    before = tab.raw
    for sentence in (
        "Gradients fade.",
        "</i><img src=\"x\" onerror='alert(1)'> & <b>bold</b>",
        "기울기가 사라진다 👍🏽",
    ):
        tab.type("text", sentence)
        tab.page.wait_for_function(
            "want => [...document.querySelectorAll('.strip .row:first-child i')].map(i => i.textContent).join('') === want",
            arg=sentence,
        )
        tab.wait_for_other_curves(before)
        before = tab.raw
        assert tab.query["text"] == [sentence]
        assert tab.page.locator(".strip img, .strip b, .strip script").count() == 0
        assert tab.strip_attributes <= {"style", "title", "class"}
    tab.type("text", "   ")
    tab.page.locator("[data-testid=stAlert]").wait_for()
    assert "5,000" in tab.page.locator("[data-testid=stAlert]").inner_text()
    tab.type("text", "Fine again.")
    tab.page.wait_for_function(
        "() => document.querySelector('.strip')?.innerText.replace(/\\s/g, '').includes('Fineagain.')"
    )
    tab.settled()


def test_the_link_the_data_and_the_python_are_the_page_s(server, visit, tmp_path):
    tab = visit(f"{server}/?seed=4&length=40&text={quote('one, two & three')}").settled()
    page = tab.page
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV").click()
    download.value.save_as(tmp_path / "data.csv")
    with (tmp_path / "data.csv").open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    for name, curve in tab.curves.items():
        saved = [float(row["log10_median"]) for row in rows if row["cell"].upper() == name]
        np.testing.assert_array_equal(saved, curve)
    assert "".join(row["input"] for row in rows if row["cell"] == "rnn") == "one, two & three"
    page.get_by_role("button", name="Link").click()
    link = page.locator("[data-testid=stPopoverBody] code").inner_text()
    assert urlsplit(link).netloc == urlsplit(tab.page.url).netloc
    assert parse_qs(urlsplit(link).query) == tab.query


def test_every_control_is_reached_with_the_tab_key(server, visit):
    tab = visit(server).settled()
    more = tab.page.get_by_text("More", exact=True).first
    more.focus()
    tab.page.locator("[data-testid=stSidebar] summary").first.focus()
    tab.page.keyboard.press("Enter")
    tab.page.get_by_text(KNOBS["gru_update"].label, exact=False).first.wait_for()
    tab.page.evaluate("() => { document.activeElement.blur(); window.getSelection().removeAllRanges() }")
    reached = set()
    for _ in range(150):
        tab.page.keyboard.press("Tab")
        reached |= set(tab.focused())
        if reached >= CONTROLS | {"CSV", "Copy", "Python"}:
            break
    assert CONTROLS - reached == set()
    assert {"CSV", "Copy", "Python"} <= reached


# tests/pages has hundreds more; these are for what only a browser does with a link
HOSTILE = [
    "spectral_radius=NaN&forget_bias=1e999&input_scale=-Infinity&length=0&hidden=-1&seed=-1",
    "activation=%3Cscript%3Ealert(1)%3C/script%3E&text=%22%3E%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E",
    "text=" + quote("<script>alert(1)</script> 한국어 👨‍👩‍👧‍👦 \u202eabc\u0000\u0007"),
    "unknown=1&__proto__=2&constructor=3&embed=no&%00=%ff&=&&&==%",
]


@pytest.fixture(scope="module")
def traveller(returning):
    """One tab that follows one link after the other."""
    tab = Tab(returning, LAPTOP)
    yield tab
    tab.page.close()


@pytest.mark.parametrize("query", HOSTILE, ids=[query[:40] for query in HOSTILE])
def test_a_hostile_link_opens_a_page(server, traveller, query):
    tab = traveller
    tab.problems.clear()
    tab.open(f"{server}/?{query}").idle()
    tab.slider(RADIUS).wait_for(state="attached")
    if tab.page.locator("[data-testid=stPlotlyChart]").count():
        tab.settled()
        assert tab.curves
    assert tab.heading
    assert tab.page.locator("[data-testid=stException], [data-testid=stAppViewContainer] script").count() == 0


def test_a_page_that_starts_again_without_a_bad_value_is_as_wide_as_any(server, visit):
    """The page settings go out once a session, and what goes out before a restart is lost."""
    width = None
    for query in ("", "&spectral_radius=high&hidden=none"):
        tab = visit(f"{server}/?cells=RNN&length=20{query}").settled()
        seen = tab.page.locator(".js-plotly-plot").first.bounding_box()["width"]
        width = width or seen
        assert seen == width, query
        assert tab.page.title() == "gradflow"
    assert "Traceback" not in tab.text
    assert not tab.problems, "\n".join(tab.problems)
