"""Geometries by their volume, surface and normals; parts of boundaries; samplers."""

import math
import sys

import numpy as np
import pytest

from fastnn import pinn

PI = math.pi

SQUARE = pinn.Rectangle((0, 0), (2, 1))
SHAPES = {
    "interval": (pinn.Interval(-1, 3), 4.0, 2.0),
    "time": (pinn.Time(0, 2), 2.0, 2.0),
    "rectangle": (SQUARE, 2.0, 6.0),
    "box": (pinn.Rectangle((0, 0, 0), (1, 2, 3)), 6.0, 22.0),
    "disk": (pinn.Disk((1, 1), 2), 4 * PI, 4 * PI),
    "triangle": (pinn.Polygon([(0, 0), (1, 0), (0, 1)]), 0.5, 2 + math.sqrt(2)),
    "clockwise": (pinn.Polygon([(0, 0), (0, 1), (1, 0)]), 0.5, 2 + math.sqrt(2)),
    "union": (SQUARE + pinn.Rectangle((1, 0.5), (3, 2)), 2 + 3 - 0.5, 6 + 7 - 3),
    "difference": (SQUARE - pinn.Disk((1, 0.5), 0.25), 2 - PI / 16, 6 + PI / 2),
    "intersection": (SQUARE & pinn.Rectangle((1, 0.5), (3, 2)), 0.5, 3.0),
    "L": (pinn.Rectangle((-1, -1), (1, 1)) - pinn.Rectangle((0, 0), (1, 1)), 3.0, 8.0),
    "spacetime": (pinn.Interval(-1, 1) * pinn.Time(0, 3), 6.0, 10.0),
    "disk in time": (pinn.Disk((0, 0), 1) * pinn.Time(0, 1), PI, 4 * PI),
}


@pytest.mark.parametrize("name", SHAPES)
def test_geometry(name):
    """Volume by counting, surface by the faces that are left, normals by stepping across the boundary."""
    g, volume, surface = SHAPES[name]
    rng = np.random.default_rng(0)
    box = g.low + (g.high - g.low) * rng.random((20_000, len(g.names)))
    assert g.contains(box).mean() * np.prod(g.high - g.low) == pytest.approx(volume, rel=0.04)
    measured = sum(f.measure * len(f.sample(4000, "uniform", rng)) / (4000 if f.dims else 1) for f in g.faces())
    assert measured == pytest.approx(surface, rel=0.05)
    x = g.sample(500, rng=rng)
    assert x.shape == (500, len(g.names)) and g.contains(x).all()
    everywhere = g.parts if g.time else None
    x, n = g.sample_boundary(300, everywhere, rng=rng)
    assert abs(len(x) - 300) <= len(g.faces()) or len(g.names) == 1
    np.testing.assert_allclose(np.linalg.norm(n, axis=1), 1)
    step = 1e-4 * (g.high - g.low).min()
    assert g.contains(x).all()
    assert g.contains(x - step * n).mean() > 0.97  # a step along the normal at a corner may leave by the other side
    assert not g.contains(x + step * n).any()


def test_parts_of_the_boundary():
    x, n = SQUARE.sample_boundary(50, "left")
    assert (x[:, 0] == 0).all() and (n == [-1, 0]).all() and len(x) == 50
    x, _ = SQUARE.sample_boundary(60, ["top", "bottom"])
    assert set(x[:, 1]) == {0.0, 1.0}
    x, _ = SQUARE.sample_boundary(40, lambda x, y: (x > 1) & (y == 1))
    assert len(x) == 40 and (x[:, 0] > 1).all()
    domain = pinn.Interval(0, 1) * pinn.Time(2, 3)
    assert domain.parts == ("left", "right", "initial", "final")
    x, _ = domain.sample_boundary(30)  # None: the sides, neither start nor end
    assert set(x[:, 0]) == {0.0, 1.0}
    assert (domain.sample_boundary(30, "initial")[0][:, 1] == 2).all()
    assert len(pinn.Interval(0, 1).sample_boundary(100)[0]) == 2


def test_bad_geometry():
    for make in (
        lambda: pinn.Interval(1, 0), lambda: pinn.Rectangle((0, 0), (1, 0)), lambda: pinn.Disk((0, 0), 0), lambda: pinn.Disk(0, 1),
        lambda: pinn.Polygon([(0, 0), (1, 1)]), lambda: pinn.Polygon([(0, 0), (1, 1), (2, 2)]), lambda: SQUARE + pinn.Interval(0, 1),
        lambda: (SQUARE & pinn.Rectangle((5, 5), (6, 6))).sample(10),
    ):  # fmt: skip
        with pytest.raises(ValueError):
            make()
    with pytest.raises(TypeError, match="Time"):
        SQUARE * SQUARE
    with pytest.raises(ValueError, match=r"^walls: there is no boundary 'lefft'; this geometry has left, right, bottom, top$"):
        SQUARE.sample_boundary(10, "lefft", what="walls")
    with pytest.raises(ValueError, match="no point of the boundary"):
        SQUARE.sample_boundary(10, lambda x: x > 100)
    with pytest.raises(ValueError, match=r"^sensors: point 1 \(x=1, y=7\) is outside the geometry \(1 of 2 points are\)$"):
        SQUARE.check([[0, 0], [1, 7]], "sensors")


@pytest.mark.parametrize("sampler", pinn.sampling.SAMPLERS)
@pytest.mark.parametrize("n,dims", [(1, 1), (64, 1), (100, 2), (33, 3)])
def test_samplers(sampler, n, dims):
    if sampler in ("lhs", "sobol", "halton"):
        pytest.importorskip("scipy")
    x = pinn.unit_points(n, dims, sampler, 3)
    assert len(x) == n or (sampler == "grid" and len(x) >= n)
    assert x.shape[1] == dims and (x >= 0).all() and (x < 1).all()
    np.testing.assert_array_equal(x, pinn.unit_points(n, dims, sampler, 3))
    if sampler == "lhs":  # one point in each of n slices of every axis
        assert all(sorted((x[:, i] * n).astype(int)) == list(range(n)) for i in range(dims))


def test_samplers_without_scipy(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy.stats", None)
    with pytest.raises(ImportError, match=r'sampler "sobol" needs SciPy: pip install "fastnn\[pinn\]"'):
        pinn.unit_points(8, 2, "sobol")
    with pytest.raises(ValueError, match="unknown sampler 'random'"):
        pinn.unit_points(8, 2, "random")
