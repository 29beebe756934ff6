"""Networks and data turned into formulas: sparse regression over a library of terms, or genetic search by gplearn.

Both have one method, ``fit(columns, target) -> Formula``: columns {name: values (n,)}, target (n,). A Formula prints as
text, becomes a SymPy expression, and can be compared with a network in value and in derivatives.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from ..autodiff import grad
from ..ops import elementwise as E
from ..ops.elementwise import add, mul, sub
from ..tensor import Tensor, full_like, tensor

__all__ = ["Fidelity", "Formula", "GeneticSearch", "SparseRegression", "library"]

FUNCTIONS = {name: getattr(E, name) for name in ("sin", "cos", "exp", "log", "sqrt", "abs")}


@dataclass(frozen=True)
class Factor:
    """variable ** power, or function(variable) ** power."""

    variable: str
    power: int = 1
    function: str | None = None

    def __call__(self, columns):
        v = columns[self.variable]
        v = FUNCTIONS[self.function](v) if self.function else v
        out = v
        for _ in range(self.power - 1):
            out = out * v
        return out

    def __str__(self):
        base = f"{self.function}({self.variable})" if self.function else self.variable
        return base if self.power == 1 else f"{base}**{self.power}"


class Product(tuple):
    """A term of a library: the product of its factors; 1 if there are none."""

    def __call__(self, columns):
        if not self:
            return full_like(next(iter(columns.values())), 1.0)
        out = self[0](columns)
        for factor in self[1:]:
            out = out * factor(columns)
        return out

    def __str__(self):
        return "*".join(map(str, self)) or "1"


def library(names, degree=2, functions=(), constant=True):
    """All products of powers of the names up to a total degree, and function(name) for the functions, alone and times a name.

    ValueError for a function that does not exist.
    """
    for f in functions:
        if f not in FUNCTIONS:
            raise ValueError(f"library: unknown function {f!r}; there are {', '.join(FUNCTIONS)}")
    terms = [Product()] if constant else []
    for total in range(1, degree + 1):
        for chosen in itertools.combinations_with_replacement(names, total):
            terms.append(Product(Factor(name, chosen.count(name)) for name in dict.fromkeys(chosen)))
    special = [Factor(name, 1, f) for f in functions for name in names]
    terms += [Product((s,)) for s in special]
    terms += [Product((Factor(name), s)) for s in special for name in names]
    return terms


@dataclass(frozen=True)
class Fidelity:
    """Relative L2 differences between a formula and what it was made from."""

    value: float
    derivatives: dict  # by variable

    def __str__(self):
        parts = [f"value {self.value:.1e}"] + [f"d/d{name} {e:.1e}" for name, e in self.derivatives.items()]
        return ", ".join(parts)


class Formula:
    """target = an expression. text: what is printed; call: {name: tensors (n,)} → tensor (n,)."""

    def __init__(self, target, text, call, names):
        self.target, self.text, self.call, self.names = target, text, call, tuple(names)

    def __str__(self):
        return f"{self.target} = {self.text}"

    def sympy(self):
        """The right-hand side as a SymPy expression. ImportError without SymPy."""
        try:
            import sympy
        except ImportError:
            raise ImportError('Formula.sympy needs SymPy: pip install "fastnn[formulas]"') from None
        return sympy.sympify(self.text, locals={name: sympy.Symbol(name) for name in self.names})

    def predict(self, columns):
        """Values at {name: array (n,)}, as an array."""
        return self.call({name: tensor(np.asarray(c), dtype="float64") for name, c in columns.items()}).detach().numpy()

    def fidelity(self, columns, value, derivatives=None):
        """How far the formula is from `value` (n,) and from `derivatives` {name: (n,)}, relative in L2, at the columns."""
        x = {name: tensor(np.asarray(c), dtype="float64").requires_grad_() for name, c in columns.items()}
        y = self.call(x)
        wanted = list(derivatives or {})
        gs = grad(y.sum(), [x[name] for name in wanted], materialize_grads=True) if wanted else ()
        errors = {name: _distance(g.numpy(), derivatives[name]) for name, g in zip(wanted, gs, strict=True)}
        return Fidelity(_distance(y.detach().numpy(), value), errors)


def _distance(a, b):
    b = np.asarray(b, dtype=np.float64)
    return float(np.linalg.norm(a - b) / max(np.linalg.norm(b), 1e-300))


class SparseRegression:
    """target ≈ Σ c_i term_i with few terms: supports from a LASSO path, coefficients by least squares on each.

    terms: a `library`. The path (Tibshirani 1996; coordinate descent: Friedman, Hastie & Tibshirani 2010) proposes supports,
    each thinned out further by leaving out, one by one, the term that is missed least. Of all these the smallest is taken
    whose error on held-out rows is at most `slack` times the best one's. After fit, `tried` lists (held-out error, support)
    by size.
    """

    def __init__(self, terms, *, slack=2.0, holdout=0.25, path=60, seed=0):
        self.terms, self.slack, self.holdout, self.path, self.seed = list(terms), slack, holdout, path, seed

    def fit(self, columns, target, *, derivatives=None, name="y"):
        """A Formula. derivatives {name: (n,)} of the target by columns add a row each: the formula's slope must fit too."""
        x = {k: tensor(np.asarray(c), dtype="float64") for k, c in columns.items()}
        for k, c in x.items():
            if c.ndim != 1 or len(c) != len(target) or not np.isfinite(c.numpy()).all():
                raise ValueError(f"SparseRegression: column {k!r} must be {len(target)} finite numbers, got shape {list(c.shape)}")
        a, b = self._rows(x, np.asarray(target, dtype=np.float64), derivatives or {})
        a_fit, b_fit, a_test, b_test = self._split(a, b, len(target))
        supports = {s for found in lasso_path(a_fit, b_fit, self.path) for s in self._thinned(a_fit, b_fit, found)}

        def held_out(support):
            c = _least_squares(a_fit, b_fit, support)
            return float(np.linalg.norm(a_test @ c - b_test) / max(np.linalg.norm(b_test), 1e-300))

        by_size = {}
        for support in supports:
            by_size[len(support)] = min(by_size.get(len(support), (np.inf, ())), (held_out(support), support))
        self.tried = [by_size[k] for k in sorted(by_size)]
        best = min(error for error, _ in self.tried)
        support = next(s for error, s in self.tried if error <= self.slack * best)
        c = _least_squares(a, b, support)
        return self._formula(name, support, c, columns)

    def _rows(self, x, target, derivatives):
        rows = [np.stack([t(x).numpy() for t in self.terms], 1)]
        wanted = [target]
        for k, values in derivatives.items():
            at = {n: c.detach().requires_grad_() if n == k else c for n, c in x.items()}
            ys = [t(at) for t in self.terms]
            slopes = [grad(y.sum(), at[k])[0].numpy() if y.requires_grad else np.zeros(len(target)) for y in ys]
            rows.append(np.stack(slopes, 1))
            wanted.append(np.asarray(values, dtype=np.float64))
        scale = [1 / max(np.sqrt(np.mean(w * w)), 1e-300) for w in wanted]  # values and slopes count alike
        return np.concatenate([r * s for r, s in zip(rows, scale, strict=True)]), np.concatenate([w * s for w, s in zip(wanted, scale, strict=True)])

    def _split(self, a, b, n):
        test = np.tile(np.random.default_rng(self.seed).random(n) < self.holdout, len(b) // n)
        return a[~test], b[~test], a[test], b[test]

    def _thinned(self, a, b, support):
        """The support, and what remains of it as the term missed least is left out, again and again."""
        support = tuple(support)
        out = [support] if support else []
        while len(support) > 1:
            smaller = [tuple(j for j in support if j != i) for i in support]
            support = min(smaller, key=lambda s: np.linalg.norm(a @ _least_squares(a, b, s) - b))
            out.append(support)
        return out

    def _formula(self, name, support, c, columns):
        parts = [(float(c[i]), self.terms[i]) for i in support]
        text = " + ".join(f"{v:.5g}" if not t else f"{v:.5g}*{t}" for v, t in parts).replace("+ -", "- ") or "0"

        def call(x):
            return sum((v * t(x) for v, t in parts[1:]), parts[0][0] * parts[0][1](x))

        formula = Formula(name, text, call, columns)
        formula.coefficients = {str(t): v for v, t in parts}
        return formula


def _least_squares(a, b, support):
    c = np.zeros(a.shape[1])
    s = list(support)
    size = np.linalg.norm(a[:, s], axis=0)
    size[size == 0] = 1.0
    c[s] = np.linalg.lstsq(a[:, s] / size, b, rcond=None)[0] / size
    return c


def lasso_path(a, b, steps=60, smallest=1e-5, sweeps=200):
    """The distinct supports of min ‖A x - b‖² / 2 + λ |x|₁ as λ falls from where x = 0 to `smallest` of that.

    Columns are scaled to norm 1. Coordinate descent on the Gram matrix, each λ starting from the solution of the one before.
    """
    size = np.linalg.norm(a, axis=0)
    size[size == 0] = 1.0
    a = a / size
    gram, right = a.T @ a, a.T @ b
    x, supports = np.zeros(len(right)), []
    top = np.abs(right).max()
    for penalty in top * np.logspace(0, np.log10(smallest), steps):
        for _ in range(sweeps):
            moved = 0.0
            for i in range(len(x)):
                z = right[i] - gram[i] @ x + x[i]
                new = np.sign(z) * max(abs(z) - penalty, 0.0)
                moved = max(moved, abs(new - x[i]))
                x[i] = new
            if moved <= 1e-7 * top:
                break
        support = tuple(np.flatnonzero(x))
        if support and (not supports or supports[-1] != support):
            supports.append(support)
    return supports


class GeneticSearch:
    """Symbolic regression by gplearn's genetic programming: needs no library of terms, and much more time."""

    def __init__(self, functions=("add", "sub", "mul", "sin", "cos"), generations=30, population=2000, parsimony=1e-3, seed=0):
        self.functions, self.generations, self.population = tuple(functions), generations, population
        self.parsimony, self.seed = parsimony, seed

    def fit(self, columns, target, *, name="y"):
        """A Formula. ImportError without gplearn."""
        try:
            from gplearn.genetic import SymbolicRegressor
        except ImportError:
            raise ImportError('GeneticSearch needs gplearn: pip install "fastnn[formulas]"') from None
        names = list(columns)
        search = SymbolicRegressor(
            population_size=self.population, generations=self.generations, function_set=self.functions,
            parsimony_coefficient=self.parsimony, feature_names=names, random_state=self.seed,
        )  # fmt: skip
        search.fit(np.stack([np.asarray(columns[n]) for n in names], 1), np.asarray(target))
        tree = _Tree(search._program.program, names)
        return Formula(name, tree.text(), tree, names)


class _Tree:
    """A program of gplearn, in prefix order, as text and as a function of tensors."""

    BINARY = {"add": ("+", add), "sub": ("-", sub), "mul": ("*", mul)}

    def __init__(self, program, names):
        self.program = [getattr(node, "name", node) for node in program]
        self.names = names

    def _fold(self, leaf, unary, binary):
        stack = []
        for node in reversed(self.program):
            if node in self.BINARY:
                stack.append(binary(node, stack.pop(), stack.pop()))
            elif isinstance(node, str):
                stack.append(unary(node, stack.pop()))
            else:
                stack.append(leaf(node))
        return stack.pop()

    def text(self):
        return self._fold(
            lambda leaf: self.names[leaf] if isinstance(leaf, int) else f"{leaf:.5g}",
            lambda f, a: f"{f}({a})",
            lambda f, a, b: f"({a} {self.BINARY[f][0]} {b})",
        )

    def __call__(self, x):
        y = self._fold(
            lambda leaf: x[self.names[leaf]] if isinstance(leaf, int) else float(leaf),
            lambda f, a: FUNCTIONS[f](a if isinstance(a, Tensor) else tensor(a, dtype="float64")),
            lambda f, a, b: self.BINARY[f][1](a, b) if isinstance(a, Tensor) or isinstance(b, Tensor) else {"add": a + b, "sub": a - b, "mul": a * b}[f],
        )
        return y if isinstance(y, Tensor) and y.ndim else full_like(next(iter(x.values())), 1.0) * y
