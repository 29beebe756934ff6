"""PyTorch's `torch.special`: see ops/special.py, ops/gamma.py, and for what has a shorter name elsewhere, there."""

from .errors import named
from .ops import bessel as _bessel
from .ops import elementwise as _elementwise
from .ops import gamma as _gamma
from .ops import polynomials as _polynomials
from .ops import special as _special
from .ops.activation import sigmoid as expit
from .ops.calculus import sinc
from .ops.reduce import logsumexp
from .ops.softmax import log_softmax, softmax

globals().update({name: named(getattr(_special, name)) for name in _special.NAMESPACE})
globals().update({name: named(getattr(_gamma, name)) for name in _gamma.NAMESPACE})
globals().update({name: named(getattr(_bessel, name)) for name in _bessel.NAMESPACE})
globals().update({name: named(getattr(_polynomials, name)) for name in _polynomials.__all__})
_SAME = "erf erfc exp2 expm1 log1p logit round xlogy".split()
globals().update({name: named(getattr(_elementwise, name)) for name in _SAME})
gammaln, psi, gammainc, gammaincc, multigammaln = (
    named(getattr(_gamma, name)) for name in ("lgamma", "digamma", "igamma", "igammac", "mvlgamma")
)
expit, sinc, logsumexp, log_softmax, softmax = (named(f) for f in (expit, sinc, logsumexp, log_softmax, softmax))
__all__ = [
    *_special.NAMESPACE, *_gamma.NAMESPACE, *_bessel.NAMESPACE, *_polynomials.__all__, *_SAME, "expit", "gammainc", "gammaincc", "gammaln", "log_softmax", "logsumexp", "multigammaln", "psi", "sinc", "softmax",
]  # fmt: skip
