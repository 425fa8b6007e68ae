"""What a link may hold: good values without a word, bad ones named and replaced, hostile ones inert."""

import random

import pytest
from visit import COSTLY, FRAME, PAGES, SMALL, Visit, said

from gradflow.ui.frame import SHARED

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
