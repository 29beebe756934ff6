"""A problem: where, which network, what it must satisfy."""

from __future__ import annotations

import functools
import math

import numpy as np

from ..autodiff import enable_grad, no_grad
from ..nn.parameter import Parameter
from ..tensor import tensor
from .fields import Fields

__all__ = ["Problem", "relative_l2"]

CHUNK = 20_000  # points evaluated at once by predict and evaluate: bounds their memory


def relative_l2(value, reference):
    """‖value - reference‖ / ‖reference‖ over all points."""
    value, reference = np.asarray(value, dtype=np.float64).ravel(), np.asarray(reference, dtype=np.float64).ravel()
    if value.shape != reference.shape:
        raise ValueError(f"relative_l2: {value.size} values, {reference.size} reference values")
    return float(np.linalg.norm(value - reference) / np.linalg.norm(reference))


class Problem:
    """domain, net (points (n, d) → (n, outputs)), and terms; everything is chosen at once from `seed`.

    outputs: names of the network's columns. coefficients: {name: start value} of unknown numbers, trained with the network
    (inverse problems); functions get them by name. transform: a function of coordinates and outputs, by name, whose result
    takes the place of the outputs: a hard constraint, such as ``lambda x, u: x * (1 - x) * u``.
    """

    def __init__(self, domain, net, terms, *, outputs=("u",), coefficients=None, transform=None, seed=0):
        self.domain, self.net, self.terms = domain, net, list(terms)
        self.outputs = (outputs,) if isinstance(outputs, str) else tuple(outputs)
        self.transform = transform
        self.dtype = next(net.parameters()).dtype
        starts = (coefficients or {}).items()
        self.coefficients = {name: Parameter(tensor(float(value), dtype=self.dtype)) for name, value in starts}
        names = [*domain.names, *self.outputs, *self.coefficients]
        if len(set(names)) != len(names):
            raise ValueError(f"coordinates, outputs and coefficients need different names, got {', '.join(names)}")
        used = set()
        for term in self.terms:  # several terms of a kind: dirichlet, dirichlet 2, ...
            base, count = term.name, 1
            while term.name in used:
                count += 1
                term.name = f"{base} {count}"
            used.add(term.name)
        rng = np.random.default_rng(seed)
        for term in self.terms:
            term.place(self, rng)

    def parameters(self):
        """All that is trained: the network's parameters, then the coefficients."""
        return [*self.net.parameters(), *self.coefficients.values()]

    def output(self, name, what):
        """The name of an output; None means the only one. ValueError where there is none of that name."""
        if name is None and len(self.outputs) == 1:
            return self.outputs[0]
        if name not in self.outputs:
            raise ValueError(f"{what}: there is no output {name!r}; there are {', '.join(self.outputs)}")
        return name

    def fields(self, x, wanted=None, **options):
        """The evaluation at tensor x (n, d), to be entered by `with`; options go to the network. wanted: see `Fields`."""
        net = Bound(self.net, options) if options else self.net
        return Fields(net, x, self.domain.names, self.outputs, time=self.domain.time, transform=self.transform, wanted=wanted)

    # ---- loss ---------------------------------------------------------------------------------------------------------

    def losses(self, factors=None, keep=()):
        """({term name: mean square of its residuals, without weights}, {name: residuals (n, k) as an array} of those in keep).

        factors: {term name: factors of its residuals (n, 1)}.
        """
        losses, kept = {}, {}
        for term in self.terms:
            residuals = term.residuals(self)
            if term.name in keep:
                kept[term.name] = np.concatenate([r.detach().numpy() for r in residuals], 1)
            if factors and term.name in factors:
                residuals = [r * factors[term.name] for r in residuals]
            squares = [(r * r).mean() for r in residuals]
            losses[term.name] = sum(squares[1:], squares[0])
        return losses, kept

    # ---- results ------------------------------------------------------------------------------------------------------

    def predict(self, points):
        """The outputs at points (n, d), as an array (n, outputs). ValueError for points outside the geometry."""
        x = self.domain.check(points, "predict")
        with no_grad():
            chunks = [tensor(x[i : i + CHUNK], dtype=self.dtype) for i in range(0, len(x), CHUNK)]
            fields = [self.fields(chunk) for chunk in chunks]
        parts = [np.concatenate([f.values[name].numpy() for name in self.outputs], 1) for f in fields]
        return np.concatenate(parts) if parts else np.zeros((0, len(self.outputs)))

    def evaluate(self, function, points):
        """A function of outputs, coordinates and coefficients by name, which may use `d`, at points (n, d): an array (n,)."""
        x = self.domain.check(points, "evaluate")
        parts = []
        for i in range(0, len(x), CHUNK):
            with enable_grad(), self.fields(tensor(x[i : i + CHUNK], dtype=self.dtype)) as f:
                parts.append(f.call(function, self.coefficients, "evaluate").detach().numpy()[:, 0])
        return np.concatenate(parts)

    def error(self, points, reference, output=None):
        """The relative L2 error of an output against reference values (n,) at points (n, d)."""
        column = self.outputs.index(self.output(output, "error"))
        return relative_l2(self.predict(points)[:, column], reference)

    def residual(self, term, points):
        """The root of the sum of squares of a term's residuals at other points: what refinement looks at. (n,)"""
        before = term.points
        try:
            term.move(points, self)
            square = sum((r.detach() ** 2).sum(1) for r in term.residuals(self))
            return np.sqrt(square.numpy())
        finally:
            term.move(before, self)

    def __repr__(self):
        lines = [f"Problem in {', '.join(self.domain.names)} for {', '.join(self.outputs)}: {count(self.parameters())} parameters"]
        return "\n".join(lines + [f"  {term!r}" for term in self.terms])


class Bound:
    """A network with some of its options fixed."""

    def __init__(self, net, options):
        self.net, self.options = net, options
        self.jet = functools.partial(net.jet, **options) if hasattr(net, "jet") else None

    def __call__(self, x):
        return self.net(x, **self.options)


def count(parameters):
    return sum(math.prod(p.shape) for p in parameters)
