"""Training: Adam, then L-BFGS, with history, checkpoints, and a stop that keeps the last good parameters."""

from __future__ import annotations

import math
import time
from pathlib import Path

import numpy as np
from tqdm import tqdm

from .. import serialization
from ..autodiff import grad, no_grad
from ..capture import capture as record_once
from ..optim import LBFGS, Adam
from ..tensor import from_numpy, zeros_like

__all__ = ["Diverged", "History", "Training", "solve"]


class Diverged(ArithmeticError):
    """The loss stopped being a number. The problem has its last good parameters; the message names the term and the step."""


class History:
    """What training recorded: lists `step`, `seconds`, `loss`, and dicts of lists `terms` and `coefficients` by name."""

    def __init__(self):
        self.step, self.seconds, self.loss = [], [], []
        self.terms, self.coefficients = {}, {}

    def add(self, step, seconds, loss, terms, coefficients):
        self.step.append(step)
        self.seconds.append(seconds)
        self.loss.append(loss)
        for store, values in ((self.terms, terms), (self.coefficients, coefficients)):
            for name, value in values.items():
                store.setdefault(name, []).append(value)

    def state_dict(self):
        return {k: v.copy() for k, v in vars(self).items()}

    def load_state_dict(self, state):
        vars(self).update({k: v.copy() for k, v in state.items()})


def solve(problem, adam=0, lbfgs=0, *, lr=1e-3, schedule=None, weights=None, attention=None, refine=None, seed=0, capture=False,
          lbfgs_options=None, record=100, checkpoint=None, checkpoint_every=1000, resume=False, progress=None):  # fmt: skip
    """Trains the problem's network: `adam` steps of Adam, then up to `lbfgs` iterations of L-BFGS. Returns the History.

    lr, schedule: Adam's rate, and a function optimizer → lr_scheduler. refine: `RAR` or `RAD`; L-BFGS starts anew with the
    new points. weights: `GradNorm`, attention: `ResidualAttention`; both act during Adam and leave L-BFGS what they reached.
    lbfgs_options: of optim.LBFGS; by default a strong-Wolfe search, 50 pairs, and no end before rounding is reached.
    record: steps between entries of the history. checkpoint: a safetensors file, written every `checkpoint_every` steps and
    at the end; resume=True continues from it, if it exists, as if there had been no interruption. progress: a bar on
    stderr; None shows it on a terminal only.

    Diverged, if the loss becomes NaN or infinite.
    """
    return Training(problem, adam, lbfgs, lr=lr, schedule=schedule, weights=weights, attention=attention, refine=refine,
                    seed=seed, capture=capture, lbfgs_options=lbfgs_options, record=record, checkpoint=checkpoint,
                    checkpoint_every=checkpoint_every, progress=progress).run(resume)  # fmt: skip


LBFGS_DEFAULTS = dict(line_search_fn="strong_wolfe", history_size=50, tolerance_grad=1e-12, tolerance_change=1e-16)
CHUNK = 50  # iterations of L-BFGS between looks at the progress bar; each look costs one evaluation more


class Training:
    """The inside of `solve`, whose options it takes, step by step: `adam_step()`, `lbfgs_chunk()`, or `run()` for all."""

    def __init__(self, problem, adam=0, lbfgs=0, *, lr=1e-3, schedule=None, weights=None, attention=None, refine=None, seed=0,
                 capture=False, lbfgs_options=None, record=100, checkpoint=None, checkpoint_every=1000, progress=None):  # fmt: skip
        if adam < 0 or lbfgs < 0:
            raise ValueError(f"solve: expected numbers of steps >= 0, got adam={adam}, lbfgs={lbfgs}")
        if capture and (weights or attention):
            raise ValueError("solve: capture=True replays a fixed loss; weights and attention change it")
        if not problem.terms:
            raise ValueError("solve: the problem has no terms, so nothing to train for")
        self.problem, self.adam, self.lbfgs = problem, adam, lbfgs
        self.weights, self.attention, self.refine, self.capture = weights, attention, refine, capture
        self.parameters = problem.parameters()
        self.first = Adam(self.parameters, lr=lr)
        self.schedule = schedule(self.first) if schedule else None
        self.second = LBFGS(self.parameters, **{**LBFGS_DEFAULTS, **(lbfgs_options or {})})
        self.gradients = record_once(self._gradients) if capture else self._gradients
        self.rng = np.random.default_rng(seed)
        self.record, self.checkpoint, self.checkpoint_every = record, checkpoint, checkpoint_every
        self.history = History()
        self.step, self.spent = 0, 0.0  # steps of both optimizers; seconds
        self.started = time.perf_counter()
        self.bar = tqdm(total=adam + lbfgs, disable=None if progress is None else not progress, unit="step", leave=False)

    def run(self, resume=False):
        if resume and self.checkpoint and Path(self.checkpoint).exists():
            self.load()
        self.started = time.perf_counter() - self.spent
        with self.bar:
            self.bar.update(self.step)
            while self.step < self.adam:
                self.adam_step()
            while self.step < self.adam + self.lbfgs and self.lbfgs_chunk():
                pass
            self.evaluate()
            self.note()
        if self.checkpoint:
            self.save()
        return self.history

    # ---- the loss -----------------------------------------------------------------------------------------------------

    def evaluate(self):
        """The weighted loss; keeps its parts for `note`. Gradients are those of `backward`."""
        total, self.losses = self._losses()
        self.loss = float(total.detach())
        return total

    def _losses(self):
        factors = self.attention.of(self.problem) if self.attention else None
        losses, self.residuals = self.problem.losses(factors, keep=self.attention.names if self.attention else ())
        values = self.weights.values if self.weights else {}
        total = None
        for term in self.problem.terms:
            loss = losses[term.name] * (term.weight * values.get(term.name, 1.0))
            total = loss if total is None else total + loss
        return total, losses

    def _gradients(self):
        total, losses = self._losses()
        self.backward(total)
        return total.detach(), {name: loss.detach() for name, loss in losses.items()}

    def evaluate_with_gradients(self):
        """The weighted loss, detached; `.grad` of all parameters is set."""
        total, self.losses = self.gradients()
        self.loss = float(total)
        return total

    def backward(self, total):
        for p, g in zip(self.parameters, grad(total, self.parameters, allow_unused=True), strict=True):
            p.grad = zeros_like(p) if g is None else g

    def check(self, method):
        if math.isfinite(self.loss):
            return
        names = [name for name, loss in self.losses.items() if not math.isfinite(float(loss.detach()))]
        which = f"the loss of {names[0]!r}" if names else "the total loss"
        value = float(self.losses[names[0]].detach()) if names else self.loss
        if getattr(self, "good", None) is not None:
            with no_grad():
                for p, kept in zip(self.parameters, self.good, strict=True):
                    p.copy_(kept)
        kept = f"the parameters of step {self.step - 1} are kept" if self.step else "nothing was changed"
        raise Diverged(f"{which} became {value} at step {self.step} ({method}); {kept}")

    def note(self):
        """An entry of the history."""
        coefficients = {name: float(c.detach()) for name, c in self.problem.coefficients.items()}
        terms = {name: float(loss.detach()) for name, loss in self.losses.items()}
        self.history.add(self.step, time.perf_counter() - self.started, self.loss, terms, coefficients)
        self.bar.set_postfix_str(f"loss {self.loss:.2e}")

    # ---- steps ----------------------------------------------------------------------------------------------------------

    def choose_points(self):
        """Refines where it is time to, and says so."""
        due = bool(self.refine) and self.step > 0 and self.step % self.refine.every == 0
        if due:
            self.refine(self.problem, self.rng)
            if self.capture:
                self.gradients.clear()
        return due

    def adam_step(self):
        self.choose_points()
        if self.weights:  # they look at the gradients of each term
            total = self.evaluate()
            self.check("Adam")
            self.weights.update(self.step, self.losses, self.parameters)
            self.backward(total)
        else:
            self.evaluate_with_gradients()
            self.check("Adam")
        if self.step % self.record == 0:
            self.note()
        if self.attention:
            self.attention.update(self.residuals)
        self.good = [p.detach().clone() for p in self.parameters]
        self.first.step()
        if self.schedule:
            self.schedule.step()
        self.advance(1)

    def lbfgs_chunk(self):
        """Some iterations; False when L-BFGS has ended by itself."""
        if self.choose_points():
            self.second.state.clear()
        n = min(CHUNK, self.adam + self.lbfgs - self.step)
        if self.refine:
            n = min(n, self.refine.every - self.step % self.refine.every)
        group = self.second.param_groups[0]
        group["max_iter"], group["max_eval"] = n, 25 * n
        state = self.second.state[self.parameters[0]]
        before, first = state.get("n_iter", 0), True

        def closure():
            nonlocal first
            total = self.evaluate_with_gradients()
            if first:  # later ones may fail: the line search steps back from them
                self.check("L-BFGS")
                if self.step == self.adam or self.step % self.record < CHUNK:
                    self.note()
                first = False
            return total

        self.second.step(closure)
        done = self.second.state[self.parameters[0]].get("n_iter", 0) - before
        if self.refine:  # new points will let an ended L-BFGS go on: its idle iterations count
            done = n
        self.advance(done)
        return done == n

    def advance(self, n):
        before, self.step = self.step, self.step + n
        self.bar.update(n)
        if self.checkpoint and self.step // self.checkpoint_every > before // self.checkpoint_every:
            self.save()

    # ---- checkpoints ----------------------------------------------------------------------------------------------------

    def save(self):
        self.spent = time.perf_counter() - self.started
        state = {
            "step": self.step,
            "seconds": self.spent,
            "parameters": [p.detach() for p in self.parameters],
            "net": self.problem.net.state_dict(),
            "coefficients": {name: c.detach() for name, c in self.problem.coefficients.items()},
            "adam": self.first.state_dict(),
            "lbfgs": self.second.state_dict(),
            "schedule": self.schedule.state_dict() if self.schedule else None,
            "weights": self.weights.state_dict() if self.weights else None,
            "attention": self.attention.state_dict() if self.attention else None,
            "points": {term.name: from_numpy(term.points) for term in self.problem.terms},
            "rng": _as_text(self.rng.bit_generator.state),
            "history": self.history.state_dict(),
        }
        serialization.save(state, self.checkpoint)

    def load(self):
        """Continues from the file. ValueError where it belongs to another problem; then nothing is changed."""
        state = serialization.load(self.checkpoint)
        names = {term.name for term in self.problem.terms}
        shapes = [tuple(p.shape) for p in state["parameters"]]
        if set(state["points"]) != names or shapes != [tuple(p.shape) for p in self.parameters]:
            raise ValueError(f"{self.checkpoint}: this checkpoint is of another problem (terms {', '.join(state['points'])})")
        with no_grad():
            for p, kept in zip(self.parameters, state["parameters"], strict=True):
                p.copy_(kept)
        self.first.load_state_dict(state["adam"])
        self.second.load_state_dict(state["lbfgs"])
        for part, kept in ((self.schedule, "schedule"), (self.weights, "weights"), (self.attention, "attention")):
            if part and state[kept] is not None:
                part.load_state_dict(state[kept])
        for term in self.problem.terms:
            if not np.array_equal(term.points, np.asarray(state["points"][term.name])):
                term.move(state["points"][term.name], self.problem)
        self.rng.bit_generator.state = _as_numbers(state["rng"])
        self.history.load_state_dict(state["history"])
        self.step, self.spent = state["step"], state["seconds"]


def _as_text(state):
    """A generator's state with its integers of 128 bits as text."""
    return {k: _as_text(v) if isinstance(v, dict) else str(v) for k, v in state.items()}


def _as_numbers(state):
    return {k: _as_numbers(v) if isinstance(v, dict) else int(v) if v.isdigit() else v for k, v in state.items()}
