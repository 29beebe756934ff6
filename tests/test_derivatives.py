"""The table of derivatives: every op has vjp, jvp and vjp of vjp, in float32 and float64, or is listed as having none."""

import sys
from pathlib import Path

import numpy as np
import pytest

import fastnn
from samples import families

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tools"))
import derivatives as tool

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def table():
    with np.errstate(all="ignore"):
        return tool.coverage()


def test_derivatives_agree_with_finite_differences_and_each_other(table):
    assert not table[1], "\n".join(table[1])


def test_no_op_has_a_hole(table):
    holes = [r for r in table[0] if "no" in r]
    assert not holes, f"no sample shows these derivatives: {holes}"


def test_smooth_ops_have_rules_of_forward_mode(table):
    assert not [r for r in table[0] if r[2] == "vjp-trick"]


def test_shipped_table_is_current(table):
    lines = []
    shipped = fastnn.derivatives(print=lines.append)
    assert [tuple(r.values()) for r in shipped] == table[0], "run python tools/derivatives.py"
    assert lines[0].split()[:3] == ["family", "op", "kind"]
    assert {r["family"] for r in shipped} <= {*families(), *fastnn.ops.MODULES}
