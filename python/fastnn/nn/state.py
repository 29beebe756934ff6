"""The state dict of a module: its parameters and buffers by name, out and in, and the hooks that look on."""

from __future__ import annotations

import warnings
from collections import OrderedDict, namedtuple

from ..autodiff import no_grad
from ..errors import named
from ..tensor import as_tensor as _as_tensor
from .hooks import Handle

IncompatibleKeys = namedtuple("_IncompatibleKeys", ["missing_keys", "unexpected_keys"])
IncompatibleKeys.__repr__ = lambda self: (
    "<All keys matched successfully>"
    if not self.missing_keys and not self.unexpected_keys
    else f"_IncompatibleKeys(missing_keys={self.missing_keys}, unexpected_keys={self.unexpected_keys})"
)


as_tensor = named(_as_tensor)  # complex tensors and arrays too
EXTRA = "_extra_state"  # the name of what get_extra_state gives


class StateDict:
    """The part of Module that is its state dict."""

    _version = 1  # kept with the entries in a state dict's _metadata, for _load_from_state_dict of a younger class

    def state_dict(self, *, destination=None, prefix="", keep_vars=False):
        """All parameters and persistent buffers by name, sharing memory with the module, and what `get_extra_state` gives."""
        if destination is None:
            destination = OrderedDict()
            destination._metadata = OrderedDict()
        about = {"version": self._version}
        if hasattr(destination, "_metadata"):
            destination._metadata[prefix[:-1]] = about
        for hook in self._hooks_of("state_dict_pre"):
            hook(self, prefix, keep_vars)
        self._save_to_state_dict(destination, prefix, keep_vars)
        for name, module in self._modules.items():
            if module is not None:
                module.state_dict(destination=destination, prefix=f"{prefix}{name}.", keep_vars=keep_vars)
        for hook in self._hooks_of("state_dict_post"):
            changed = hook(self, destination, prefix, about)
            destination = destination if changed is None else changed
        return destination

    def _save_to_state_dict(self, destination, prefix, keep_vars):
        """This module's own entries; classes that keep more override it."""
        for name, entry in self._saved_entries():
            destination[prefix + name] = entry if keep_vars else entry.detach()
        if type(self).get_extra_state is not StateDict.get_extra_state:
            destination[prefix + EXTRA] = self.get_extra_state()

    def _saved_entries(self):
        for name, p in self._parameters.items():
            if p is not None:
                yield name, p
        for name, b in self._buffers.items():
            if b is not None and name not in self._non_persistent_buffers_set:
                yield name, b

    def get_extra_state(self):
        """What a state dict shall hold besides parameters and buffers, where a class defines it (with `set_extra_state`)."""
        raise RuntimeError(f"{type(self).__name__} has a set_extra_state() and no get_extra_state()")

    def set_extra_state(self, state):
        """Takes back what `get_extra_state` gave."""
        raise RuntimeError(f"{type(self).__name__} has a get_extra_state() and no set_extra_state()")

    def load_state_dict(self, state_dict, strict=True, assign=False):
        """Copy a state dict (of tensors or arrays) into the module; entries are as they were if any shape differs.

        Every module takes its own entries by `_load_from_state_dict`, from a copy in which it may rename what it finds.
        """
        if not hasattr(state_dict, "keys"):
            raise TypeError(f"Expected state_dict to be dict-like, got {type(state_dict)}.")
        versions = getattr(state_dict, "_metadata", {})
        keys, problems, before = IncompatibleKeys([], []), [], []

        def load(module, state, prefix):
            about = {**versions.get(prefix[:-1], {}), "assign_to_params_buffers": assign, "before": before}
            module._load_from_state_dict(state, prefix, about, True, keys.missing_keys, keys.unexpected_keys, problems)
            for name, child in module._modules.items():
                if child is not None:
                    inner = f"{prefix}{name}."
                    load(child, {k: v for k, v in state.items() if k.startswith(inner)}, inner)
            for hook in module._hooks_of("load_post"):
                hook(module, keys)

        load(self, OrderedDict(state_dict), "")
        if strict:
            for kind, names in (("Unexpected", keys.unexpected_keys), ("Missing", keys.missing_keys)):
                if names:
                    listed = ", ".join(f'"{name}"' for name in names)
                    problems.insert(0, f"{kind} key(s) in state_dict: {listed}. ")
        if problems:
            with no_grad():
                for entry, old in reversed(before):
                    if assign:
                        entry.data = old
                    else:
                        entry.copy_(old)
            text = "\n\t".join(problems)
            raise RuntimeError(f"Error(s) in loading state_dict for {type(self).__name__}:\n\t{text}")
        return keys

    def _load_from_state_dict(self, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs):
        """Takes this module's own entries out of state_dict, and adds to the three lists; classes that know older names override it.

        local_metadata["version"] is the `_version` of the class that saved, where that is known.
        """
        for hook in self._hooks_of("load_pre"):
            hook(self, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs)
        own = {prefix + name: entry for name, entry in self._saved_entries()}
        for key, mine in own.items():
            if key not in state_dict:
                if strict and not key.endswith("num_batches_tracked"):  # younger than many files
                    missing_keys.append(key)
                continue
            problem = _take(key, mine, state_dict[key], local_metadata)
            if problem is not None:
                error_msgs.append(problem)
        extra = prefix + EXTRA
        if type(self).set_extra_state is not StateDict.set_extra_state:
            if extra in state_dict:
                self.set_extra_state(state_dict[extra])
            elif strict:
                missing_keys.append(extra)
            own[extra] = None
        for key in state_dict if strict else ():
            if key.startswith(prefix) and key not in own:
                child, _, rest = key[len(prefix) :].partition(".")
                if not rest or child not in self._modules:
                    unexpected_keys.append(key)

    # ---- hooks --------------------------------------------------------------------------------------------------------

    def _hooks_of(self, kind):
        return list(self.__dict__.get("_state_hooks", {}).get(kind, {}).values())

    def _add_state_hook(self, kind, hook):
        hooks = self.__dict__.setdefault("_state_hooks", {}).setdefault(kind, OrderedDict())
        return Handle(hooks, hook)

    def register_state_dict_pre_hook(self, hook):
        """hook(module, prefix, keep_vars) runs before the module's entries are put into a state dict."""
        return self._add_state_hook("state_dict_pre", hook)

    def register_state_dict_post_hook(self, hook):
        """hook(module, state_dict, prefix, local_metadata) may change a state dict that is complete."""

        def changing(*args):
            hook(*args)

        return self._add_state_hook("state_dict_post", changing)

    def register_load_state_dict_pre_hook(self, hook):
        """hook(module, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs) may change what is loaded."""
        return self._add_state_hook("load_pre", hook)

    def register_load_state_dict_post_hook(self, hook):
        """hook(module, incompatible_keys) runs when a state dict has been loaded."""
        return self._add_state_hook("load_post", hook)

    def _register_state_dict_hook(self, hook):
        """Like register_state_dict_post_hook; what the hook returns (if not None) replaces the state dict."""
        return self._add_state_hook("state_dict_post", hook)

    def _register_load_state_dict_pre_hook(self, hook, with_module=False):
        return self.register_load_state_dict_pre_hook(hook if with_module else lambda module, *args: hook(*args))


def _take(key, mine, value, local_metadata):
    """Puts a value of a state dict into the entry `mine`. Returns what is wrong with it, or None."""
    try:
        theirs = as_tensor(value)
    except (TypeError, ValueError):
        return (
            f'While copying the parameter named "{key}", expected fastnn.Tensor or Tensor-like object from checkpoint '
            f"but received {type(value)}"
        )
    if theirs.shape != mine.shape:
        return (
            f"size mismatch for {key}: copying a param with shape {theirs.shape} from checkpoint, "
            f"the shape in current model is {mine.shape}."
        )
    assign, before = local_metadata.get("assign_to_params_buffers"), local_metadata.get("before")
    if before is not None:
        before.append((mine, mine.detach() if assign else mine.detach().clone()))
    with no_grad():
        if mine.is_meta and not assign and not theirs.is_meta:
            warnings.warn(
                f"for {key}: copying from a non-meta parameter in the checkpoint to a meta parameter in the current model, which is a no-op. "
                "(Did you mean to pass `assign=True` to assign items in the state dictionary to their corresponding key in the module?)",
                stacklevel=2,
            )
        elif assign:
            mine.data = theirs.detach()
        else:
            mine.copy_(theirs)
    return None
