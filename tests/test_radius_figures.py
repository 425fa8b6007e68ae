"""The radius board's parts: its picture, its frames, its places; and what is said beside it."""

import base64
import json
import struct
import zlib
from dataclasses import replace

import numpy as np
import plotly.io as pio
import pytest
from charts import decoded

import gradflow as gf
from gradflow.figures import radius_board
from gradflow.figures.frames import in_float32
from gradflow.figures.pictures import png
from gradflow.figures.radius_board import SIDE_BY_SIDE, STACKED
from gradflow.figures.radius_traces import MAP_COLUMNS, MAP_REACH, PALETTE, different_powers, lefts, levels
from gradflow.figures.theme import EXPLODING, VANISHING, packed
from gradflow.radii import RadiusStudy, study_radii
from gradflow.radius_findings import radius_title, radius_words

EXP = gf.Experiment(length=20, hidden=16, batch=1)
RADII = (0.0, 0.5, 1.0, 1.5, 3.0)


@pytest.fixture(scope="module")
def studies():
    with np.errstate(all="raise"):
        return study_radii(EXP, RADII, range(2))


def pixels(address):
    """Levels and palette of the picture in an address, read by the PNG specification: chunks with checksums, unfiltered rows."""
    data = base64.b64decode(address.removeprefix("data:image/png;base64,"))
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    chunks, at = {}, 8
    while at < len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        kind, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        assert struct.unpack(">I", data[at + 8 + length : at + 12 + length]) == (zlib.crc32(kind + body),)
        chunks[kind] = body
        at += 12 + length
    assert list(chunks) == [b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"]
    columns, rows, *kind = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    assert kind == [8, 3, 0, 0, 0]
    lines = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(rows, 1 + columns)
    assert not lines[:, 0].any()
    colours = np.frombuffer(chunks[b"PLTE"], np.uint8).reshape(-1, 3)
    opacity = np.frombuffer(chunks[b"tRNS"], np.uint8)
    return lines[:, 1:], np.column_stack([colours, opacity])


def test_a_picture_holds_its_levels_and_their_colours():
    picture = np.array([[0, 1, 2], [2, 0, 1]], np.uint8)
    colours = np.arange(3 * 4, dtype=np.uint8).reshape(3, 4)
    got_levels, got_colours = pixels(png(picture, colours))
    np.testing.assert_array_equal(got_levels, picture)
    np.testing.assert_array_equal(got_colours, colours)


def test_colours_are_warm_above_one_cool_below_and_none_at_one():
    log = np.array([-2 * MAP_REACH, -MAP_REACH / 2, 0.0, MAP_REACH / 2, 2 * MAP_REACH, -np.inf, np.nan])
    colours = PALETTE[levels(log)]
    hexes = ["#" + bytes(colour[:3]).hex().upper() for colour in colours]
    assert hexes[:2] == [VANISHING] * 2
    assert hexes[3:5] == [EXPLODING] * 2
    np.testing.assert_allclose(colours[:5, 3], [255, 127.5, 0, 127.5, 255], atol=1.5)  # in 127 steps
    assert hexes[5] not in (VANISHING, EXPLODING)  # exactly zero is not "below what we plot"
    assert colours[5, 3] > 0
    assert colours[6, 3] == 0
    assert len(PALETTE) == 256


def test_frames_are_in_float32():
    (got,) = in_float32(np.array([[1.0, -np.inf, np.nan, 0.1]]))
    np.testing.assert_array_equal(decoded(packed(got)), np.array([1.0, np.nan, np.nan, 0.1], np.float32))
    one, words = in_float32([np.array([0.1]), ["a"]])
    np.testing.assert_array_equal(decoded(packed(one)), np.array([0.1], np.float32))
    assert packed(words) == ["a"]


def test_the_maps_show_the_studies_from_the_largest_radius_down_side_by_side(studies):
    figure = radius_board(studies, 1.0)
    (picture,) = figure.layout.images
    image, colours = pixels(picture.source)
    np.testing.assert_array_equal(colours, PALETTE)
    per_column = picture.sizex / image.shape[1]
    assert picture.x == -0.5
    assert per_column == pytest.approx((EXP.length + 1) / MAP_COLUMNS)
    for s, left in zip(studies.values(), lefts(studies), strict=False):
        for step in (0, 7, EXP.length):
            column = int((left + step + 0.5) / per_column)  # the picture begins half a step before the first
            want = levels(s.log10_share[:, step])
            # ρ = 3.00, 2.95 … 0.00 from the top
            np.testing.assert_array_equal(image[[0, 30, 40, 50, 60], column], want[::-1])
    np.testing.assert_array_equal(image[[0, 30, 60], -1], levels(np.array([MAP_REACH, 0.0, -MAP_REACH])))


def test_starts_with_the_same_powers_share_a_line(studies):
    drawn = different_powers(studies)
    assert [s.experiment.init for s in drawn] == ["gaussian", "orthogonal"]
    np.testing.assert_allclose(studies["identity"].log10_powers, drawn[1].log10_powers, atol=1e-12)


@pytest.mark.parametrize("narrow", [False, True])
def test_the_frames_move_the_same_traces_and_the_slider_knows_them(studies, narrow):
    figure = json.loads(pio.to_json(radius_board(studies, 1.5, narrow).to_dict(), validate=False))
    frames, (slider,) = figure["frames"], figure["layout"]["sliders"]
    assert [frame["name"] for frame in frames] == ["0.00", "0.50", "1.00", "1.50", "3.00"]
    assert [step["args"][0] for step in slider["steps"]] == [[frame["name"]] for frame in frames]
    assert slider["active"] == 3
    for frame in frames:
        assert frame["traces"] == list(range(len(figure["data"]) - len(frame["data"]), len(figure["data"])))
        for moved, present in zip(frame["data"], figure["data"][frame["traces"][0] :], strict=True):
            assert len(decoded(moved["y"])) == len(decoded(present["y"]))
    for moved, present in zip(frames[3]["data"], figure["data"][frames[3]["traces"][0] :], strict=True):
        for key in moved.keys() - {"text"}:
            np.testing.assert_array_equal(decoded(moved[key]), decoded(present[key]).astype(np.float32))
        assert moved.get("text") == present.get("text")


@pytest.mark.parametrize("places", [SIDE_BY_SIDE, STACKED])
def test_no_panel_lies_on_another(places):
    panels = list(places.values())
    for k, (across, up) in enumerate(panels):
        for other_across, other_up in panels[k + 1 :]:
            assert (
                across[1] < other_across[0] or other_across[1] < across[0] or up[1] < other_up[0] or other_up[1] < up[0]
            )


def made_up(studies: dict[str, RadiusStudy], factors: tuple[float, ...]) -> dict[str, RadiusStudy]:
    with np.errstate(divide="ignore"):
        return {init: replace(s, log10_factor=np.log10(factors)) for init, s in studies.items()}


@pytest.mark.parametrize(
    ("factors", "said"),
    [
        (
            (0.0, 0.3, 0.5, 2.0, 4.0),
            "At ρ = 1 a tanh RNN keeps 0.50 of the gradient per step; it passes unchanged at ρ ≈ 1.25",
        ),
        ((0.0, 0.5, 2.0, 2.0, 4.0), "multiplies the gradient by 2.0 per step; it passes unchanged at ρ ≈ 0.75"),
        ((0.0, 0.1, 0.2, 0.4, 0.3), "keeps 0.20 of the gradient per step; the most that any ρ keeps is 0.40"),
        (
            (0.0, 0.0, 0.0, 0.0, 0.0),
            "Whatever ρ, a tanh RNN with a Gaussian start brings nothing of the gradient back",
        ),
        ((0.0, 0.0, 0.0, 2.0, 4.0), "brings nothing of the gradient back; it passes unchanged at ρ ≈ 1.50"),
    ],
)
def test_the_title_is_the_finding(studies, factors, said):
    assert said in radius_title(made_up(studies, factors), 1.0)


def test_the_words_say_where_each_start_passes_the_gradient(studies):
    text = radius_words(studies, 1.0, 2)
    for s in studies.values():
        assert ("at no ρ" if s.unchanged_at is None else f"at ρ ≈ {s.unchanged_at:.2f}") in text
    powers = studies["gaussian"].log10_powers_at(0.9)
    assert f"at k = {powers.argmax()}" in text
    assert "not drawn" not in text
    assert "steady input and is not drawn" in radius_words(
        study_radii(replace(EXP, input="series"), RADII, (0,)), 1.0, 1
    )
    assert "16 units and is not drawn" in radius_words(study_radii(replace(EXP, hidden=4), RADII, (0,)), 1.0, 1)
    assert "from ρ ≈ 3.00 on" in radius_words(study_radii(replace(EXP, activation="relu"), RADII, (0,)), 1.0, 1)


def test_the_scale_s_words_keep_apart_from_its_colours(studies):
    (line,) = (trace for trace in radius_board(studies, 3.0).data if "middle right" in (trace.textposition or ()))
    assert [text[0] for text in line.text[-3:]] == ["\N{NO-BREAK SPACE}"] * 3


@pytest.mark.parametrize(
    ("radius", "said"),
    [
        (0.0, "At ρ = 0 a tanh RNN brings nothing of the gradient back; it passes unchanged at ρ ≈ 1.25"),
        (0.5, "At ρ = 0.5 a tanh RNN keeps 0.30 of the gradient per step; it passes unchanged at ρ ≈ 1.25"),
        (3.0, "At ρ = 3 a tanh RNN multiplies the gradient by 4.0 per step; it passes unchanged at ρ ≈ 1.25"),
    ],
)
def test_the_title_speaks_of_the_present_radius(studies, radius, said):
    assert radius_title(made_up(studies, (0.0, 0.3, 0.5, 2.0, 4.0)), radius) == said


def test_a_run_that_overflows_is_not_called_a_number(studies):
    assert "At ρ = 3 a tanh RNN leaves float64's range" in radius_title(
        made_up(studies, (0.0, 0.3, 0.5, 2.0, np.nan)), 3.0
    )


def test_what_holds_for_every_start_is_said_once(studies):
    for factors, said in (
        ((0.0, 0.1, 0.2, 0.4, 0.3), "the gradient passes unchanged at no ρ, whatever the start"),
        ((0.0, 0.3, 0.5, 2.0, 4.0), "the gradient passes unchanged at ρ ≈ 1.25, whatever the start"),
    ):
        assert said in radius_words(made_up(studies, factors), 1.0, 2)
    assert "whatever the start" not in radius_words(studies, 1.0, 2)


def test_what_is_to_be_tried_is_another_radius(studies):
    assert "Try ρ = 0.9: the powers of the Gaussian W_hh still grow" in radius_words(studies, 1.0, 2)
    there = radius_words(studies, 0.9, 2)
    assert "Here the powers of the Gaussian W_hh still grow" in there
    assert "try ρ = 1.1" in there
    assert "ρ = 0.9" not in there
