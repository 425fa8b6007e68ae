"""The sentence on the first page: whatever is typed is shown as it is, or answered with a sentence."""

import re

import pytest
from first_page import assert_the_library_s

from gradflow.sequences import characters
from gradflow.ui import STYLE

BAD = {"empty": "", "spaces": "   ", "too long": "x" * 10_000, "only a newline": "\n", "tabs": "\t\t"}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_sentence_is_answered_with_a_sentence(page, name):
    page.set(length=30, forget_bias=3.0, seed=5)
    before = {key: value for key, value in page.settings.items() if key != "text"}
    page.set(text=BAD[name])
    assert page.warning.lower().startswith(("text", "sentence"))
    assert "5,000" in page.warning
    assert "Traceback" not in page.warning
    assert len(page.warning) < 200
    assert not page.figures
    assert {key: value for key, value in page.settings.items() if key != "text"} == before
    page.set(text="The next one is fine.")
    assert page.warning is None
    assert_the_library_s(page)
    assert {key: value for key, value in page.settings.items() if key != "text"} == before


GOOD = {
    "emoji": "one 👨‍👩‍👧‍👦 family, one 🇰🇷 flag, 👍🏽",
    "Korean": "오래된 캐비닛의 열쇠들은 탁자 위에 있다.",
    "Arabic": "المفاتيح على الطاولة",
    "one character": "x",
    "two lines": "first line\nthe second line",
    "markup": "<script>alert(1)</script>",
    "closes the cell": "</i></div><img src=x onerror=alert(1)>",
    "quotes": "\"' onmouseover='alert(1)' \" &lt;b&gt; &amp;",
    "markdown": "**bold** $x^2$ :red[red] [link](https://example.com) `code`",
}


@pytest.mark.parametrize("name", GOOD)
def test_any_text_is_shown_as_it_is(page, name):
    page.set(length=60, text=GOOD[name])
    assert page.warning is None
    assert_the_library_s(page)
    line = " ".join(GOOD[name].splitlines())  # as one sentence, however a link broke it
    strip = page.strip
    assert strip.tags <= {"div", "span", "i"}
    assert strip.attributes <= {
        "class",
        "style",
        "title",
        "data-step",
        "aria-label",
        "role",
        "aria-hidden",
        "lang",
        "dir",
    }
    shown = [text for text in strip.italics if text]
    assert shown == characters(line) * 3


@pytest.mark.parametrize(("sequence_type", "heard"), [("many-to-one", 30), ("encoder-decoder", 15), ("one-to-many", 1)])
def test_the_strip_has_a_dot_where_the_network_reads_nothing(page, sequence_type, heard):
    page.set(length=30, sequence_type=sequence_type)
    read = characters(page.settings["text"])[-30:]
    assert [text for text in page.strip.italics if text] == [*read[:heard], *"·" * (30 - heard)] * 3
    titles = re.findall(r'title="step (\d+), (no input|“.”): ', page.html("strip"))
    assert titles[:30] == [(str(t), f"“{name}”" if t <= heard else "no input") for t, name in enumerate(read, start=1)]


@pytest.mark.parametrize("kind", ["text", "noise"])
def test_exactly_zero_is_hatched_and_the_key_says_so(page, kind):
    page.set(length=30, input=kind, cells=["rnn"])
    assert not re.findall("zero|hatched", page.html("strip"))
    page.set(spectral_radius=0.0)
    assert page.html("strip").count(' class="zero') == 29  # all but the last step
    assert "no colour: unchanged; hatched: exactly 0" in page.html("strip")
    assert "background" not in re.search('<i [^>]*class="zero[^>]*>', page.html("strip"))[0]
    assert re.search(r"\.strip \.zero \{[^}]*gradient", STYLE.read_text())


def test_one_character_cannot_be_split_into_input_and_output(page):
    page.set(text="x", loss="prediction")
    assert "at least 2" in page.warning
    page.set(text="x", loss="probe", sequence_type="encoder-decoder")
    assert "at least 2" in page.warning
    page.set(text="xy")
    assert page.warning is None
    assert_the_library_s(page)
