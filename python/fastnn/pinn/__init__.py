"""Physics-informed networks: differential equations solved by training, and unknown coefficients found on the way.

    from fastnn import pinn
    from fastnn.pinn import d

    domain = pinn.Interval(-1, 1) * pinn.Time(0, 1)
    problem = pinn.Problem(domain, pinn.MLP(domain, [20] * 4), [
        pinn.Equation(lambda u: d(u, "t") - 0.1 * d(u, "x", "x"), points=2000),
        pinn.Dirichlet(0.0),
        pinn.Initial(lambda x: fastnn.sin(pi * x)),
    ])
    history = pinn.solve(problem, adam=1000, lbfgs=1000)
    u = problem.predict([[0.5, 0.1]])

Raissi, Perdikaris & Karniadakis 2019. Extras (SciPy's samplers, plots): pip install "fastnn[pinn]".
"""

from .fields import d, laplacian
from .formulas import Fidelity, Formula, GeneticSearch, SparseRegression, library
from .geometry import Disk, Geometry, Interval, Polygon, Rectangle, SpaceTime, Time
from .nets import MLP, FourierFeatures, PeriodicFeatures, Scale
from .plot import plot
from .problem import Problem, relative_l2
from .refine import RAD, RAR
from .sampling import unit_points
from .solve import Diverged, History, Training, solve
from .subdomains import Interface, Subdomains
from .terms import Condition, Data, Dirichlet, Equation, Initial, Neumann, Periodic, Robin, Term
from .weights import GradNorm, ResidualAttention

__all__ = [
    "Condition", "Data", "Dirichlet", "Disk", "Diverged", "Equation", "Fidelity", "Formula", "FourierFeatures",
    "GeneticSearch", "Geometry", "GradNorm", "History", "Initial", "Interface", "Interval", "MLP", "Neumann", "Periodic",
    "PeriodicFeatures", "Polygon", "Problem", "RAD", "RAR", "Rectangle", "ResidualAttention", "Robin", "Scale", "SpaceTime",
    "SparseRegression", "Subdomains", "Term", "Time", "Training", "d", "laplacian", "library", "plot", "relative_l2",
    "solve", "unit_points",
]  # fmt: skip
