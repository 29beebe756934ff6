"""Operations, one module a family: forward functions, partial derivatives, PyTorch's names.

A module lists what users see: `__all__` for `fastnn.NAME`, METHODS for `Tensor.NAME`, FUNCTIONAL for
`fastnn.nn.functional.NAME`. Nothing else registers anything.
"""

from __future__ import annotations

import importlib
import pkgutil

from ..errors import named
from ..tensor import Tensor

MODULES = {name: importlib.import_module(f"{__name__}.{name}") for _, name, _ in pkgutil.iter_modules(__path__)}

for _module in MODULES.values():
    for _name in getattr(_module, "METHODS", ()):
        setattr(Tensor, _name, getattr(_module, _name))
for _name, _f in list(vars(Tensor).items()):
    if not _name.startswith("_"):
        setattr(Tensor, _name, named(_f))


def exported(attribute):
    """{name: function} over all families for `__all__`, METHODS or FUNCTIONAL."""
    return {n: named(getattr(m, n)) for m in MODULES.values() for n in getattr(m, attribute, ())}
