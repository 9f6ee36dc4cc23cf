"""The JavaScript unit tests of the canvas page."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from canvas import HERE


@pytest.mark.skipif(shutil.which("node") is None, reason="the JavaScript unit tests need node 20 or later")
def test_the_javascript_unit_tests_pass():
    files = sorted(str(file) for file in (HERE / "js").rglob("*.test.js"))
    run = subprocess.run(["node", "--test", *files], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
