"""Programs as PyTorch's readers write them: only the import lines are changed, then they run here."""

import contextlib
import io
import re
from pathlib import Path

import pytest

PROGRAMS = sorted((Path(__file__).parent / "programs").glob("*.py"))


def translated(source):
    source = re.sub(r"^import torch$", "import fastnn as torch", source, flags=re.M)
    return re.sub(r"^(import|from) torch\b", r"\1 fastnn", source, flags=re.M)


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda p: p.stem)
def test_program(path):
    exec(compile(translated(path.read_text()), str(path), "exec"), {"__name__": "__main__"})


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("path", PROGRAMS, ids=lambda p: p.stem)
def test_program_is_valid_for_torch(path):
    """The programs themselves are right: PyTorch, where installed, runs them unchanged."""
    pytest.importorskip("torch")
    exec(compile(path.read_text(), str(path), "exec"), {"__name__": "__main__"})


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("path", [p for p in PROGRAMS if p.read_text().startswith("# Deterministic")], ids=lambda p: p.stem)
def test_program_prints_what_it_prints_under_torch(path):
    pytest.importorskip("torch")
    printed = []
    for source in (path.read_text(), translated(path.read_text())):
        with contextlib.redirect_stdout(io.StringIO()) as out:
            exec(compile(source, str(path), "exec"), {"__name__": "__main__"})
        printed.append(out.getvalue().replace("fastnn.", "torch."))
    assert printed[1] == printed[0]
