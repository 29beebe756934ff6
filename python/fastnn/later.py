"""Names that load their module when they are first asked for."""

from __future__ import annotations

import importlib


def later(module, homes):
    """(`__getattr__`, `__dir__`) of a module, given by its globals(). homes: {name: the module in this package that has it, or that it is}."""

    def get(name):
        if name not in homes:
            raise AttributeError(f"module {module['__name__']!r} has no attribute {name!r}")
        home = importlib.import_module(f"{__package__}.{homes[name]}")
        return module.setdefault(name, home if home.__name__ == f"{module['__name__']}.{name}" else getattr(home, name))

    return get, lambda: sorted({*module, *homes})
