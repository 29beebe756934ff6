"""Functions of layers, activations and losses, without state: `import fastnn.nn.functional as F`.

Each family of fastnn.ops names its share in FUNCTIONAL; this module is their union. To read one, open its family:
`F.conv2d.__module__` says which.
"""

from __future__ import annotations

from .. import ops

globals().update(ops.exported("FUNCTIONAL"))
__all__ = sorted(ops.exported("FUNCTIONAL"))
