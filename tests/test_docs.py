"""What the documentation shows exists and runs."""

import re
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = [p for p in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "csrc").rglob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links(page):
    links = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text("utf-8"))
    assert not [link for link in links if not (page.parent / link).exists()]


def blocks(page):
    """The Python in a page, as one program each."""
    return [textwrap.dedent(b) for b in re.findall(r"```python\n(.*?)```", (ROOT / page).read_text("utf-8"), re.DOTALL)]


def test_the_twenty_lines_of_the_readme(capsys):
    exec(compile(blocks("README.md")[0], "README.md", "exec"), {})
    assert float(capsys.readouterr().out.split()[-1]) > 0.93


def test_the_jets_of_the_page():
    import fastnn

    names = {"points": fastnn.rand(7, 2)}
    exec(compile(blocks("docs/jets.md")[0], "docs/jets.md", "exec"), names)
    assert all(tuple(names[n].shape) == (7, 1) for n in ("u", "u_x", "u_t", "u_xx", "residual"))
    assert all(p.grad is not None for p in list(names["net"].parameters())[:-1])
