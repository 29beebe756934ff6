"""Every example runs with --quick; those on public data skip, with the reason, where the data is absent."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
NEEDS = {"mnist_mlp": "mnist", "mnist_cnn": "mnist", "house_prices": "housing"}


@pytest.mark.parametrize("name", sorted(p.stem for p in EXAMPLES.glob("*.py")))
def test_example(name):
    data = os.environ.get("FASTNN_DATA", "")
    if name in NEEDS and not (Path(data) / NEEDS[name]).is_dir():
        pytest.skip(f"FASTNN_DATA has no {NEEDS[name]}")
    r = subprocess.run([sys.executable, str(EXAMPLES / f"{name}.py"), "--quick"], capture_output=True, text=True, timeout=250)
    assert r.returncode == 0, r.stderr
    assert r.stdout.strip()
