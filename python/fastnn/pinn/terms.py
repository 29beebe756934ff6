"""What a solution must satisfy: the equation inside, conditions on the boundary, at the start, at data points.

Every term has points and a residual that training drives to zero in the mean square. Functions of a term are called by
the names of their arguments: coordinates, outputs, coefficients.
"""

from __future__ import annotations

import numpy as np

from ..ops.join import cat
from ..tensor import Tensor, full, tensor
from .fields import by_name, d
from .sampling import SAMPLERS

__all__ = ["Condition", "Data", "Dirichlet", "Equation", "Initial", "Neumann", "Periodic", "Robin", "Term"]


class Term:
    """Base: `name`, a fixed `weight`, `points` (n, d) once `place` has chosen them, and `residuals`."""

    def __init__(self, points, name, weight, sampler):
        self.wanted, self.name, self.weight, self.sampler = points, name or type(self).__name__.lower(), float(weight), sampler
        if not self.weight >= 0:
            raise ValueError(f"{self.name}: the weight must be a number >= 0, got {weight}")
        if isinstance(points, (int, np.integer)) and points < 0:
            raise ValueError(f"{self.name}: expected a number of points >= 0, got {points}")
        if sampler not in SAMPLERS:
            raise ValueError(f"{self.name}: unknown sampler {sampler!r}; there are: {', '.join(SAMPLERS)}")
        self.points = None
        self.derivatives = set()  # those its residuals have asked for: the next pass computes all at once

    def place(self, problem, rng):
        """Chooses the points. ValueError for given points outside the geometry and for unknown boundaries."""
        raise NotImplementedError

    def residuals(self, problem):
        """A list of tensors (n, 1), one for each equation of the term."""
        raise NotImplementedError

    def move(self, points, problem):
        """Continues with other points (refinement, a checkpoint)."""
        self.points = np.asarray(points, dtype=np.float64)
        self.x = tensor(self.points, dtype=problem.dtype)

    def _as_list(self, value, x):
        values = value if isinstance(value, (tuple, list)) else (value,)
        out = []
        for v in values:
            if not isinstance(v, Tensor):
                raise TypeError(f"{self.name}: the function must return tensors, got {type(v).__name__}")
            if v.shape != (len(x), 1):
                raise ValueError(f"{self.name}: the function gave shape {list(v.shape)}, expected {[len(x), 1]}")
            out.append(v)
        return out

    def __repr__(self):
        return f"{type(self).__name__}({self.name!r}, {'no' if self.points is None else len(self.points)} points)"


class Equation(Term):
    """residual(u, x, ...) = 0 inside the geometry. `points` is a number or an array (n, d); a system returns a tuple."""

    def __init__(self, residual, points=1000, *, name=None, weight=1.0, sampler="uniform"):
        name = name or getattr(residual, "__name__", "equation").replace("<lambda>", "equation")
        super().__init__(points, name, weight, sampler)
        self.residual = residual

    def place(self, problem, rng):
        given = not isinstance(self.wanted, (int, np.integer))
        self.move(problem.domain.check(self.wanted, self.name) if given else problem.domain.sample(self.wanted, self.sampler, rng), problem)

    def residuals(self, problem):
        with problem.fields(self.x, self.derivatives) as f:
            return self._as_list(f.call(self.residual, problem.coefficients, self.name), self.x)


class Condition(Term):
    """residual(u, x, ...) = 0 on a boundary; the base of those with names of their own.

    on: a part's name, several, a function of coordinates that says which points are meant, or None for all of it.
    """

    def __init__(self, residual, points=100, *, on=None, name=None, weight=1.0, sampler="uniform"):
        super().__init__(points, name, weight, sampler)
        self.residual, self.on = residual, on

    def place(self, problem, rng):
        if isinstance(self.wanted, (int, np.integer)):
            x, self.normals = problem.domain.sample_boundary(self.wanted, self.on, self.sampler, rng, self.name)
        else:
            x, self.normals = problem.domain.check(self.wanted, self.name), None
        self.move(x, problem)

    def move(self, points, problem):
        super().move(points, problem)
        self.targets = {}
        if getattr(self, "normals", None) is not None:
            self.n = tensor(self.normals, dtype=problem.dtype)

    def residuals(self, problem):
        with problem.fields(self.x, self.derivatives) as f:
            return self._as_list(f.call(self.residual, problem.coefficients, self.name), self.x)

    def target(self, value, problem):
        """A number, or a function of coordinates by name, as a tensor (n, 1); computed once."""
        if "value" not in self.targets:
            if callable(value):
                columns = {name: self.x[:, i : i + 1] for i, name in enumerate(problem.domain.names)}
                value = by_name(value, columns, self.name)
            v = value.detach() if isinstance(value, Tensor) else full((1, 1), float(value), dtype=self.x.dtype)
            self.targets["value"] = v.expand(len(self.x), 1)
        return self.targets["value"]

    def along_normal(self, u, problem):
        if self.normals is None:
            raise ValueError(f"{self.name}: normals are known only at points chosen on a boundary; give the number of points")
        parts = [d(u, name) * self.n[:, i : i + 1] for i, name in enumerate(problem.domain.names) if name != problem.domain.time]
        return sum(parts[1:], parts[0])


class Dirichlet(Condition):
    """output = value, a number or a function of coordinates by name."""

    def __init__(self, value=0.0, points=100, *, output=None, **options):
        super().__init__(None, points, **options)
        self.value, self.output = value, output

    def residuals(self, problem):
        with problem.fields(self.x, self.derivatives) as f:
            return [f.values[problem.output(self.output, self.name)] - self.target(self.value, problem)]


class Neumann(Dirichlet):
    """∂output/∂n = value; n is the outward normal."""

    def residuals(self, problem):
        with problem.fields(self.x, self.derivatives) as f:
            u = f.values[problem.output(self.output, self.name)]
            return [self.along_normal(u, problem) - self.target(self.value, problem)]


class Robin(Condition):
    """∂output/∂n = function(u, x, ...)."""

    def __init__(self, function, points=100, *, output=None, **options):
        super().__init__(None, points, **options)
        self.function, self.output = function, output

    def residuals(self, problem):
        with problem.fields(self.x, self.derivatives) as f:
            u = f.values[problem.output(self.output, self.name)]
            return self._as_list(self.along_normal(u, problem) - f.call(self.function, problem.coefficients, self.name), self.x)


class Initial(Dirichlet):
    """output = value at the start of time; with derivative=1 (2, ...) its derivative by time."""

    def __init__(self, value=0.0, points=100, *, output=None, derivative=0, **options):
        super().__init__(value, points, output=output, on="initial", **options)
        self.derivative = derivative

    def residuals(self, problem):
        with problem.fields(self.x, self.derivatives) as f:
            u = f.values[problem.output(self.output, self.name)]
            u = d(u, *[problem.domain.time] * self.derivative) if self.derivative else u
            return [u - self.target(self.value, problem)]


class Periodic(Term):
    """output, and its derivatives up to `order` along `axis`, are equal on the two sides of the box across that axis."""

    def __init__(self, axis, points=100, *, order=1, output=None, name=None, weight=1.0, sampler="uniform"):
        super().__init__(points, name, weight, sampler)
        self.axis, self.order, self.output = axis, order, output

    def place(self, problem, rng):
        names = problem.domain.names
        if self.axis not in names:
            raise ValueError(f"{self.name}: there is no coordinate {self.axis!r}; there are {', '.join(names)}")
        axis, low, high = names.index(self.axis), problem.domain.low, problem.domain.high
        x, normals = problem.domain.sample_boundary(4 * len(names) * self.wanted, None, self.sampler, rng, self.name)
        x = x[normals[:, axis] < -0.5][: self.wanted]
        if not len(x) or np.abs(x[:, axis] - low[axis]).max() > problem.domain.slack:
            raise ValueError(f"{self.name}: the geometry has no flat side across {self.axis!r}")
        other = x.copy()
        other[:, axis] = high[axis]
        problem.domain.check(other, self.name)
        self.move(np.concatenate([x, other]), problem)

    def residuals(self, problem):
        n = len(self.points) // 2
        with problem.fields(self.x, self.derivatives) as f:
            u = f.values[problem.output(self.output, self.name)]
            out = [u]
            for _ in range(self.order):
                out.append(d(out[-1], self.axis))
            return [v[:n] - v[n:] for v in out]


class Data(Term):
    """Measured values (n,) or (n, k) of `output` (a name, or k names) at points (n, d) of the domain; they may be noisy."""

    def __init__(self, points, values, *, output=None, name=None, weight=1.0):
        super().__init__(points, name, weight, "uniform")
        values = np.asarray(values, dtype=np.float64)
        self.values = values[:, None] if values.ndim == 1 else values
        self.output = (output,) if output is None or isinstance(output, str) else tuple(output)

    def place(self, problem, rng):
        self.move(problem.domain.check(self.wanted, self.name), problem)
        if self.values.shape != (len(self.points), len(self.output)):
            raise ValueError(
                f"{self.name}: values of shape {self.values.shape} for {len(self.points)} points and outputs {self.output}"
            )
        self.target = tensor(self.values, dtype=problem.dtype)

    def residuals(self, problem):
        with problem.fields(self.x, self.derivatives) as f:
            names = [problem.output(output, self.name) for output in self.output]
            predicted = cat([f.values[name] for name in names], 1)
            return [predicted - self.target]
