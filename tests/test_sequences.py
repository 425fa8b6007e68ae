"""Inputs: text as readers count it, the measured series, noise and the impulse."""

import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import gradflow as gf
from gradflow.sequences import MAX_TEXT, characters, typed_text

WHOLE = {
    "family": "👨‍👩‍👧‍👦",
    "skin tone": "👍🏽",
    "family with skin tones": "👩🏿‍🤝‍👨🏻",
    "flag": "🇰🇷",
    "flag of England": "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
    "rainbow flag": "🏳️‍🌈",
    "keycap": "1️⃣",
    "heart": "❤️",
    "Hangul": "각",
    "Hangul from its letters": "\u1100\u1161\u11a8",
    "accent": "e\u0301",
    "two marks": "q\u0307\u0323",
    "Devanagari vowel sign": "नि",
    "Thai mark": "ก้",
    "plain": "a",
    "space": " ",
}


@pytest.mark.parametrize("name", WHOLE)
def test_what_a_reader_sees_as_one_character_stays_whole(name):
    char = WHOLE[name]
    assert characters(char) == [unicodedata.normalize("NFC", char)]
    assert characters(f"x{char}y{char}") == ["x", characters(char)[0], "y", characters(char)[0]]


def test_neighbours_stay_apart():
    assert characters("🇰🇷🇩🇪🇫🇷") == ["🇰🇷", "🇩🇪", "🇫🇷"]
    assert characters("👍👍🏽👍") == ["👍", "👍🏽", "👍"]
    assert characters("안녕하세요") == list("안녕하세요")
    assert characters("") == []


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=40))
def test_no_character_is_lost_or_empty(line):
    split = characters(line)
    assert "".join(split) == unicodedata.normalize("NFC", line)
    assert all(split)


@given(st.lists(st.sampled_from(sorted(WHOLE.values())), min_size=1, max_size=20))
def test_any_row_of_whole_characters_splits_back(row):
    assert characters("".join(row)) == [unicodedata.normalize("NFC", c) for c in row]


def test_lines_end_together_and_absent_steps_are_masked():
    sequences = typed_text("abc\nb\n\n  \nca", 10, next_wanted=False)
    assert sequences.x.shape == (3, 3, 3)
    assert sequences.symbols == ("a", "b", "c")
    np.testing.assert_array_equal(sequences.mask, [[1, 0, 0], [1, 0, 1], [1, 1, 1]])
    np.testing.assert_array_equal(sequences.x.sum(-1), sequences.mask)
    assert sequences.steps == (("a", "b", "c"), ("b",), ("c", "a"))
    for b, line in enumerate(sequences.steps):
        read = [sequences.symbols[k] for k in sequences.x[3 - len(line) :, b].argmax(-1)]
        assert read == list(line)


def test_the_next_character_is_the_target():
    sequences = typed_text("abca\nbc", 10, next_wanted=True)
    assert sequences.steps == (("a", "b", "c"), ("b",))
    np.testing.assert_array_equal(sequences.targets[:, 0], [1, 2, 0])
    assert sequences.targets[2, 1] == 2
    np.testing.assert_array_equal(sequences.mask[:, 1], [False, False, True])


def test_of_a_longer_text_the_last_characters_are_read():
    assert typed_text("abcdef", 3, next_wanted=False).steps == (("d", "e", "f"),)
    assert typed_text("abcdef", 3, next_wanted=True).steps == (("c", "d", "e"),)
    assert typed_text("abcdef", 3, next_wanted=True).x.shape[0] == 3


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "text must have 1 to 5,000 characters, got none"),
        (" \n\t ", "text must have 1 to 5,000 characters, got only spaces"),
        ("\n\n", "text must have 1 to 5,000 characters, got only spaces"),
        ("x" * 10_000, "text must have 1 to 5,000 characters, got 10,000"),
        ("👨‍👩‍👧‍👦" * 6_000, "text must have 1 to 5,000 characters, got 6,000"),
        (None, "text must be a string of 1 to 5,000 characters, got None"),
        (b"abc", "text must be a string of 1 to 5,000 characters, got b'abc'"),
        (7, "text must be a string of 1 to 5,000 characters, got 7"),
        (float("nan"), "text must be a string of 1 to 5,000 characters, got nan"),
    ],
    ids=lambda value: str(value)[:12],
)
def test_text_is_refused(text, told):
    with pytest.raises(ValueError, match=told):
        gf.Experiment(text=text)


def test_five_thousand_families_are_five_thousand_characters():
    text = "👨‍👩‍👧‍👦" * MAX_TEXT
    network = gf.build(gf.Experiment(input="text", text=text, length=MAX_TEXT, hidden=1))
    assert network.sequences.x.shape == (MAX_TEXT, 1, 1)


def test_a_line_of_one_character_has_nothing_to_predict():
    with pytest.raises(
        ValueError, match="text must have at least 2 characters per line to predict the next one, got 'a'"
    ):
        gf.run(gf.Experiment(input="text", text="abc\na", loss="prediction"))
    assert gf.run(gf.Experiment(input="text", text="a", length=1)).loss.shape == (1,)


def test_a_text_whose_one_hot_code_does_not_fit_is_refused():
    """Legal in length, but lines × length × different characters is 33 GB."""
    text = "".join(chr(0x4E00 + k) for k in range(2000)) + "\nx" * 1400
    with pytest.raises(ValueError, match=r"text must fit in 1 GB .*got 2,000 × 1,401 × 2,001"):
        gf.run(gf.Experiment(input="text", text=text, length=5000, hidden=1))


def test_the_series_is_standardised_and_known():
    network = gf.build(gf.Experiment(input="series", length=308, batch=1, loss="prediction"))
    x, targets = network.sequences.x[:, 0, 0], network.sequences.targets[:, 0, 0]
    assert network.sequences.steps[0][0] == "1700"
    assert network.sequences.steps[0][-1] == "2007"
    np.testing.assert_array_equal(targets[:-1], x[1:])
    whole = np.append(x, targets[-1])
    assert whole.mean() == pytest.approx(0.0, abs=1e-12)
    assert whole.std() == pytest.approx(1.0, rel=1e-12)
    assert network.sequences.steps[0][whole[:-1].argmax()] == "1957"  # the strongest cycle on record


def test_windows_of_the_series_are_spread_over_it():
    sequences = gf.build(gf.Experiment(input="series", length=50, batch=4)).sequences
    assert [steps[0] for steps in sequences.steps] == sorted((s[0] for s in sequences.steps), reverse=True)
    assert sequences.steps[0][-1] == "2007"
    assert sequences.steps[-1][0] == "1700"
    with pytest.raises(ValueError, match=r"length must be in \[1, 308\] for input='series', got 309"):
        gf.build(gf.Experiment(input="series", length=309))


def test_noise_is_white_and_targets_are_the_next_input():
    network = gf.build(gf.Experiment(length=2000, batch=8, hidden=2, loss="prediction"))
    x = network.sequences.x
    assert x.mean() == pytest.approx(0.0, abs=0.02)
    assert x.std() == pytest.approx(1.0, abs=0.02)
    assert (x[:, 0] * x[:, 1]).mean() == pytest.approx(0.0, abs=0.03)
    np.testing.assert_array_equal(network.sequences.targets[:-1], x[1:])


def test_the_impulse_comes_first_and_alone():
    x = gf.build(gf.Experiment(input="impulse", length=9, batch=2)).sequences.x
    assert (x[0] == 1.0).all()
    assert not x[1:].any()
