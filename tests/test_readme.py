"""The README: its commands are the ones that are run, its Python runs, its links lead somewhere."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from gradflow.ui.lessons import LESSONS

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, re.DOTALL)
PYTHON = [code for language, code in BLOCKS if language == "python"]
COMMANDS = [line for language, code in BLOCKS if language == "bash" for line in code.splitlines()]
LINKS = re.findall(r"\]\(([^)#]+)", README)


@pytest.mark.parametrize("code", PYTHON, ids=range(len(PYTHON)))
def test_the_python_runs_as_pasted(code, tmp_path):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-"],
        input=code,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_there_is_one_command_to_start_and_one_to_test():
    start, test = COMMANDS
    assert "streamlit run app.py" in start
    assert "pytest" in test
    assert start.split(" && ")[0] == test.split(" && ")[0]


def test_the_test_command_is_the_one_that_is_run_automatically():
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert COMMANDS[1] in script.splitlines()
    assert script.startswith("#!/usr/bin/env bash\n")
    assert "\nset -euo pipefail\n" in script


def test_the_script_can_be_executed():
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


@pytest.mark.parametrize("link", [link for link in LINKS if "://" not in link])
def test_a_link_leads_somewhere(link):
    assert (ROOT / link.replace("\\", "")).exists()


def test_there_is_a_picture_of_every_page_and_it_is_small():
    for lesson in LESSONS:
        picture = f"docs/{lesson.url or 'gradient-flow'}.png"
        assert picture in README
        assert (ROOT / picture).stat().st_size < 300_000
