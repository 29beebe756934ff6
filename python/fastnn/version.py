"""What PyTorch says of its build: `version.cuda` is None where there is no GPU to run on."""

from __future__ import annotations

__version__ = "0.1.0"
cuda = hip = xpu = git_version = None
debug = False
