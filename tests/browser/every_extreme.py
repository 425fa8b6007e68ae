"""Every page at both extremes and every choice of every control, by link in a real Chromium.

`python tests/browser/every_extreme.py` takes minutes, so the tests drive the controls in view alone. Prints what is wrong.
"""

import shutil
import sys
import tempfile
from pathlib import Path
from urllib.parse import quote

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "tests" / folder) for folder in ("browser", "", "pages")]

from conftest import FLAGS, NAMES, serving  # noqa: E402
from playwright.sync_api import sync_playwright  # noqa: E402
from tab import LAPTOP, Tab, address  # noqa: E402
from visit import Visit  # noqa: E402

from gradflow.ui.lessons import LESSONS  # noqa: E402


def links(lesson):
    """Every extreme of every control as a query."""
    yield ""
    for key, widget in Visit(Path(lesson.path).stem).controls.items():
        if widget.type == "slider":
            values = [widget.min, widget.max]
        elif widget.type == "toggle":
            values = ["true", "false"]
        elif widget.type == "text_input":
            values = ["x", "y" * 5000]
        elif widget.type == "button_group":
            values = [option.content for option in widget.proto.options]
        else:
            values = widget.options
        yield from (f"{key}={quote(str(value))}" for value in values)


def main():
    found = next(filter(None, map(shutil.which, NAMES)))
    log = Path(tempfile.mkdtemp()) / "log"
    wrong = count = 0
    with serving(log) as server, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=list(FLAGS))
        context = browser.new_context(viewport=LAPTOP)
        for lesson in LESSONS:
            tab = Tab(context, LAPTOP)
            for query in links(lesson):
                count += 1
                tab.problems.clear()
                try:
                    tab.open(address(server, lesson.url, query)).settled()
                    shown = tab.page.locator("[data-testid=stException], [data-testid=stAlert]").all_inner_texts()
                    problems = [*tab.problems, *shown, *tab.sideways()]
                except Exception as problem:  # whatever goes wrong is what this looks for; the next link still counts
                    problems = [str(problem)]
                if problems:
                    wrong += 1
                    print(f"{lesson.title} ?{query[:80]}: {problems}", flush=True)
            tab.page.close()
            print(f"{lesson.title}: done, {count} links so far", flush=True)
        browser.close()
    print(
        f"{count} links, {wrong} with something to look at; traceback: {'Traceback' in log.read_text(errors='replace')}"
    )


if __name__ == "__main__":
    main()
