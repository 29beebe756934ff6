"""Modules as functions of their parameters: functional_call, stack_module_state."""

from __future__ import annotations

from contextlib import contextmanager

from ..autodiff import Array
from ..nn.norm import _BatchNorm
from ..ops.join import stack


def functional_call(module, parameter_and_buffer_dicts, args=None, kwargs=None, *, tie_weights=True, strict=False):
    """module(*args, **kwargs) with the tensors in a dict (or dicts) of names in place of its parameters and buffers.

    tie_weights: a tensor given under one name serves the other names of the same parameter. strict: RuntimeError
    unless every name is given and no other, otherwise other names of a submodule are ignored; AttributeError for a name below
    no submodule. The module is unchanged afterwards.
    """
    state = _joined(parameter_and_buffer_dicts)
    args = () if args is None else args if isinstance(args, tuple) else (args,)
    with _replaced(module, state, tie_weights, strict):
        return module(*args, **(kwargs or {}))


def _joined(dicts):
    if isinstance(dicts, dict):
        return dicts
    if not isinstance(dicts, (list, tuple)):
        raise ValueError(f"Expected parameter_and_buffer_dicts to be a dict, or a list/tuple of dicts, but got {type(dicts)}")
    if not all(isinstance(d, dict) for d in dicts):
        raise ValueError("Expected all elements of parameter_and_buffer_dicts to be dictionaries")
    names = [name for d in dicts for name in d]
    twice = [n for n in dict.fromkeys(names) if names.count(n) > 1]
    if twice:
        raise ValueError(f"{twice} appeared in multiple dictionaries; behavior of functional call is ambiguous")
    return {name: x for d in dicts for name, x in d.items()}


@contextmanager
def _replaced(module, state, tie_weights, strict):
    slots = {}  # name -> (dict of the owner, name in it)
    for prefix, owner in module.named_modules():
        for table in (owner._parameters, owner._buffers):
            for name in table:
                slots[f"{prefix}.{name}" if prefix else name] = (table, name)
    unknown, missing = [n for n in state if n not in slots], [n for n in slots if n not in state]
    for n in unknown if not strict else ():
        module.get_submodule(n.rpartition(".")[0])
    state = {n: x for n, x in state.items() if n in slots}
    if tie_weights:
        same = {id(slots[n][0][slots[n][1]]): x for n, x in state.items() if n in slots and slots[n][0][slots[n][1]] is not None}
        tied = {n: same[id(t[k])] for n, (t, k) in slots.items() if n not in state and id(t[k]) in same}
        state, missing = {**state, **tied}, [n for n in missing if n not in tied]
    if strict and (unknown or missing):
        lines = [f"\n\t{what} key(s): {', '.join(map(repr, names))}." for what, names in (("Unexpected", unknown), ("Missing", missing)) if names]
        raise RuntimeError(f"Error(s) in reparametrizing for {type(module).__name__}:{''.join(lines)}")
    before = {n: slots[n][0][slots[n][1]] for n in state}
    try:
        for n, x in state.items():
            slots[n][0][slots[n][1]] = x
        yield
    finally:
        for n, x in before.items():
            slots[n][0][slots[n][1]] = x


def replace_all_batch_norm_modules_(root):
    """root, whose batch norms keep no running statistics any more: they cannot be written to within vmap."""
    for m in root.modules():
        if isinstance(m, _BatchNorm):
            m.track_running_stats = False
            m.running_mean = m.running_var = m.num_batches_tracked = None
    return root


def stack_module_state(models):
    """(parameters, buffers) of models of one class, each name's tensors stacked along a new first axis; for vmap.

    RuntimeError where the models differ in class, training mode, or in what requires grad.
    """
    models = list(models)
    if not models:
        raise RuntimeError("stack_module_state: Expected at least one model, got 0.")
    if len({m.training for m in models}) > 1:
        raise RuntimeError("stack_module_state: Expected all models to have the same training/eval mode.")
    if len({type(m) for m in models}) > 1:
        raise RuntimeError("stack_module_state: Expected all models to be of the same class.")
    return tuple(_stacked([dict(named(m)) for m in models]) for named in (lambda m: m.named_parameters(), lambda m: m.named_buffers()))


def _stacked(tables):
    out = {}
    for name in tables[0]:
        xs = [t[name] for t in tables]
        wants = {x.requires_grad for x in xs if isinstance(x, Array)}
        if len(wants) > 1:
            raise RuntimeError(f"Expected {name} from each model to have the same .requires_grad")
        x = stack([x.detach() for x in xs])
        out[name] = x.requires_grad_() if wants == {True} else x
    return out
