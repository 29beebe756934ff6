"""Writes python/fastnn/_cpu.pyi from csrc/kernels.def; `--check` fails when the file is out of date."""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STUB = ROOT / "python" / "fastnn" / "_cpu.pyi"

HEAD = '''"""The CPU kernels. Generated from csrc/kernels.def by tools/stubs.py; do not edit."""

from collections.abc import Callable, Sequence
from typing import Any

from .tensor import Tensor

class Array:
    ndim: int
    requires_grad: bool
    def __getattr__(self, name: str) -> Any: ...

KERNELS: list[tuple[str, str, str]]

def __getattr__(name: str) -> Callable[..., Any]: ...
'''
TYPES = {"In": "Tensor | None", "Out": "Tensor", "PackedIn": "Tensor | None", "PackedOut": "Tensor", "HostIn": "Tensor | None", "State": "Tensor", "Ins": "Sequence[Tensor]"}
TYPES |= {"Outs": "Sequence[Tensor]", "int64_t": "int", "double": "float", "bool": "bool", "Ints": "Sequence[int]"}


def kernels():
    """(kind, name, rest) of every line of kernels.def."""
    text = (ROOT / "csrc" / "kernels.def").read_text()
    text = re.sub(r"//[^\n]*", "", text)
    text = re.sub(r"#(ifndef|define|endif|undef)[^\n]*", "", text)
    for m in re.finditer(r"\b(KERNEL|UNARY|BINARY|TERNARY)\((\w+),\s*(\((?:[^()]*)\)|\w+)\s*\)", text):
        yield m.groups()


def stub():
    lines = [HEAD]
    for kind, name, rest in kernels():
        if kind == "KERNEL":
            arguments = [a.split() for a in rest.strip("()").split(",")]
            text = ", ".join(f"{a[-1]}: {TYPES.get(a[0], 'Sequence[int]')}" for a in arguments)
            lines.append(f"def {name}({text}) -> None: ...")
        else:
            names = {"UNARY": "x", "BINARY": "a b", "TERNARY": "a b c"}[kind].split()
            text = ", ".join(f"{n}: Tensor | float" for n in names)
            lines.append(f"def {name}({text}, out: Tensor | None = None) -> Tensor: ...")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    if "--check" in sys.argv:
        if not STUB.exists() or STUB.read_text() != stub():
            sys.exit(f"{STUB.relative_to(ROOT)} is out of date: run python tools/stubs.py")
    else:
        STUB.write_text(stub())
