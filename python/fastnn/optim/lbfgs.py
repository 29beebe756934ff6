"""L-BFGS: a quasi-Newton method that remembers the last few steps in place of a Hessian, with a strong-Wolfe line search.

Sources: Liu & Nocedal 1989; Nocedal & Wright, Numerical Optimization (2006), algorithms 3.5, 3.6, 7.4. Options, stopping
rules and the safeguards of the line search are PyTorch's, so that both walk through the same points.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from ..autodiff import enable_grad, no_grad
from ..errors import ShapeError
from ..nn.utils import parameters_to_vector, vector_to_parameters
from ..ops.join import cat
from ..tensor import Tensor, as_tensor, zeros_like
from .grouped import Grouped, at_least_0

__all__ = ["LBFGS"]


class LBFGS(Grouped):
    """Each iteration goes from x to x + t d, where d = -H g and H approximates the inverse Hessian.

    H is never formed: it is the two-loop recursion over the last `history_size` pairs of steps s and gradient changes y.
    t is `lr`, or with line_search_fn="strong_wolfe" a step that decreases the loss enough and leaves a small slope.

    `step(closure)` runs up to `max_iter` iterations and returns the loss that it started from. closure clears the gradients,
    computes the loss, calls backward and returns the loss; it may be called max_eval times (default 1.25 max_iter). A step
    also ends where the largest |gradient| is at most tolerance_grad, and where the loss or every parameter moved by at most
    tolerance_change. The state dict continues exactly where it was taken.

    ValueError for options out of range, and for more than one parameter group: all parameters make one vector.
    """

    def __init__(self, params, lr=1, max_iter=20, max_eval=None, tolerance_grad=1e-7, tolerance_change=1e-9,
                 history_size=100, line_search_fn=None, *, maximize=False):  # fmt: skip
        max_eval = max_iter * 5 // 4 if max_eval is None else max_eval
        defaults = dict(lr=lr, max_iter=max_iter, max_eval=max_eval, tolerance_grad=tolerance_grad,
                        tolerance_change=tolerance_change, history_size=history_size, line_search_fn=line_search_fn,
                        maximize=maximize)  # fmt: skip
        super().__init__(params, defaults)

    @property
    def _params(self):
        return self.param_groups[0]["params"]

    def add_param_group(self, param_group):
        if self.param_groups:
            raise ValueError("LBFGS doesn't support per-parameter options (parameter groups)")
        super().add_param_group(param_group)

    def _check(self, group):
        at_least_0(group, lr="learning rate", max_iter="max_iter", max_eval="max_eval", tolerance_grad="tolerance_grad",
                   tolerance_change="tolerance_change", history_size="history_size")  # fmt: skip
        if group["line_search_fn"] not in (None, "strong_wolfe"):
            raise ShapeError(f"only 'strong_wolfe' is supported as line_search_fn, got {group['line_search_fn']!r}")
        if group.get("proximal_l1"):
            raise ValueError("LBFGS does not support proximal_l1")

    # ---- the parameters as one vector -------------------------------------------------------------------------------

    def _evaluate(self, closure):
        """(what closure returns, loss, gradient), the last two with the sign that makes it a minimisation."""
        group = self.param_groups[0]
        with enable_grad():
            returned = closure()
        g = cat([(zeros_like(p) if p.grad is None else p.grad).reshape(-1) for p in group["params"]])
        loss = float(returned)
        return (returned, -loss, -g) if group["maximize"] else (returned, loss, g)

    # ---- stepping -----------------------------------------------------------------------------------------------------

    @no_grad()
    def step(self, closure):
        """Up to max_iter iterations; returns the loss before the first. An exception in closure leaves the parameters at the
        best point so far and the state as it was."""
        group = self.param_groups[0]
        params = group["params"]
        state = {"func_evals": 0, "n_iter": 0, "old_dirs": [], "old_stps": [], "ro": [], "H_diag": 1.0}
        state |= self.state[params[0]]
        for name in ("old_dirs", "old_stps", "ro"):
            state[name] = list(state[name])

        returned, loss, g = self._evaluate(closure)
        evaluations = 1
        done = largest(g) <= group["tolerance_grad"]
        x = parameters_to_vector(params)
        iterations = 0
        while not done and iterations < group["max_iter"]:
            iterations += 1
            state["n_iter"] += 1
            if state["n_iter"] == 1:
                d = -g
                t = min(1.0, 1.0 / float(g.abs().sum())) * group["lr"]
            else:
                remember(state, g - state["prev_flat_grad"], state["d"] * state["t"], group["history_size"])
                d = direction(state, g)
                t = group["lr"]
            slope = float(g.dot(d))
            state |= {"d": d, "t": t, "prev_flat_grad": g, "prev_loss": loss}
            if slope > -group["tolerance_change"]:
                break

            def at(t, x=x, d=d):
                vector_to_parameters(x + t * d, params)
                _, f, g = self._evaluate(closure)
                return Point(t, f, g, float(g.dot(d)))

            before = loss
            try:
                if group["line_search_fn"] is not None:
                    start = Point(0.0, loss, g, slope)
                    limit = group["max_eval"] - evaluations
                    end, used = strong_wolfe(at, start, t, largest(d), group["tolerance_change"], limit)
                    (t, loss, g, _), evaluations = end, evaluations + used
                    x = x + t * d
                    vector_to_parameters(x, params)
                elif iterations < group["max_iter"]:
                    (t, loss, g, _), evaluations = at(t), evaluations + 1
                    x = parameters_to_vector(params)  # closure may have changed them too: clamped an image, say
                else:
                    x = x + t * d
                    vector_to_parameters(x, params)
            except BaseException:
                vector_to_parameters(x, params)
                raise
            state["t"] = t
            done = (
                evaluations >= group["max_eval"]
                or largest(g) <= group["tolerance_grad"]
                or largest(d * t) <= group["tolerance_change"]
                or abs(loss - before) < group["tolerance_change"]
            )
        state["func_evals"] += evaluations
        self.state[params[0]] = state
        return returned

    def load_state_dict(self, state_dict):
        """Take over state and options, PyTorch's too; nothing changes when they do not fit."""
        kept = {i: {k: v for k, v in s.items() if k != "al"} for i, s in state_dict["state"].items()}  # al: its workspace
        super().load_state_dict({**state_dict, "state": kept})

    def _adopt(self, name, value, param):
        size = sum(p.numel() for p in self.param_groups[0]["params"])
        if name == "ro":
            return [float(v) for v in value]
        if name in ("old_dirs", "old_stps"):
            return [self._vector(name, v, size, param.dtype) for v in value]
        if name in ("d", "prev_flat_grad"):
            return self._vector(name, value, size, param.dtype)
        return int(value) if name in ("func_evals", "n_iter") else float(value)

    def _vector(self, name, value, size, dtype):
        value = as_tensor(value)
        if value.shape != (size,):
            raise ValueError(f"loaded state dict has {name} of shape {list(value.shape)} for {size} parameters in all")
        return value.detach().to(dtype=dtype).clone()


def largest(v):
    return float(v.abs().max()) if v.numel() else 0.0


def remember(state, y, s, history_size):
    """Adds the pair (s, y), unless it would make H indefinite, and forgets the oldest beyond history_size."""
    ys = float(y.dot(s))
    if ys > 1e-10:
        for name, value in (("old_dirs", y), ("old_stps", s), ("ro", 1.0 / ys)):
            state[name] = (state[name] + [value])[-history_size:] if history_size else []
        state["H_diag"] = ys / float(y.dot(y))


def direction(state, g):
    """-H g by the two-loop recursion (Nocedal & Wright, algorithm 7.4), H_diag times the identity in its middle."""
    pairs = list(zip(state["old_stps"], state["old_dirs"], state["ro"], strict=True))
    q, alphas = -g, []
    for s, y, rho in reversed(pairs):
        alphas.append(rho * float(s.dot(q)))
        q = q - alphas[-1] * y
    r = q * state["H_diag"]
    for s, y, rho in pairs:
        r = r + (alphas.pop() - rho * float(y.dot(r))) * s
    return r


# ---- line search ----------------------------------------------------------------------------------------------------------


class Point(NamedTuple):
    """A point x + t d on the line: loss f, gradient g, slope g·d."""

    t: float
    f: float
    g: Tensor
    slope: float


def cubic_minimum(a, b, low, high):
    """Where the cubic with the values and slopes of points a and b is least, kept in [low, high]; the middle if nowhere."""
    if a.t > b.t:
        a, b = b, a
    d1 = a.slope + b.slope - 3 * (a.f - b.f) / (a.t - b.t)
    square = d1 * d1 - a.slope * b.slope
    if square >= 0 and math.isfinite(square):
        d2 = math.sqrt(square)
        curvature = b.slope - a.slope + 2 * d2
        if curvature:
            return min(max(b.t - (b.t - a.t) * ((b.slope + d2 - d1) / curvature), low), high)
    return (low + high) / 2


def strong_wolfe(at, start, t, size, tolerance_change, limit, c1=1e-4, c2=0.9):
    """A point with f ≤ f₀ + c1 t f₀' and |f'| ≤ -c2 f₀', first trying t. (the point, evaluations used)

    Steps grow until they bracket such a point, then the bracket shrinks around it (Nocedal & Wright, algorithms 3.5, 3.6).
    After `limit` trials, or in a bracket in which no parameter moves by tolerance_change, the best point so far is it.
    size is the largest |d|. A trial whose loss is not a finite number counts as infinitely high.
    """

    def trial(t):
        p = at(t)
        return p if math.isfinite(p.f) else p._replace(f=math.inf)

    def too_high(p):
        return p.f > start.f + c1 * p.t * start.slope

    def flat(p):
        return abs(p.slope) <= -c2 * start.slope

    previous, point, tries = start, trial(t), 0
    bracket = None
    while bracket is None and tries < limit:
        if too_high(point) or (tries > 1 and point.f >= previous.f):
            bracket = [previous, point]
        elif flat(point):
            return point, tries + 1
        elif point.slope >= 0:
            bracket = [previous, point]
        else:
            further = cubic_minimum(previous, point, point.t + 0.01 * (point.t - previous.t), 10 * point.t)
            previous, point, tries = point, trial(further), tries + 1
    bracket = bracket or [start, point]

    stalled = False
    low = 0 if bracket[0].f <= bracket[1].f else 1
    while tries < limit and abs(bracket[1].t - bracket[0].t) * size >= tolerance_change:
        left, right = sorted(p.t for p in bracket)
        t = cubic_minimum(*bracket, left, right)
        margin = 0.1 * (right - left)
        if min(right - t, t - left) < margin:  # twice close to the same end, or beyond it: move away from that end
            if stalled or not left < t < right:
                t = right - margin if right - t < t - left else left + margin
                stalled = False
            else:
                stalled = True
        else:
            stalled = False
        point, tries = trial(t), tries + 1
        if too_high(point) or point.f >= bracket[low].f:
            bracket[1 - low] = point
            low = 0 if bracket[0].f <= bracket[1].f else 1
        elif flat(point):
            return point, tries + 1
        else:
            if point.slope * (bracket[1 - low].t - bracket[low].t) >= 0:
                bracket[1 - low] = bracket[low]
            bracket[low] = point
    return bracket[low], tries + 1
