"""Every example runs with --quick; those on public data skip, with the reason, where the data is absent."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import replayed_example

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
NEEDS = {"mnist_mlp": "mnist", "mnist_cnn": "mnist", "gan": "mnist", "house_prices": "housing", "cora": "graphs"} | {
    "sequences/names": "text", "sequences/char_gpt": "text", "sequences/forecasting": "timeseries",
    "sequences/activity": "activity", "sequences/sentiment": "sentiment", "sequences/spoken_digits": "speech",
} | {
    f"pinn/{name}": "pinn" for name in ("burgers", "burgers_inverse", "allen_cahn", "lorenz_inverse", "discover_burgers")
}
SCIPY = {f"pinn/{name}" for name in ("burgers", "burgers_inverse", "allen_cahn", "discover_burgers", "wave")}
NAMES = sorted(str(p.relative_to(EXAMPLES).with_suffix("")) for p in EXAMPLES.rglob("*.py"))


def skip_without_data(name):
    data = os.environ.get("FASTNN_DATA", "")
    if name in NEEDS and not (Path(data) / NEEDS[name]).is_dir():
        pytest.skip(f"FASTNN_DATA has no {NEEDS[name]}")
    if name in SCIPY:
        pytest.importorskip("scipy")


@pytest.mark.parametrize("name", NAMES)
def test_example(name):
    skip_without_data(name)
    r = subprocess.run([sys.executable, str(EXAMPLES / f"{name}.py"), "--quick"], capture_output=True, text=True, timeout=250)
    assert r.returncode == 0, r.stderr
    assert r.stdout.strip()


@pytest.mark.parametrize("name", [n for n in NAMES if n not in ("pinn/xpinn", "sequences/sentiment")])  # those capture nothing
def test_an_example_replays_what_it_does_plainly(name):
    """Bit for bit; replayed_example.py does the same over 1,000 steps."""
    skip_without_data(name)
    plain, captured, replays = replayed_example.both(EXAMPLES / f"{name}.py", 12, ["--quick"])
    assert plain == captured
    assert replays >= len(plain) - 5


@pytest.mark.parametrize("name", sorted(NEEDS))
def test_missing_data_is_said_in_one_line(name, tmp_path):
    if name in SCIPY:
        pytest.importorskip("scipy")
    env = {k: v for k, v in os.environ.items() if k != "FASTNN_DATA"}
    (tmp_path / "pooch.py").write_text("raise ImportError")  # nothing is downloaded
    env["PYTHONPATH"] = os.pathsep.join([str(tmp_path), *filter(None, [env.get("PYTHONPATH")])])
    r = subprocess.run([sys.executable, str(EXAMPLES / f"{name}.py"), "--quick"], capture_output=True, text=True, timeout=60, env=env)
    assert r.returncode == 1 and "not found: set FASTNN_DATA" in r.stderr and len(r.stderr.splitlines()) == 1, r.stderr
