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
DEVICES = ("cpu", "cuda")  # each with ladders of its own


def _kind(device) -> str:
    """The kind, "cpu" or "cuda", of a device or its name; whether there is one does not matter here."""
    kind = str(device).split(":")[0]
    if kind not in DEVICES:
        raise ValueError(f"expected device 'cpu' or 'cuda', not {device!r}")
    return kind


def _list(device):
    """(family, number, name, kernel, chosen) of every rung of a device."""
    return _cpu.rungs(device == "cuda")


def rungs(family: str | None = None, device="cpu"):
    """The ladders of a device, "cpu" or "cuda": {family: [names from the first rung to "production"]}, or the list of one family.

    No GPU is needed to ask. ValueError for a family that has none there.
    """
    device = _kind(device)
    ladders: dict[str, list[str]] = {}
    for name, number, rung_name, _, _ in _list(device):
        ladder = ladders.setdefault(name, [])
        if len(ladder) < number:
            ladder.append(rung_name)
    ladders = {name: [*ladder, PRODUCTION] for name, ladder in ladders.items()}
    if family is None:
        return ladders
    if family not in ladders:
        where = " on cuda" if device == "cuda" else ""
        raise ValueError(f"'{family}' has no rungs{where}; ladders exist for: {', '.join(ladders)}")
    return ladders[family]


def _rung_name(family, choice, device="cpu"):
    """A rung's name, given it or its number (from 1)."""
    ladder = rungs(family, device)
    if isinstance(choice, int) and not isinstance(choice, bool) and 1 <= choice <= len(ladder):
        return ladder[choice - 1]
    if choice in ladder:
        return choice
    raise ValueError(f"{family} has no rung {choice!r}; its rungs are: " + _listed(family, device))


def _listed(family, device):
    return ", ".join(f"{i} {n}" for i, n in enumerate(rungs(family, device), 1))


def _wanted(family, choice):
    """{device: rung name} of a choice that names no device: every ladder that has a rung of the name; a number is the CPU's."""
    if not isinstance(choice, str):
        return {"cpu": _rung_name(family, choice)}
    found = {device: choice for device in DEVICES if choice in rungs(device=device).get(family, ())}
    if found:
        return found
    if family not in rungs(device="cuda"):
        return {"cpu": _rung_name(family, choice)}
    raise ValueError(f"{family} has no rung {choice!r}; its rungs are: {_listed(family, 'cpu')}; on cuda: {_listed(family, 'cuda')}")


def _chosen():
    """{(device, family): rung name} of what runs now."""
    now = {(device, family): PRODUCTION for device in DEVICES for family in rungs(device=device)}
    return now | {(device, family): name for device in DEVICES for family, _, name, _, chosen in _list(device) if chosen}


class rung:
    """Runs the named rungs in place of their kernels, at once and until the end of the block if used as one.

    ``rung(matmul="naive", conv2d=2)``: by name or number; "production" is the top. In every thread. A GPU has ladders of its own:
    a name is taken by every ladder that has it, a number is the CPU's; ``rung(device="cuda", matmul=2)`` speaks of one only.
    ValueError for a family or rung that does not exist, listing those that do.
    """

    def __init__(self, *, device=None, **choice):
        if device is None:
            wanted = {(place, family): name for family, asked in choice.items() for place, name in _wanted(family, asked).items()}
        else:
            device = _kind(device)
            wanted = {(device, family): _rung_name(family, asked, device) for family, asked in choice.items()}
        self.before = _chosen()
        self._set(wanted)

    @staticmethod
    def _set(choice):
        for (device, family), name in choice.items():
            _cpu.set_rung(family, "" if name == PRODUCTION else name, device == "cuda")

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self._set(self.before)


def _sources() -> Path:
    """Where the C++ sources lie: in the installed package, or in the tree."""
    here = Path(__file__).resolve().parent / "csrc"
    return here if here.is_dir() else Path(__file__).resolve().parents[2] / "csrc"


def source_path(name: str, rung: str | int | None = None, device="cpu") -> Path:
    """The file in which a kernel (``"conv2d"``, ``"layer_norm_dx"``, ``"tanh"``) or one of its rungs is written, for a device.

    Also a path below csrc (``"kernels/matmul/tile.h"``). ValueError if there is no such kernel, rung or file.
    """
    if not isinstance(name, str):
        raise TypeError(f"source: a kernel's name must be a str, not {type(name).__name__}")
    root, device = _sources(), _kind(device)
    suffix = ".cu" if device == "cuda" else ".cpp"
    if rung is not None and (chosen := _rung_name(name, rung, device)) != PRODUCTION:
        kernel = next(k for family, _, r, k, _ in _list(device) if (family, r) == (name, chosen))
        for path in sorted(root.glob(f"kernels/*/rungs/*_{chosen}{suffix}")):
            if re.search(rf"\b{kernel}_{chosen}\(|_RUNG\({chosen},", path.read_text()) and _defines(path.parents[1], name, suffix):
                return path
    if "/" in name and (path := (root / name).resolve()).is_file() and path.is_relative_to(root.resolve()):
        return path
    kinds = {k: kind for k, _, kind in _cpu.KERNELS}
    if name not in kinds:
        raise ValueError(f"no kernel and no file under csrc is called '{name}'")
    for folder in sorted(root.glob("kernels/*/")):
        if path := _defines(folder, name, suffix):
            return path
    if kinds[name] != "kernel":
        return root / "kernels" / "elementwise" / ("tile.cuh" if device == "cuda" else "elementwise.cpp")
    if device == "cuda" and (path := source_path(name)).with_suffix(".cu").is_file():
        return path  # its .cu includes it: one text for both
    raise ValueError(f"there is no kernel '{name}' for {device}")


def _defines(folder, kernel, suffix):
    """The file of a family's folder that defines the kernel, or None."""
    for path in sorted(folder.glob("*" + suffix)):
        if re.search(rf"^void {kernel}\([^;{{]*{{", path.read_text(), re.M):
            return path
    return None


def source(name: str, rung: str | int | None = None, device="cpu") -> str:
    """The text of a kernel's file, or of one of its rungs: ``print(fastnn.source("conv2d", rung="im2col"))``. See `source_path`."""
    return source_path(name, rung, device).read_text()


def idea(family: str, name: str, device="cpu") -> str:
    """One sentence about a rung, from the head of its file; of the production kernel, where to read it."""
    if name == PRODUCTION:
        return f"what fastnn runs: csrc/{source_path(family, device=device).relative_to(_sources())}"
    head = re.match(r"// .*(?:\n// .+)*", source(family, name, device)).group().replace("\n//", "")
    text = head.split(": ", 1)[1]
    return re.split(r"(?<=\.)\s", text)[0].strip(" .:")


__all__ = ["idea", "rung", "rungs", "source", "source_path"]
