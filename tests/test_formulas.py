"""Laws found in data: sparse regression, genetic search, formulas as text and in SymPy."""

import math

import numpy as np
import pytest

from fastnn import pinn


def test_sparse_regression_finds_the_law(rng):
    x = {"a": rng.uniform(-2, 2, 400), "b": rng.uniform(-2, 2, 400)}
    y = 3 * np.sin(x["a"]) - 0.5 * x["a"] * x["b"] + 0.25 + 0.01 * rng.standard_normal(400)
    terms = pinn.library(["a", "b"], degree=3, functions=["sin", "cos"])
    formula = pinn.SparseRegression(terms).fit(x, y, name="f")
    assert set(formula.coefficients) == {"1", "a*b", "sin(a)"}
    assert formula.coefficients["sin(a)"] == pytest.approx(3, abs=0.01)
    assert str(formula).startswith("f = ")
    slopes = {"a": 3 * np.cos(x["a"]) - 0.5 * x["b"], "b": -0.5 * x["a"]}
    fidelity = formula.fidelity(x, y, slopes)
    assert fidelity.value < 0.02 and max(fidelity.derivatives.values()) < 0.02
    with_slopes = pinn.SparseRegression(terms).fit(x, y, derivatives=slopes)
    assert set(with_slopes.coefficients) == set(formula.coefficients)
    np.testing.assert_allclose(formula.predict(x), y, atol=0.06)
    with pytest.raises(ValueError, match="unknown function 'tan'"):
        pinn.library(["a"], functions=["tan"])
    with pytest.raises(ValueError, match="column 'a'"):
        pinn.SparseRegression(terms).fit({"a": [math.nan], "b": [1.0]}, [1.0])


def test_formulas_in_sympy(rng):
    sympy = pytest.importorskip("sympy")
    x = {"a": rng.uniform(-2, 2, 100)}
    formula = pinn.SparseRegression(pinn.library(["a"], 3)).fit(x, 2 * x["a"] ** 3 - x["a"])
    a = sympy.Symbol("a")
    assert sympy.simplify(formula.sympy() - (2.0 * a**3 - 1.0 * a)) == 0


def test_genetic_search(rng):
    pytest.importorskip("gplearn")
    x = {"a": rng.uniform(-2, 2, 200), "b": rng.uniform(-2, 2, 200)}
    y = x["a"] * x["b"] + x["a"]
    formula = pinn.GeneticSearch(("add", "mul"), generations=12, population=500).fit(x, y)
    assert formula.fidelity(x, y, {"a": x["b"] + 1}).value < 1e-6, str(formula)
