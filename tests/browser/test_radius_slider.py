"""The slider inside the spectral radius figure: it follows the pointer, and the server hears nothing of it."""

from itertools import pairwise

import pytest
from charts import decoded
from tab import address

from gradflow.radii import RADII

SPAN = ".slider-rail-touch-rect"
FIRST_MOVING = "figure._transitionData._frames[0].traces[0]"
# every moving trace's data, and what is painted of it
MOVING = f"figure.data.slice({FIRST_MOVING}).map(trace => JSON.stringify([trace.x, trace.y, trace.text]))"
PAINTED = "[...figure.querySelectorAll('.scatterlayer')].map(layer => layer.innerHTML)"
SHOWN = "figure.querySelector('.slider-label').textContent"
NEXT_FRAME = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"


@pytest.fixture
def board(server, visit):
    return visit(address(server, "spectral-radius")).settled()


def test_dragging_paints_every_step_without_a_word_to_the_server(board):
    """From one end to the other: each radius once, every panel painted anew, no request and no message."""
    page, sent = board.page, []
    page.on("request", lambda request: sent.append(request.url))
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    session.on("Network.webSocketFrameSent", lambda event: sent.append(event["response"]["payloadData"]))
    rail = page.locator(SPAN).bounding_box()
    middle = rail["y"] + rail["height"] / 2

    def move_to(share):
        page.mouse.move(rail["x"] + rail["width"] * share, middle)
        page.evaluate(NEXT_FRAME)
        return tuple(board.first_figure(expression) for expression in (SHOWN, MOVING, PAINTED))

    stops = [radius for radius in RADII if round(100 * radius) % 10 == 0]
    steps = len(stops) - 1
    inset = 10 / rail["width"]  # the rail ends where the middle of the grip does
    page.mouse.move(rail["x"] + rail["width"] * 0.01, middle)
    page.mouse.down()
    seen = [move_to(inset + (1 - 2 * inset) * k / steps) for k in range(len(stops))]
    page.mouse.up()
    assert [url for url in sent if not url.startswith("blob:")] == []  # the maps are a picture made in the page
    assert [label.split()[-1] for label, _, _ in seen] == [f"{radius:.2f}" for radius in stops]
    for (_, data, painted), (_, next_data, next_painted) in pairwise(seen):
        moved = [new != old for new, old in zip(next_data, data, strict=True)]
        assert sum(moved) >= len(moved) - 1  # where no power grows, the peaks' words rest
        changed = [new != old for new, old in zip(next_painted, painted, strict=True)]
        assert len(changed) == 5  # plane, powers, factors, curves and maps
        assert sum(changed) >= 4  # powers may all have left their panel
    assert board.first_figure("figure.querySelectorAll('.imagelayer image').length") == 1


def test_the_grip_begins_where_the_link_says(server, visit):
    tab = visit(address(server, "spectral-radius", "spectral_radius=1.37&present=1")).settled()
    assert tab.first_figure(SHOWN).endswith("1.37")
    marker = tab.first_figure("figure.data.find(trace => trace.xaxis === 'x3' && trace.mode === 'lines+markers').x")
    assert set(decoded(marker)) == {1.37}


def test_the_sidebar_s_slider_is_the_keyboard_s_way(board):
    slider = board.slider("Spectral radius")
    slider.focus()
    before = board.raw
    board.page.keyboard.press("ArrowRight")
    board.wait_for_other_curves(before)
    assert board.first_figure(SHOWN).endswith("1.01")
    label = board.page.locator("[data-testid=stPlotlyChart]").first.get_attribute("aria-label")
    assert "sidebar" in label


def test_a_phone_has_the_panels_below_one_another(server, visit):
    tab = visit(address(server, "spectral-radius"), viewport={"width": 390, "height": 844})
    tab.page.wait_for_function("() => document.querySelector('.js-plotly-plot')?.offsetHeight > 1000")
    tab.settled()
    assert tab.sideways() == []
    tops = tab.first_figure("[...figure.querySelectorAll('.scatterlayer')].map(e => e.getBoundingClientRect().top | 0)")
    assert len(set(tops)) > 4


def test_what_is_wrong_with_a_link_stays_said_when_the_board_finds_itself_on_a_phone(server, visit):
    link = address(server, "spectral-radius", "hidden=none")
    tab = visit(link, viewport={"width": 390, "height": 844})
    tab.page.wait_for_function("() => document.querySelector('.js-plotly-plot')?.offsetHeight > 1000")
    assert "Hidden units in the link" in tab.settled().page.locator("[data-testid=stAlert]").inner_text()
