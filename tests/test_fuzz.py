"""Random, mostly wrong calls of every public operation end in a result or in an exception that names it: tests/fuzz.py."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("seed", range(2))
def test_random_calls(seed, tmp_path):
    """FASTNN_FUZZ_SECONDS=600 makes it a long run."""
    journal = tmp_path / "journal"
    seconds = os.environ.get("FASTNN_FUZZ_SECONDS", "6")
    command = [sys.executable, str(Path(__file__).parent / "fuzz.py"), "--seconds", seconds, "--seed", str(seed), "--journal", str(journal)]
    r = subprocess.run(command, capture_output=True, text=True)
    assert r.returncode == 0, f"{r.stdout}\n{r.stderr[-3000:]}\nlast call: {journal.read_text()}"
