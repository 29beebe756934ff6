"""For those who study the kernels: run an earlier rung of a ladder in place of a kernel, and read a kernel's text.

A ladder keeps the way from three plain loops to the production kernel, each rung the one before it plus one idea, each
correct on every shape. So one can train on rung 2 and watch the epoch::

    with fastnn.rung(matmul="blocked"):
        train()
    print(fastnn.source("matmul", rung="blocked"))
"""

from __future__ import annotations

import re
from pathlib import Path

from . import _cpu

PRODUCTION = "production"


def rungs(family: str | None = None):
    """The ladders: {family: [names from the first rung to "production"]}, or the list of one family. ValueError if it has none."""
    ladders: dict[str, list[str]] = {}
    for name, number, rung_name, _, _ in _cpu.rungs():
        ladder = ladders.setdefault(name, [])
        if len(ladder) < number:
            ladder.append(rung_name)
    ladders = {name: [*ladder, PRODUCTION] for name, ladder in ladders.items()}
    if family is None:
        return ladders
    if family not in ladders:
        raise ValueError(f"'{family}' has no rungs; ladders exist for: {', '.join(ladders)}")
    return ladders[family]


def _rung_name(family, choice):
    """A rung's name, given it or its number (from 1)."""
    ladder = rungs(family)
    if isinstance(choice, int) and not isinstance(choice, bool) and 1 <= choice <= len(ladder):
        return ladder[choice - 1]
    if choice in ladder:
        return choice
    raise ValueError(f"{family} has no rung {choice!r}; its rungs are: " + ", ".join(f"{i} {n}" for i, n in enumerate(ladder, 1)))


def _chosen():
    """{family: rung name} of what runs now."""
    now = dict.fromkeys(rungs(), PRODUCTION)
    now |= {family: name for family, _, name, _, chosen in _cpu.rungs() if chosen}
    return now


class rung:
    """Runs the named rungs in place of their kernels, at once and until the end of the block if used as one.

    ``rung(matmul="naive", conv2d=2)``: by name or number; "production" is the top. In every thread. ValueError for a family
    or rung that does not exist, listing those that do.
    """

    def __init__(self, **choice):
        wanted = {family: _rung_name(family, name) for family, name in choice.items()}
        self.before = _chosen()
        self._set(wanted)

    @staticmethod
    def _set(choice):
        for family, name in choice.items():
            _cpu.set_rung(family, "" if name == PRODUCTION else name)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self._set(self.before)


def _sources() -> Path:
    """Where the C++ sources lie: in the installed package, or in the tree."""
    here = Path(__file__).resolve().parent / "csrc"
    return here if here.is_dir() else Path(__file__).resolve().parents[2] / "csrc"


def source_path(name: str, rung: str | int | None = None) -> Path:
    """The file in which a kernel (``"conv2d"``, ``"layer_norm_dx"``, ``"tanh"``) or one of its rungs is written.

    Also a path below csrc (``"kernels/matmul/tile.h"``). ValueError if there is no such kernel, rung or file.
    """
    if not isinstance(name, str):
        raise TypeError(f"source: a kernel's name must be a str, not {type(name).__name__}")
    root = _sources()
    if rung is not None and (chosen := _rung_name(name, rung)) != PRODUCTION:
        kernel = next(k for family, _, r, k, _ in _cpu.rungs() if (family, r) == (name, chosen))
        for path in sorted(root.glob(f"kernels/*/rungs/*_{chosen}.cpp")):
            if re.search(rf"\b{kernel}_{chosen}\(|_RUNG\({chosen},", path.read_text()) and _defines(path.parents[1], name):
                return path
    if "/" in name and (path := (root / name).resolve()).is_file() and path.is_relative_to(root.resolve()):
        return path
    kinds = {k: kind for k, _, kind in _cpu.KERNELS}
    if name not in kinds:
        raise ValueError(f"no kernel and no file under csrc is called '{name}'")
    for folder in sorted(root.glob("kernels/*/")):
        if path := _defines(folder, name):
            return path
    return root / "kernels" / "elementwise" / "elementwise.cpp"


def _defines(folder, kernel):
    """The .cpp of a family's folder that defines the kernel, or None."""
    for path in sorted(folder.glob("*.cpp")):
        if re.search(rf"^void {kernel}\(", path.read_text(), re.M):
            return path
    return None


def source(name: str, rung: str | int | None = None) -> str:
    """The text of a kernel's file, or of one of its rungs: ``print(fastnn.source("conv2d", rung="im2col"))``. See `source_path`."""
    return source_path(name, rung).read_text()


def idea(family: str, name: str) -> str:
    """One sentence about a rung, from the head of its file; of the production kernel, where to read it."""
    if name == PRODUCTION:
        return f"what fastnn runs: csrc/{source_path(family).relative_to(_sources())}"
    head = re.match(r"// .*(?:\n// .+)*", source(family, name)).group().replace("\n//", "")
    text = head.split(": ", 1)[1]
    return re.split(r"(?<=\.)\s", text)[0].strip(" .:")


__all__ = ["idea", "rung", "rungs", "source", "source_path"]
