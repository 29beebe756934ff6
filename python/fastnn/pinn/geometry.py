"""Where a problem lives: intervals, boxes, disks, polygons, what set operations make of them, and time.

A geometry knows which points it contains and has faces, the named parts of its boundary. `geometry * Time(0, 1)` is the
space-time domain, `a + b`, `a - b`, `a & b` are union, difference and intersection.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from .sampling import unit_points

__all__ = ["Disk", "Geometry", "Interval", "Polygon", "Rectangle", "SpaceTime", "Time"]

AXES = ("x", "y", "z")
SIDES = (("left", "right"), ("bottom", "top"), ("front", "back"))
EDGE = 1e-9  # points this close to the boundary, relative to the extent, are on it
TRIES = 60  # rounds of rejection sampling before giving up


@dataclass(frozen=True)
class Face:
    """A part of a boundary: `place` maps points of the unit cube of `dims` dimensions onto it."""

    name: str
    dims: int
    measure: float
    place: Callable  # (n, dims) -> points (n, d)
    normal: Callable  # points (n, d) -> outward unit normals (n, d)
    keep: tuple = ()  # of functions points -> bool (n,): what set operations leave of it

    def sample(self, n, sampler, rng):
        """About n evenly drawn points, less those that `keep` rejects."""
        x = self.place(unit_points(max(n, 1) if self.dims else 1, self.dims, sampler, rng))
        for keep in self.keep:
            x = x[keep(x)]
        return x

    def also(self, keep):
        return replace(self, keep=(*self.keep, keep))

    def flipped(self):
        return replace(self, normal=lambda x, normal=self.normal: -normal(x))


class Geometry:
    """Base: `names` of the coordinates, the bounding box `low`, `high`, `contains`, and `faces`."""

    names: tuple
    low: np.ndarray
    high: np.ndarray
    time: str | None = None

    def contains(self, x):
        """Which of the points x (n, d) are inside or on the boundary: bool (n,)."""
        raise NotImplementedError

    def faces(self):
        """The list of all faces."""
        raise NotImplementedError

    @property
    def parts(self):
        """The names of the parts of the boundary."""
        return tuple(dict.fromkeys(f.name for f in self.faces()))

    @property
    def slack(self):
        return EDGE * float(np.max(self.high - self.low))

    def columns(self, x):
        """{name: column (n,)} of points."""
        return {name: x[:, i] for i, name in enumerate(self.names)}

    def check(self, x, what):
        """x as a float64 array (n, d). ValueError, naming the first, if a point is outside; `what` begins the message."""
        x = np.asarray(x, dtype=np.float64)
        x = x[:, None] if x.ndim == 1 and len(self.names) == 1 else x
        if x.ndim != 2 or x.shape[1] != len(self.names):
            raise ValueError(f"{what}: expected points of shape (n, {len(self.names)}) for {', '.join(self.names)}, got {x.shape}")
        outside = np.flatnonzero(~self.contains(x))
        if len(outside):
            where = ", ".join(f"{name}={value:g}" for name, value in zip(self.names, x[outside[0]], strict=True))
            raise ValueError(f"{what}: point {outside[0]} ({where}) is outside the geometry ({len(outside)} of {len(x)} points are)")
        return x

    def sample(self, n, sampler="uniform", rng=None):
        """n points of the interior, (n, d). ValueError where the geometry holds (nearly) no point of its bounding box."""
        rng = np.random.default_rng(rng)
        found, wanted = [], n
        for _ in range(TRIES):
            x = self.low + (self.high - self.low) * unit_points(wanted, len(self.names), sampler, rng)
            x = x[self.contains(x)]
            found.append(x)
            total = sum(map(len, found))
            if total >= n or sampler == "grid":
                break
            wanted = int(1.2 * (n - total) / max(0.02, len(x) / wanted)) + 8
        x = np.concatenate(found)
        if not len(x) or (len(x) < n and sampler != "grid"):
            raise ValueError(f"{type(self).__name__}: found only {len(x)} of {n} points; is the geometry empty?")
        return x if sampler == "grid" else x[:n]

    def select(self, on=None, what="boundary"):
        """The faces meant by `on`: None (all but initial and final), a name, or a list of names. ValueError for others."""
        faces = self.faces()
        if on is None or callable(on):
            chosen = [f for f in faces if f.name not in ("initial", "final")]
            return [f.also(lambda x: self._where(on, x)) for f in chosen] if callable(on) else chosen
        names = (on,) if isinstance(on, str) else tuple(on)
        for name in names:
            if name not in self.parts:
                raise ValueError(f"{what}: there is no boundary {name!r}; this geometry has {', '.join(self.parts)}")
        return [f for f in faces if f.name in names]

    def _where(self, predicate, x):
        from .fields import by_name

        return np.broadcast_to(np.asarray(by_name(predicate, self.columns(x), "boundary")), len(x)).astype(bool)

    def sample_boundary(self, n, on=None, sampler="uniform", rng=None, what="boundary"):
        """About n points of the faces `on` and the outward normals there, both (n, d); in proportion to the faces' size.

        `on` may also be a function of coordinates, by name, that says which points of the boundary are meant. A face that
        is a single point gives one point. ValueError for an unknown boundary, or where no point is left.
        """
        rng = np.random.default_rng(rng)
        faces = self.select(on, what)
        kept = [len(f.sample(256, "uniform", rng)) / (256 if f.dims else 1) * f.measure for f in faces]
        points, normals = [], []
        for face, size in zip(faces, kept, strict=True):
            if size == 0:
                continue
            wanted = max(1, round(n * size / sum(kept)))
            x = face.sample(wanted, sampler, rng)
            for _ in range(TRIES):
                if len(x) >= wanted or not face.dims:
                    break
                x = np.concatenate([x, face.sample(2 * wanted, sampler, rng)])
            points.append(x[:wanted])
            normals.append(face.normal(x[:wanted]))
        if not points:
            raise ValueError(f"{what}: no point of the boundary satisfies {on!r}")
        return np.concatenate(points), np.concatenate(normals)

    def __mul__(self, time):
        return SpaceTime(self, time)

    def __add__(self, other):
        return Union(self, other)

    def __sub__(self, other):
        return Difference(self, other)

    def __and__(self, other):
        return Intersection(self, other)


class Rectangle(Geometry):
    """The box between two corners, of any dimension: Rectangle((0, 0), (1, 2)). Parts: left, right, bottom, top, front, back."""

    def __init__(self, low, high, names=None, sides=SIDES):
        self.low, self.high = (np.atleast_1d(np.asarray(v, dtype=np.float64)) for v in (low, high))
        if self.low.shape != self.high.shape or not (self.low < self.high).all():
            raise ValueError(f"{type(self).__name__}: the corner {high} must be beyond {low} in every coordinate")
        self.names = tuple(names or AXES[: len(self.low)])
        if len(self.names) != len(self.low):
            raise ValueError(f"{type(self).__name__}: {len(self.low)} coordinates, but the names {self.names}")
        self.sides = sides

    def contains(self, x):
        return ((x >= self.low - self.slack) & (x <= self.high + self.slack)).all(1)

    def faces(self):
        faces = []
        extent = self.high - self.low
        for axis in range(len(self.low)):
            others = [i for i in range(len(self.low)) if i != axis]
            for side, end, sign in zip(self.sides[axis], (self.low, self.high), (-1.0, 1.0), strict=True):

                def place(u, axis=axis, others=others, end=end):
                    x = np.empty((len(u), len(self.low)))
                    x[:, others] = self.low[others] + extent[others] * u
                    x[:, axis] = end[axis]
                    return x

                def normal(x, axis=axis, sign=sign):
                    n = np.zeros_like(x)
                    n[:, axis] = sign
                    return n

                faces.append(Face(side, len(others), float(np.prod(extent[others])), place, normal))
        return faces


class Interval(Rectangle):
    """[low, high] on the axis `name`. Parts: left, right."""

    def __init__(self, low, high, name="x"):
        super().__init__([low], [high], (name,))


class Time(Rectangle):
    """[start, end] of time. Alone it is the domain of an ordinary differential equation. Parts: initial, final."""

    def __init__(self, start, end, name="t"):
        super().__init__([start], [end], (name,), (("initial", "final"),))
        self.time = name


class Disk(Geometry):
    """All points within `radius` of `centre`, in the plane. Part: circle."""

    def __init__(self, centre, radius, names=("x", "y")):
        self.centre, self.radius = np.asarray(centre, dtype=np.float64), float(radius)
        if self.centre.shape != (2,) or not self.radius > 0:
            raise ValueError(f"Disk: expected a centre (x, y) and a radius > 0, got {centre} and {radius}")
        self.names = tuple(names)
        self.low, self.high = self.centre - self.radius, self.centre + self.radius

    def contains(self, x):
        return np.hypot(*(x - self.centre).T) <= self.radius + self.slack

    def faces(self):
        def place(u):
            angle = 2 * np.pi * u[:, 0]
            return self.centre + self.radius * np.stack([np.cos(angle), np.sin(angle)], 1)

        return [Face("circle", 1, 2 * np.pi * self.radius, place, lambda x: (x - self.centre) / self.radius)]


class Polygon(Geometry):
    """The inside of a simple polygon, its vertices (k, 2) in order. Parts: edge 0 (from vertex 0 to 1), edge 1, ..."""

    def __init__(self, vertices, names=("x", "y")):
        v = np.asarray(vertices, dtype=np.float64)
        if v.ndim != 2 or v.shape[1] != 2 or len(v) < 3:
            raise ValueError(f"Polygon: expected at least three vertices (x, y), got shape {v.shape}")
        w = np.roll(v, -1, 0)
        area = 0.5 * np.sum(v[:, 0] * w[:, 1] - w[:, 0] * v[:, 1])
        if area == 0:
            raise ValueError("Polygon: the vertices enclose no area")
        self.start, self.end = v, w
        self.turn = np.sign(area)  # 1: anticlockwise
        self.names = tuple(names)
        self.low, self.high = v.min(0), v.max(0)

    def contains(self, x):
        """By the number of edges that a ray to the right crosses; points close to an edge are inside."""
        inside, near = np.zeros(len(x), dtype=bool), np.zeros(len(x), dtype=bool)
        for a, b in zip(self.start, self.end, strict=True):
            crosses = (a[1] > x[:, 1]) != (b[1] > x[:, 1])
            with np.errstate(divide="ignore", invalid="ignore"):
                inside ^= crosses & (x[:, 0] < a[0] + (b[0] - a[0]) * (x[:, 1] - a[1]) / (b[1] - a[1]))
            edge = b - a
            nearest = a + np.clip((x - a) @ edge / (edge @ edge), 0, 1)[:, None] * edge
            near |= np.hypot(*(x - nearest).T) <= self.slack
        return inside | near

    def faces(self):
        faces = []
        for i, (a, b) in enumerate(zip(self.start, self.end, strict=True)):
            length = float(np.hypot(*(b - a)))
            out = self.turn * np.array([b[1] - a[1], a[0] - b[0]]) / length
            faces.append(Face(f"edge {i}", 1, length, lambda u, a=a, b=b: a + u * (b - a), lambda x, out=out: np.tile(out, (len(x), 1))))
        return faces


class SetOperation(Geometry):
    """Of two geometries in the same coordinates. Parts: those of both, as far as they bound the result."""

    turned = False  # b's outside is the result's inside

    def __init__(self, a, b):
        if a.names != b.names:
            raise ValueError(f"{type(self).__name__}: coordinates {a.names} and {b.names} differ")
        self.a, self.b, self.names, self.time = a, b, a.names, a.time
        self.low, self.high = np.minimum(a.low, b.low), np.maximum(a.high, b.high)

    @property
    def slack(self):
        return max(self.a.slack, self.b.slack)

    def faces(self):
        """Faces of a and b where the inside of the result is behind and not in front; what both share is a's."""
        step = 20 * self.slack
        in_a = _strictly_inside(self.a)

        def bounds(normal):
            return lambda x: self.contains(x - step * normal(x)) & ~self.contains(x + step * normal(x))

        others = [f.flipped() if self.turned else f for f in self.b.faces()]
        others = [f.also(lambda x: ~self.a.contains(x) | in_a(x)) for f in others]
        return [f.also(bounds(f.normal)) for f in [*self.a.faces(), *others]]


def _strictly_inside(geometry):
    """Which points lie inside and not on the boundary: those whose neighbours in all directions are inside as well."""

    def inside(x):
        step = 4 * geometry.slack
        shifts = step * np.concatenate([np.eye(x.shape[1]), -np.eye(x.shape[1])])
        return np.logical_and.reduce([geometry.contains(x + shift) for shift in shifts])

    return inside


class Union(SetOperation):
    """What is in a or in b: `a + b`."""

    def contains(self, x):
        return self.a.contains(x) | self.b.contains(x)


class Difference(SetOperation):
    """What is in a and not in b: `a - b`."""

    turned = True

    def __init__(self, a, b):
        super().__init__(a, b)
        self.low, self.high = a.low, a.high

    def contains(self, x):
        return self.a.contains(x) & ~_strictly_inside(self.b)(x)


class Intersection(SetOperation):
    """What is in both: `a & b`."""

    def __init__(self, a, b):
        super().__init__(a, b)
        self.low, self.high = np.maximum(a.low, b.low), np.minimum(a.high, b.high)

    def contains(self, x):
        return self.a.contains(x) & self.b.contains(x)


class SpaceTime(Geometry):
    """A geometry during a time: `Interval(-1, 1) * Time(0, 1)`. Parts: those of space, initial, final."""

    def __init__(self, space, time):
        if not isinstance(time, Time) or space.time is not None:
            raise TypeError("a geometry can only be multiplied by Time(start, end), once")
        self.space, self.span, self.time = space, time, time.time
        self.names = (*space.names, time.time)
        self.low, self.high = np.append(space.low, time.low), np.append(space.high, time.high)

    def contains(self, x):
        return self.space.contains(x[:, :-1]) & self.span.contains(x[:, -1:])

    def faces(self):
        start, end = float(self.span.low[0]), float(self.span.high[0])
        faces = []
        for f in self.space.faces():
            faces.append(
                Face(
                    f.name,
                    f.dims + 1,
                    f.measure * (end - start),
                    lambda u, f=f: np.column_stack([f.place(u[:, :-1]), start + (end - start) * u[:, -1]]),
                    lambda x, f=f: np.column_stack([f.normal(x[:, :-1]), np.zeros(len(x))]),
                    tuple(lambda x, keep=keep: keep(x[:, :-1]) for keep in f.keep),
                )
            )
        low, size, d = self.space.low, self.space.high - self.space.low, len(self.space.names)
        for name, t, sign in (("initial", start, -1.0), ("final", end, 1.0)):
            faces.append(
                Face(
                    name,
                    d,
                    float(np.prod(size)),
                    lambda u, t=t: np.column_stack([low + size * u, np.full(len(u), t)]),
                    lambda x, sign=sign: np.tile(np.append(np.zeros(d), sign), (len(x), 1)),
                    (lambda x: self.space.contains(x[:, :-1]),),
                )
            )
        return faces
