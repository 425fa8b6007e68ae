"""Every lesson in a real browser: by deep link on a fresh server, at its controls' extremes, on a laptop and on a phone."""

from urllib.parse import urlsplit

import pytest
from tab import LAPTOP, Tab, address

from gradflow.ui.lessons import LESSONS

PHONE = {"width": 390, "height": 844}
OTHERS = LESSONS[1:]
PAINTED = """scheme => {
    const paint = getComputedStyle(document.querySelector('[data-testid=stApp]')).backgroundColor.match(/\\d+/);
    return scheme === 'dark' ? paint < 60 : paint > 200;
}"""
# WCAG contrast against what is painted behind: 4.5 for text, 3 for large text and graphics
READABLE = {
    "h2": 7.0,
    ".cards b, .cards span, .strip .name": 7.0,
    "[data-testid=stMarkdown] p": 4.5,
    "label p": 4.5,
    ".strip .scale": 4.5,
    ".strip i:not(.h0)": 3.0,
    "[class$=tick] text": 7.0,
    "text[class$=title]": 7.0,
    ".annotation-text": 7.0,
    ".legendtext": 4.5,
}
# what the frame does is the same on all pages; every_extreme.py opens them all
every_lesson = pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.title)


@pytest.mark.parametrize("lesson", OTHERS[:1], ids=lambda lesson: lesson.title)
def test_a_deep_link_is_the_first_thing_a_fresh_server_sees(fresh_server, visit, lesson):
    tab = visit(address(fresh_server, lesson.url, "seed=3"), new=True).settled()
    assert len(tab.heading) > 20
    assert tab.query == {"seed": ["3"]}
    assert urlsplit(tab.page.url).path == f"/{lesson.url}"
    assert tab.page.locator("[role=dialog]").count() == 0
    assert tab.page.locator("[data-testid=stException], [data-testid=stAlert]").count() == 0


@pytest.fixture(scope="module")
def reader(server, returning):
    """A tab in which somebody goes from lesson to lesson, with settings of their own."""
    tab = Tab(returning, LAPTOP)
    yield tab.open(f"{server}/?spectral_radius=0.8&seed=4&hide=seed").settled()
    tab.page.close()


@every_lesson
def test_a_lesson_keeps_the_settings_on_a_laptop_and_on_a_phone_in_light_and_in_dark(reader, lesson):
    tab, carried, before = reader, reader.query, reader.heading
    tab.page.set_viewport_size(LAPTOP)
    if urlsplit(tab.page.url).path != f"/{lesson.url}":
        tab.page.get_by_role("link", name=lesson.title, exact=True).first.click()
        tab.page.wait_for_url(f"**/{lesson.url}?*")
        tab.page.wait_for_function(
            "before => ![before, undefined].includes(document.querySelector('h2')?.innerText)", arg=before
        )
    tab.settled().page.evaluate("() => document.querySelector('[data-testid=stMain]').scrollTo(0, 0)")
    assert urlsplit(tab.page.url).path == f"/{lesson.url}"
    assert tab.query == carried
    assert tab.page.locator(".st-key-spectral_radius input").first.input_value() == "0.8"
    box = tab.page.locator(".js-plotly-plot").first.bounding_box()
    assert box["y"] > 0
    assert box["y"] + box["height"] <= LAPTOP["height"]
    assert tab.sideways() == []
    alternatives = tab.page.locator("[data-testid=stPlotlyChart][role=figure]").evaluate_all(
        "all => all.map(figure => figure.getAttribute('aria-label'))"
    )
    assert len(alternatives) == tab.page.locator(".js-plotly-plot").count()
    assert all(len(sentence) > 20 for sentence in alternatives)
    for scheme in ("light", "dark"):
        tab.page.emulate_media(color_scheme=scheme)
        tab.page.wait_for_function(PAINTED, arg=scheme)
        tab.settled()
        for selector, least in READABLE.items():
            worst, text = tab.least_contrast(selector)
            assert worst is None or worst >= least, f"{scheme}: {selector} “{text}” {worst:.2f}"
    tab.page.set_viewport_size(PHONE)
    tab.page.wait_for_function(
        "width => document.querySelector('.js-plotly-plot').offsetWidth < width", arg=PHONE["width"]
    )
    tab.settled()
    for more in tab.page.locator("[data-testid=stMain] summary").all():
        more.click()
    assert tab.sideways() == []
    problems, tab.problems = tab.problems, []
    assert not problems, "\n".join(problems)


def test_the_extremes_of_the_controls_in_view(server, visit):
    """Driven from the keyboard alone; the page must come back with its figures each time."""
    tab = visit(f"{server}/?cells=RNN").settled()
    sidebar = tab.page.locator("[data-testid=stSidebar]")
    for slider in sidebar.get_by_role("slider").all():
        if not slider.is_visible():
            continue
        for key, end in (("End", "max"), ("Home", "min")):
            slider.focus()
            tab.page.keyboard.press(key)
            tab.page.wait_for_timeout(100)
            tab.idle()
            assert slider.input_value() == slider.get_attribute(end)
            assert tab.page.locator("[data-testid=stException]").count() == 0
            tab.settled()


@pytest.mark.parametrize("lesson", OTHERS[:1], ids=lambda lesson: lesson.title)
def test_presenter_size_is_larger_and_has_no_sidebar(server, visit, lesson):
    tab = visit(address(server, lesson.url, "present=1&hide=seed")).settled()
    assert not tab.page.locator("[data-testid=stSidebar]").is_visible()
    assert not tab.page.locator(".st-key-seed").first.is_visible()
    size = tab.page.locator("h2").first.evaluate("title => parseFloat(getComputedStyle(title).fontSize)")
    assert size > 28
    assert tab.sideways() == []
    tab.page.get_by_role("button", name="Leave presenter size").click()
    tab.page.locator("[data-testid=stSidebar]").wait_for(state="visible")
    assert tab.query == {"hide": ["seed"]}
