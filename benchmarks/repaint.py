"""A slider released → every figure repainted, in Chromium, as a ratio to a bare Streamlit page: python -m benchmarks.repaint

The bare page has the same number of figures, with --panels of panels, for one figure may hold several. They are empty but for
the slider's value in the title, so that they are repainted too. Both pages are moved in turn, to values that nobody has
computed yet. Needs Chromium on PATH and playwright.
"""

import contextlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from playwright.sync_api import Page, sync_playwright

from gradflow.ui.lessons import LESSONS

ROUNDS = 20
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
BARE = """
import plotly.graph_objects as go
import streamlit as st
st.set_page_config(layout="wide")
with st.sidebar:
    value = st.slider("Bare", 0.0, 3.0, 1.0, 0.01, key="spectral_radius")
st.header("Bare")
for k in range({figures}):
    st.plotly_chart(go.Figure(layout={{"title": f"{{value}}", "height": 340}}), key=str(k))
"""
READY = "() => document.querySelector('[data-testid=stApp]')?.dataset.testScriptState === 'notRunning'"
# remembers the last frame that drew anything in a figure
WATCH = """() => {
    window.lastPaint = 0;
    const inFigure = record => record.target.closest('.js-plotly-plot');
    const drawn = () => { window.lastPaint = performance.now(); };
    new MutationObserver(records => { if (records.some(inFigure)) requestAnimationFrame(drawn); })
        .observe(document.querySelector('.stApp'), {subtree: true, childList: true, attributes: true});
}"""
FIGURES = "document.querySelectorAll('.js-plotly-plot').length"
PANELS = "document.querySelectorAll('.js-plotly-plot .cartesianlayer > .subplot').length"


@contextlib.contextmanager
def serving(script: str, folder: Path) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = [f"--server.port={port}", "--server.headless=true", "--server.address=127.0.0.1"]
    command = [sys.executable, "-m", "streamlit", "run", script, *options, "--browser.gatherUsageStats=false"]
    server = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(600):
            with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health"):
                break
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


def opened(page: Page, address: str) -> Page:
    page.goto(address)
    page.wait_for_function("() => document.querySelector('.js-plotly-plot .main-svg')")
    page.wait_for_function(READY)
    page.wait_for_timeout(1500)
    page.evaluate(WATCH)
    return page


def milliseconds(page: Page) -> float:
    """From the key that moves the slider to the last frame in which a figure was drawn."""
    page.locator(".st-key-spectral_radius input").focus()
    started = page.evaluate("() => performance.now()")
    page.keyboard.press("ArrowRight")
    page.wait_for_function("started => window.lastPaint > started", arg=started)
    page.wait_for_timeout(400)
    page.wait_for_function(READY)
    page.wait_for_timeout(400)
    return float(page.evaluate("() => window.lastPaint")) - started


def main() -> None:
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    root = Path(__file__).parents[1]
    with sync_playwright() as playwright, serving("app.py", root) as app:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        for lesson in LESSONS:
            if "spectral_radius" not in lesson.controls:
                continue
            ours = opened(
                browser.new_page(viewport={"width": 1280, "height": 720}),
                f"{app}/?lesson={lesson.url}" if lesson.url else app,
            )
            figures = ours.evaluate(PANELS if "--panels" in sys.argv else FIGURES)
            with tempfile.TemporaryDirectory() as folder:
                (Path(folder) / "bare.py").write_text(BARE.format(figures=figures))
                with serving("bare.py", Path(folder)) as bare_address:
                    bare = opened(browser.new_page(viewport={"width": 1280, "height": 720}), bare_address)
                    times = [(milliseconds(ours), milliseconds(bare)) for _ in range(ROUNDS)]
                    bare.close()
            ours.close()
            a, b = (median(column) for column in zip(*times, strict=True))
            print(f"{lesson.title}: {figures}, {a:.0f} ms, bare {b:.0f} ms, ratio {a / b:.2f}", flush=True)
        browser.close()


if __name__ == "__main__":
    main()
