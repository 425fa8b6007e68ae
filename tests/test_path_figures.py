"""The pictures and the words of a cell's paths."""

from dataclasses import replace

import numpy as np
import pytest

import gradflow as gf
from gradflow.cells.cell import HIGHWAY
from gradflow.figures import gate_map, path_routes, path_steps
from gradflow.figures.cell_paths import step_looks
from gradflow.figures.theme import CELL_COLOURS
from gradflow.path_findings import headline, routes_words, steps_words
from gradflow.path_summary import summarise_paths

EXP = gf.Experiment(cell="gru", input="noise", batch=1, length=60, hidden=8)


def drawn(figure):
    return {trace.name: trace for trace in figure.data if trace.name}


def test_few_points_are_marked():
    s = summarise_paths(gf.Experiment(cell="lstm", length=1, hidden=8))
    routes, steps = path_routes(s), path_steps(s)
    assert {trace.mode for trace in (*routes.data, *steps.data)} == {"lines+markers"}
    alone = drawn(routes)["highway alone, ∏f"]
    assert np.isfinite(np.asarray(alone.y, float)).sum() == 1
    assert {trace.mode for trace in path_steps(summarise_paths(replace(EXP, cell="lstm"))).data} == {"lines"}


def test_where_no_path_leads_words_say_so():
    s = summarise_paths(EXP)
    nothing = replace(s.by_step, log10_norm=np.full_like(s.by_step.log10_norm, -np.inf))
    assert [note.text for note in path_steps(replace(s, by_step=nothing)).layout.annotations] == [
        "exactly nothing arrives"
    ]
    assert not path_steps(s).layout.annotations


def test_a_gate_without_a_name_or_a_look_is_drawn():
    s = summarise_paths(EXP)
    minimal = replace(s.by_step, parts=tuple({"r": "u", "z": "v"}.get(part, part) for part in s.by_step.parts))
    figure = drawn(path_steps(replace(s, by_step=minimal)))
    assert set(figure) == {"gate u", "gate v", "candidate n", f"highway {s.gate}"}
    assert len({(trace.line.color, trace.line.dash) for trace in figure.values()}) == 4
    assert {trace.line.color for trace in figure.values()} & set(CELL_COLOURS.values()) == set()
    assert set(step_looks((*"abcdefg", HIGHWAY))) == {*"abcdefg", HIGHWAY}  # more than there are looks


def test_the_histogram_of_the_gate_names_its_axes():
    layout = gate_map(summarise_paths(EXP)).layout
    assert (layout.yaxis2.title.text, layout.xaxis2.title.text) == ("value of z", "of all z")


@pytest.mark.parametrize(("kept", "labelled"), [(np.linspace(0.0, 1.0, 2000), "5%"), (np.full(9, 0.7), "100%")])
def test_the_histogram_s_shares_have_two_ticks_apart(kept, labelled):
    s = summarise_paths(EXP)
    axis = gate_map(replace(s, kept=kept[:, None], kept_other=None)).layout.xaxis2
    assert list(axis.ticktext) == ["0", labelled]
    assert axis.tickvals[1] > 0.4 * axis.range[1]


@pytest.mark.parametrize("name", ["lstm", "gru", "peephole"])
def test_the_words_speak_of_what_the_cell_has(name):
    s = summarise_paths(gf.Experiment(cell=name, length=12, hidden=8), lag=11)
    assert ("trained weights" in routes_words(s)) == (name != "peephole")
    assert ("or c through a peephole" in steps_words(s)) == (name == "peephole")
    assert "after 1 step ∏" in headline(s)
