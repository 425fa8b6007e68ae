"""The figures of the lesson on clipping, where the page's own tests do not reach: what leaves the picture, what is empty."""

import numpy as np
import pytest
from charts import decoded

import gradflow as gf
from gradflow.clipping_findings import cliff_title, cliff_words, clipped_words, race_title, race_words, steepest_title
from gradflow.figures import cliff_paths, clipped_runs, clipped_vector, race_curves
from gradflow.figures.theme import REFERENCE

NOTHING = gf.Learning(*np.empty((5, 0)), ended="the loss left float64's range at training step 1")


@pytest.mark.parametrize(("rate", "threshold"), [(0.5, 0.5), (0.05, 0.5), (1.0, 5.0)])
def test_a_path_that_leaves_is_told_where_it_goes(rate, threshold):
    by_kind = gf.descents(5.5, -2.0, rate, threshold)
    view = by_kind["none"].view
    figure = cliff_paths(gf.surface(view), by_kind)
    gone = [d for d in by_kind.values() if d.leaves is not None]
    assert [note.text.split("step ")[1].split()[0] for note in figure.layout.annotations] == [
        str(d.leaves) for d in gone
    ]
    assert [(note.x, note.y) for note in figure.layout.annotations] == [d.exit for d in gone]
    assert (figure.layout.xaxis.range, figure.layout.yaxis.range) == (view["w"], view["b"])
    assert len(figure.to_dict()["layout"]["sliders"][0]["steps"]) == len(by_kind["none"].w)


@pytest.mark.parametrize(("threshold", "shared"), [(0.5, 33), (5.0, None)])
def test_what_all_descents_share_is_drawn_once(threshold, shared):
    by_kind = gf.descents(5.5, -2.0, 0.5, threshold)
    figure = cliff_paths(gf.surface(by_kind["none"].view), by_kind)
    (common,) = (trace for trace in figure.data if trace.name == "all three")
    none, norm, value = by_kind.values()
    count = len(common.x)
    assert count == (shared or count)
    for d in (none, norm, value):
        np.testing.assert_array_equal(common.x, d.w[:count])
        np.testing.assert_array_equal(common.y, d.b[:count])
    assert len({(d.w[count], d.b[count]) for d in (none, norm, value)}) > 1
    assert common.line.color == REFERENCE
    frames = figure.to_dict()["frames"]
    lines, points = ([decoded(frame["data"][k]["x"]) for frame in frames] for k in (-2, -1))
    assert [len(x) for x in lines] == [min(k, count) for k in range(1, len(none.w) + 1)]
    np.testing.assert_allclose(np.ravel(points)[:count], none.w[:count], rtol=1e-6)
    assert np.isnan(np.ravel(points)[count:]).all()


def test_titles_tell_what_clipping_did():
    assert cliff_title(gf.descents(5.5, -2.0, 0.5, 0.5), 0.5).startswith("Unclipped, a gradient of length 745")
    calm = gf.descents(7.0, -1.5, 0.05, 5.0)
    assert "clipping changes nothing" in cliff_title(calm, 5.0)
    assert "keeps this gradient as it is" in steepest_title(gf.steepest(calm["norm"], 5.0))


def test_no_clipped_step_is_longer_than_the_words_say():
    by_kind = gf.descents(5.5, -2.0, 0.5, 0.5)
    assert "by norm is at most η·c = 0.25 long, one clipped by value √2·η·c = 0.35;" in cliff_words(by_kind, 0.5, 0.5)
    for kind, longest in (("norm", 0.25), ("value", 0.25 * np.sqrt(2.0))):
        steps = np.hypot(np.diff(by_kind[kind].w), np.diff(by_kind[kind].b))
        assert 0.9 * longest < steps.max() <= longest * (1.0 + 1e-9)


def learned(loss):
    return gf.Learning(*(np.full(10, value) for value in (200.0, loss, 2.0, 0.5, 20.0)))


@pytest.mark.parametrize(
    ("none", "norm", "told"),
    [
        (learned(0.16), learned(0.05), "Clipping lets it learn"),
        (learned(0.16), learned(0.159), "Here clipping makes no difference"),
        (
            learned(5.0),
            learned(0.3),
            "Clipping keeps the loss lower, but neither learns: it ends at 5.0 without it, 0.30 with",
        ),
        (learned(0.175), learned(0.155), "Clipping keeps the loss lower, but neither learns"),
        (learned(0.12), learned(0.05), "Both learn, with clipping further"),
        (learned(0.05), learned(0.16), "Here clipping does harm"),
        (
            NOTHING,
            learned(0.05),
            "Clipping lets it learn: unclipped, the loss left float64's range at training step 1; clipped, the loss ends",
        ),
        (NOTHING, learned(0.16), "Unclipped, the loss left float64's range at training step 1; clipped, the loss ends"),
        (NOTHING, NOTHING, "Unclipped, the loss left float64's range at training step 1; clipped, the loss left"),
    ],
)
def test_a_race_is_told_and_drawn_whatever_comes_out(none, norm, told):
    runs = {"none": none, "norm": norm}
    assert race_title(runs).startswith(told)
    assert "nan" not in race_title(runs) + race_words(gf.Training(), runs)
    figure = race_curves(gf.Training(), runs)
    assert [len(t.x) for t in figure.data] == [len(none.step)] * 2 + [len(norm.step)] * 3
    assert figure.layout.height == race_curves(gf.Training(), {"none": NOTHING, "norm": NOTHING}).layout.height


@pytest.mark.parametrize("threshold", [0.05, 0.5, 5.0])
def test_axes_hold_the_lengths_and_the_circle(threshold):
    networks = [gf.clipped_run(gf.Experiment(spectral_radius=radius, batch=1), threshold) for radius in (3.0, 0.5)]
    low, high = clipped_runs(*networks, threshold).layout.xaxis2.range
    lengths = np.log10([n for run in networks for n in (run.norm_before, run.norm_after)])
    assert (low < lengths).all()
    assert (lengths < high).all()
    steep = gf.steepest(gf.descents(5.5, -2.0, 0.5, threshold)["norm"], threshold)
    assert clipped_vector(steep).layout.xaxis.range[1] > threshold


@pytest.mark.parametrize("seed", [0, 1, 21, 33, 57])
@pytest.mark.parametrize("radius", [3.0, 0.5])
def test_a_network_is_called_what_it_is(seed, radius):
    run = gf.clipped_run(gf.Experiment(spectral_radius=radius, batch=1, seed=seed), 0.5)
    total = run.log10_norm[0] - run.log10_norm[-1]
    told = "explodes, to" if total > 2.0 else "vanishes: only" if total < -2.0 else "neither explodes nor vanishes"
    text = clipped_words([run])
    assert f"At ρ = {radius:g} the gradient {told}" in text
    assert ("cannot restore" in text) == (total < -2.0)
    assert ("is cut from" in text) == (run.norm_before > 0.5)
    assert clipped_runs(run, run, 0.5).data[0].name == f"ρ = {radius:g}, {run.verdict}: before"


LAST_ONE = "the threshold, and look for the last one with which clipping saves the descent."


@pytest.mark.parametrize(
    ("start", "rate", "threshold", "tried"),
    [
        ((5.5, -2.0), 0.5, 0.5, f"raise {LAST_ONE}"),
        ((5.5, -2.0), 0.5, 3.0, f"lower {LAST_ONE}"),
        ((5.5, -2.0), 0.5, 5.0, f"lower {LAST_ONE}"),
        ((4.5, -2.5), 0.2, 5.0, "lower the threshold, and watch the steps become shorter."),
        ((4.0, -2.0), 1.0, 0.05, "lower the learning rate, for the threshold is at its lowest."),
        ((5.5, -2.0), 0.05, 0.5, "start at w = 5.5 and b = −2 with η = 0.5, where the unclipped descent is thrown out"),
    ],
)
def test_what_is_to_be_tried_can_be_done_and_leads_somewhere(start, rate, threshold, tried):
    assert f"Press ▶, then {tried}" in cliff_words(gf.descents(*start, rate, threshold), threshold, rate)


def test_the_start_that_the_words_send_to_throws_the_unclipped_descent():
    by_kind = gf.descents(5.5, -2.0, 0.5, 0.5)
    assert by_kind["none"].leaves is not None
    assert by_kind["norm"].leaves is None
