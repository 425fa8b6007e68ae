"""The README's lesson: every link opens its moment."""

import re
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest
from visit import Visit

from gradflow.ui.lessons import LESSONS

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
LINKS = re.findall(r"\]\(http://localhost:8501/(\S*)\)", README)


@pytest.mark.parametrize("link", LINKS)
def test_a_moment_of_the_lesson_opens_as_the_link_says(link):
    """Every key of the link is a control's, and no value is refused."""
    query = dict(parse_qsl(urlsplit(link).query))
    name = {lesson.url: Path(lesson.path).stem for lesson in LESSONS}[query.pop("lesson", "")]
    page = Visit(name, **query)
    assert set(query) <= set(page.controls)
    assert not page.app.warning
    assert page.figures
