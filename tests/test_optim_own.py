"""Optimizers and schedules of the user's own, hooks, and what PyTorch's programs read of those that come with fastnn."""

import inspect

import pytest

import fastnn
from fastnn import optim
from fastnn.optim import lr_scheduler as schedules


def test_state_of_the_users_own_is_loaded_as_it_was_saved():
    class Own(optim.Optimizer):
        def __init__(self, params, lr=None):
            super().__init__(params, dict(lr=lr))

        def __setstate__(self, state):
            super().__setstate__(state)
            for group in self.param_groups:
                group.setdefault("late", 3)

        def step(self, closure=None):
            for p in self.param_groups[0]["params"]:
                self.state[p] = {"step": 1, "rows": fastnn.ones(7, dtype=fastnn.float64), "parts": [fastnn.zeros(2)], "name": "a"}
            self.state["shared"] = {"k": 1}

    p = fastnn.ones(2, 3, requires_grad=True)
    first, second = Own([p]), Own([p])
    first.step()
    assert list(first.param_groups[0]) == ["params", "lr"]
    second.load_state_dict(first.state_dict())
    state = second.state[p]
    assert type(state["step"]) is int and state["rows"].shape == (7,) and state["rows"].dtype is p.dtype and state["name"] == "a"
    assert state["rows"] is not first.state[p]["rows"] and isinstance(state["parts"], list) and second.state["shared"] == {"k": 1}
    assert second.param_groups[0]["late"] == 3


def test_hooks_of_optimizers():
    p = fastnn.ones(2, requires_grad=True)
    p.grad = fastnn.ones(2)

    class Twice(optim.SGD):
        def step(self, closure=None):
            super().step()
            return super().step(closure)

    optimizer, log = Twice([p], lr=0.25), []
    before = optimizer.register_step_pre_hook(lambda o, args, kwargs: log.append(("before", o is optimizer, args)))
    optimizer.register_step_post_hook(lambda o, args, kwargs: log.append(("after", p.tolist())))
    optimizer.step()
    assert log == [("before", True, (optimizer,)), ("after", [0.5, 0.5])]
    before.remove()
    optimizer.register_step_pre_hook(lambda o, args, kwargs: ((o, lambda: 5.0), {}))
    assert optimizer.step() == 5.0 and len(log) == 3
    optimizer.register_state_dict_post_hook(lambda o, s: s.update(note=1))
    optimizer.register_load_state_dict_pre_hook(lambda o, s: log.append(s.pop("note")))
    optimizer.register_load_state_dict_post_hook(lambda o: log.append("loaded"))
    state = optimizer.state_dict()
    optimizer.load_state_dict(state)
    assert log[-2:] == [1, "loaded"] and state["note"] == 1
    optimizer.register_step_pre_hook(lambda o, args, kwargs: 3)
    with pytest.raises(RuntimeError, match="new_args, new_kwargs"):
        optimizer.step()


def test_an_optimizer_around_another_shares_its_groups():
    p = fastnn.ones(2, requires_grad=True)

    class Around(optim.Optimizer):
        def __init__(self, params, base, **options):
            super().__init__(params, dict(rho=0.1, **options))
            self.base = base(self.param_groups, **options)

    outer = Around([p], optim.SGD, lr=0.5)
    outer.param_groups[0]["lr"] = 0.25
    assert outer.base.param_groups[0] is outer.param_groups[0] and outer.base.param_groups[0]["nesterov"] is False


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "Adadelta", "NAdam", "RAdam", "Rprop", "ASGD", "Adamax", "LBFGS",
                                  "SparseAdam", "Adafactor", "Muon"])  # fmt: skip
def test_signatures_and_groups_equal_torch(name):
    torch = pytest.importorskip("torch")

    def parameters(library):
        return list(inspect.signature(getattr(library.optim, name)).parameters.items())

    ours = [(k, v.default, v.kind) for k, v in parameters(fastnn) if k != "proximal_l1"]
    assert ours == [(k, v.default, v.kind) for k, v in parameters(torch)]
    groups = [getattr(library.optim, name)([library.ones(2, 2, requires_grad=True)]).param_groups[0] for library in (fastnn, torch)]
    assert [(k, v) for k, v in groups[0].items() if k != "params"] == [(k, v) for k, v in groups[1].items() if k != "params"]


def test_a_schedule_written_for_torch():
    class Warm(schedules.LRScheduler):
        def get_lr(self):
            assert self._get_lr_called_within_step
            return [base if self._is_initial else base / self._step_count for base in self.base_lrs]

        def _get_closed_form_lr(self):
            return [base / 8 for base in self.base_lrs]

    optimizer = optim.SGD([fastnn.ones(2, requires_grad=True)], lr=1.0)
    schedule = Warm(optimizer)
    optimizer.step()
    schedule.step()
    assert optimizer.param_groups[0]["lr"] == 0.5 and not schedule._get_lr_called_within_step
    schedule.step(7)
    assert schedule.get_last_lr() == [0.125]


def test_schedules_warn_before_the_first_step_and_keep_tensors_and_functions():
    optimizer = optim.Adam([fastnn.ones(2, requires_grad=True)], lr=fastnn.tensor(0.5))
    rate = optimizer.param_groups[0]["lr"]
    schedule = schedules.LambdaLR(optimizer, lambda t: 0.5**t)
    with pytest.warns(UserWarning, match="before `optimizer.step"):
        schedule.step()
    assert optimizer.param_groups[0]["lr"] is rate and rate.item() == 0.25
    state = schedule.state_dict()
    assert state["lr_lambdas"] == [None]
    schedule.load_state_dict(state)
    schedule.step()
    assert rate.item() == 0.125
    cycle = schedules.CyclicLR(optim.SGD([fastnn.ones(1, requires_grad=True)]), 0.1, 0.2, scale_fn=lambda x: 1.0, cycle_momentum=False)
    cycle.load_state_dict({**cycle.state_dict(), "_scale_fn_custom": None})
    assert cycle._scale_fn_custom is not None


def test_functions_of_lists_of_tensors():
    x, y = [fastnn.tensor([1.0, 2.0]), fastnn.tensor([3.0])], [fastnn.tensor([4.0, 6.0]), fastnn.tensor([5.0])]
    values = lambda tensors: [t.tolist() for t in tensors]  # noqa: E731
    assert values(fastnn._foreach_add(x, y, alpha=2)) == [[9.0, 14.0], [13.0]]
    assert values(fastnn._foreach_mul(x, [2.0, 3.0])) == [[2.0, 4.0], [9.0]]
    assert values(fastnn._foreach_addcmul(x, x, y, [1.0, 0.5])) == [[5.0, 14.0], [10.5]]
    assert values(fastnn._foreach_norm(y, ord=1)) == [10.0, 5.0]
    changed = fastnn._foreach_lerp_(x, y, 0.5)
    assert changed[0] is x[0] and values(x) == [[2.5, 4.0], [4.0]]
    fastnn._foreach_maximum_(x, 3.0)
    fastnn._foreach_zero_(y)
    fastnn._foreach_copy_(y, x)
    assert values(y) == [[3.0, 4.0], [4.0]]
    with pytest.raises(RuntimeError, match="same number of tensors, got 2 and 1"):
        fastnn._foreach_add_(x, y[:1])
