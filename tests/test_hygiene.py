"""The built extension: no code of a newer instruction set where an older CPU could meet it, no OpenMP, small enough."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from fastnn import _cpu

LIBRARY = Path(_cpu.__file__)


def symbols():
    if not shutil.which("nm"):
        pytest.skip("nm is not installed")
    out = subprocess.run(["nm", "-C", "--defined-only", str(LIBRARY)], capture_output=True, text=True).stdout
    if not out.strip():
        pytest.skip("the library is stripped: no symbols to check")
    return [re.match(r"\S*\s*(\w) (.*)", line).groups() for line in out.splitlines() if re.match(r"\S+ \w ", line)]


def test_isa_code_has_no_weak_symbols():
    """A weak symbol in a file compiled for AVX-512 could be the copy the linker keeps for everybody."""
    weak = [name for kind, name in symbols() if kind in "WVu" and re.search(r"fastnn::(v2|v3|v4|neon)::", name)]
    assert not weak, weak[:10]


def test_kernel_objects_define_nothing_outside_their_namespace():
    objects = [p for p in Path(__file__).resolve().parent.parent.glob("build/CMakeFiles/kernels_v4.dir/**/*.o")]
    if not objects or not shutil.which("nm"):
        pytest.skip("no build tree with object files here")
    foreign = []
    for o in objects:
        out = subprocess.run(["nm", "-C", "--defined-only", str(o)], capture_output=True, text=True).stdout
        foreign += [f"{o.name}: {m[2]}" for m in re.finditer(r"^\S+ ([TWVuBD]) (.*)$", out, re.M)
                    if "fastnn::v4" not in m[2] and not m[2].startswith("DW.ref")]  # fmt: skip
    assert not foreign, foreign[:10]


def test_no_openmp_and_no_fast_math():
    out = subprocess.run(["ldd", str(LIBRARY)], capture_output=True, text=True).stdout if shutil.which("ldd") else ""
    assert "gomp" not in out and "omp.so" not in out
    assert not any("set_fast_math" in name for _, name in symbols())


def test_size():
    size = os.path.getsize(LIBRARY)
    if os.environ.get("FASTNN_SANITIZED"):
        pytest.skip("instrumented build")
    assert size < 24 << 20, f"{size >> 20} MiB unpacked"
