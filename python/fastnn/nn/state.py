"""The state dict of a module: its parameters and buffers by name, out and in, and the hooks that look on."""

from __future__ import annotations

from collections import OrderedDict, namedtuple

from ..autodiff import no_grad
from ..tensor import as_tensor
from .hooks import Handle

IncompatibleKeys = namedtuple("_IncompatibleKeys", ["missing_keys", "unexpected_keys"])
IncompatibleKeys.__repr__ = lambda self: (
    "<All keys matched successfully>"
    if not self.missing_keys and not self.unexpected_keys
    else f"_IncompatibleKeys(missing_keys={self.missing_keys}, unexpected_keys={self.unexpected_keys})"
)


class StateDict:
    """The part of Module that is its state dict."""

    def state_dict(self, *, destination=None, prefix="", keep_vars=False):
        """All parameters and persistent buffers by name, sharing memory with the module."""
        state = OrderedDict() if destination is None else destination
        modules = list(self.named_modules(prefix=prefix.rstrip("."), remove_duplicate=False))
        for path, module in modules:
            before = f"{path}." if path else ""
            for hook in module._hooks_of("state_dict_pre"):
                hook(module, before, keep_vars)
            for name, entry in module._saved_entries():
                state[before + name] = entry if keep_vars else entry.detach()
        for path, module in reversed(modules):
            for hook in module._hooks_of("state_dict_post"):
                hook(module, state, f"{path}." if path else "", {})
        return state

    def _saved_entries(self):
        for name, p in self._parameters.items():
            if p is not None:
                yield name, p
        for name, b in self._buffers.items():
            if b is not None and name not in self._non_persistent:
                yield name, b

    def load_state_dict(self, state_dict, strict=True, assign=False):
        """Copy a state dict (of tensors or arrays) into the module; nothing is changed if any shape differs."""
        if not hasattr(state_dict, "keys"):
            raise TypeError(f"Expected state_dict to be dict-like, got {type(state_dict)}.")
        modules = list(self.named_modules(remove_duplicate=False))
        problems, found = [], {}
        for path, module in modules:
            for hook in module._hooks_of("load_pre"):  # may rename entries, in a copy
                state_dict = state_dict if isinstance(state_dict, _Copy) else _Copy(state_dict)
                hook(module, state_dict, f"{path}." if path else "", {}, strict, [], [], problems)
        own = dict(StateDict._entries(modules))
        missing = [k for k in own if k not in state_dict and not k.endswith("num_batches_tracked")]  # younger than many files
        unexpected = [k for k in state_dict if k not in own]
        if strict and missing:
            problems.append(f"Missing key(s) in state_dict: {', '.join(map(repr, missing))}. ".replace("'", '"'))
        if strict and unexpected:
            problems.append(f"Unexpected key(s) in state_dict: {', '.join(map(repr, unexpected))}. ".replace("'", '"'))
        for key, mine in own.items():
            if key in state_dict:
                found[key] = theirs = as_tensor(state_dict[key])
                if tuple(theirs.shape) != tuple(mine.shape):
                    problems.append(
                        f"size mismatch for {key}: copying a param with shape {theirs.shape} from checkpoint, "
                        f"the shape in current model is {mine.shape}."
                    )
        if problems:
            text = "\n\t".join(problems)
            raise RuntimeError(f"Error(s) in loading state_dict for {type(self).__name__}:\n\t{text}")
        with no_grad():
            for key, theirs in found.items():
                if assign:
                    own[key].data = theirs.detach()
                else:
                    own[key].copy_(theirs)
        keys = IncompatibleKeys(missing, unexpected)
        for _, module in reversed(modules):
            for hook in module._hooks_of("load_post"):
                hook(module, keys)
        return keys

    @staticmethod
    def _entries(modules):
        for path, module in modules:
            for name, entry in module._saved_entries():
                yield (f"{path}.{name}" if path else name), entry

    # ---- hooks --------------------------------------------------------------------------------------------------------

    def _hooks_of(self, kind):
        return list(self.__dict__.get("_state_hooks", {}).get(kind, {}).values())

    def _add_state_hook(self, kind, hook):
        hooks = self.__dict__.setdefault("_state_hooks", {}).setdefault(kind, OrderedDict())
        handle = Handle(hooks)
        hooks[handle.id] = hook
        return handle

    def register_state_dict_pre_hook(self, hook):
        """hook(module, prefix, keep_vars) runs before the module's entries are put into a state dict."""
        return self._add_state_hook("state_dict_pre", hook)

    def register_state_dict_post_hook(self, hook):
        """hook(module, state_dict, prefix, local_metadata) may change a state dict that is complete."""
        return self._add_state_hook("state_dict_post", hook)

    def register_load_state_dict_pre_hook(self, hook):
        """hook(module, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs) may change what is loaded."""
        return self._add_state_hook("load_pre", hook)

    def register_load_state_dict_post_hook(self, hook):
        """hook(module, incompatible_keys) runs when a state dict has been loaded."""
        return self._add_state_hook("load_post", hook)

    def _register_state_dict_hook(self, hook):
        return self.register_state_dict_post_hook(hook)

    def _register_load_state_dict_pre_hook(self, hook, with_module=False):
        return self.register_load_state_dict_pre_hook(hook if with_module else lambda module, *args: hook(*args))


class _Copy(OrderedDict):
    """A state dict that hooks may change without changing the caller's."""
