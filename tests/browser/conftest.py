"""A real Chromium against a real server; both belong to the tests and end with them."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright
from tab import LAPTOP, Tab

ROOT = Path(__file__).parents[2]
NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(autouse=True)
def nothing_leaks():
    """Other people's warnings are theirs; pyproject.toml still makes every RuntimeWarning an error."""


@contextlib.contextmanager
def serving(log):
    """The address of a fresh server process on a free port of this machine, ended afterwards."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "app.py"]
    options = [f"--server.port={port}", "--server.headless=true", "--server.address=127.0.0.1"]
    with log.open("wb") as out:
        server = subprocess.Popen(
            [*command, *options], cwd=ROOT, stdout=out, stderr=subprocess.STDOUT, env={**os.environ, "PYTHONUTF8": "1"}
        )
    try:
        address = f"http://127.0.0.1:{port}"
        wait_until_it_answers(f"{address}/_stcore/health", server, log)
        yield address
    finally:
        server.terminate()
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def wait_until_it_answers(url, server, log, seconds=60):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if server.poll() is not None:
            break
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            time.sleep(0.05)
    pytest.fail(f"the server did not answer at {url}:\n{log.read_text(errors='replace')}")


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """The address of a server that all browser tests share."""
    log = tmp_path_factory.mktemp("server") / "log"
    with serving(log) as address:
        yield address
    assert "Traceback" not in log.read_text(errors="replace")


@pytest.fixture
def fresh_server(tmp_path):
    """The address of a server that nobody has visited yet."""
    log = tmp_path / "log"
    with serving(log) as address:
        yield address
    assert "Traceback" not in log.read_text(errors="replace")


@pytest.fixture(scope="session")
def chromium(tmp_path_factory):
    """Starts a browser that has never been here; a missing one is a failure, not a skip."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if not found:
        pytest.fail("no Chromium on PATH; the browser tests need one: apt-get install chromium", pytrace=False)

    def start():
        # with a profile on disk it keeps the app's scripts compiled, which is a fifth of the work of opening a page
        return playwright.chromium.launch_persistent_context(
            tmp_path_factory.mktemp("profile"),
            executable_path=found,
            args=list(FLAGS),
            viewport=LAPTOP,
            reduced_motion="reduce",
        )

    with sync_playwright() as playwright:
        yield start


@pytest.fixture(scope="session")
def returning(chromium):
    """A browser that has the app's scripts in its cache, as after a first visit."""
    context = chromium()
    yield context
    context.close()


@pytest.fixture
def visit(chromium, request):
    """Opens an address, with `new` in a browser that has never been here; nothing may go wrong in any of the tabs."""
    tabs, contexts = [], []

    def open_tab(url, new=False, viewport=LAPTOP):
        if new:
            contexts.append(chromium())
        tabs.append(Tab(contexts[-1] if new else request.getfixturevalue("returning"), viewport))
        return tabs[-1].open(url)

    yield open_tab
    problems = [problem for tab in tabs for problem in tab.problems]
    for tab in tabs:
        tab.page.close()
    for context in contexts:
        context.close()
    assert not problems, "\n".join(problems)
