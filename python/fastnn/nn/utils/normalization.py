"""weight_norm and spectral_norm as hooks: parameters `weight_g`, `weight_v` or `weight_orig`, and `weight` made before each call."""

from __future__ import annotations

from ...autodiff import no_grad
from ..parameter import Parameter
from .parametrizations import _SpectralNorm, norm_except, normalize

__all__ = ["remove_spectral_norm", "remove_weight_norm", "spectral_norm", "weight_norm"]


class WeightNorm:
    def __init__(self, name, dim):
        self.name, self.dim = name, dim

    def compute(self, module):
        g, v = getattr(module, self.name + "_g"), getattr(module, self.name + "_v")
        return v * (g / norm_except(v, self.dim))

    def __call__(self, module, args):
        object.__setattr__(module, self.name, self.compute(module))


def _hook(module, kind, name):
    for key, hook in module._forward_pre_hooks.items():
        if isinstance(hook, kind) and hook.name == name:
            return key, hook
    return None, None


def weight_norm(module, name="weight", dim=0):
    """weight = g v / |v| (Salimans and Kingma 2016); see parametrizations.weight_norm."""
    if _hook(module, WeightNorm, name)[1] is not None:
        raise RuntimeError(f"Cannot register two weight_norm hooks on the same parameter {name}")
    weight = getattr(module, name)
    hook = WeightNorm(name, dim)
    with no_grad():
        g = norm_except(weight.detach(), dim)
    delattr(module, name)
    module.register_parameter(name + "_g", Parameter(g))
    module.register_parameter(name + "_v", Parameter(weight.detach()))
    hook(module, ())
    module.register_forward_pre_hook(hook)
    return module


def remove_weight_norm(module, name="weight"):
    """Ends weight_norm: `name` is a parameter again."""
    key, hook = _hook(module, WeightNorm, name)
    if hook is None:
        raise ValueError(f"weight_norm of '{name}' not found in {module}")
    with no_grad():
        weight = hook.compute(module).detach()
    for part in ("_g", "_v"):
        delattr(module, name + part)
    del module._forward_pre_hooks[key]
    module.__dict__.pop(name, None)
    setattr(module, name, Parameter(weight))
    return module


class _VFirst(_SpectralNorm):
    """The order of the older form: v is made from u, then u from v."""

    def _iterate(self, matrix, steps):
        with no_grad():
            for _ in range(steps):
                self._v.copy_(normalize(matrix.mT @ self._u, dim=0, eps=self.eps))
                self._u.copy_(normalize(matrix @ self._v, dim=0, eps=self.eps))


class SpectralNorm:
    def __init__(self, name, norm):
        self.name, self.norm = name, norm

    def __call__(self, module, args):
        self.norm.training = module.training
        self.norm._u, self.norm._v = module._buffers[self.name + "_u"], module._buffers[self.name + "_v"]
        object.__setattr__(module, self.name, self.norm(getattr(module, self.name + "_orig")))


def spectral_norm(module, name="weight", n_power_iterations=1, eps=1e-12, dim=None):
    """weight / its largest singular value (Miyato et al. 2018); see parametrizations.spectral_norm."""
    if _hook(module, SpectralNorm, name)[1] is not None:
        raise RuntimeError(f"Cannot register two spectral_norm hooks on the same parameter {name}")
    if dim is None:
        dim = 1 if "ConvTranspose" in type(module).__name__ else 0
    weight = getattr(module, name)
    norm = _VFirst(weight.detach(), n_power_iterations, dim, eps)
    delattr(module, name)
    module.register_parameter(name + "_orig", weight)
    module.register_buffer(name + "_u", norm._u)
    module.register_buffer(name + "_v", norm._v)
    hook = SpectralNorm(name, norm)
    object.__setattr__(module, name, weight.detach())
    module.register_forward_pre_hook(hook)
    return module


def remove_spectral_norm(module, name="weight"):
    """Ends spectral_norm: `name` is a parameter again."""
    key, hook = _hook(module, SpectralNorm, name)
    if hook is None:
        raise ValueError(f"spectral_norm of '{name}' not found in {module}")
    with no_grad():
        hook.norm.training = False
        weight = hook.norm(getattr(module, name + "_orig")).detach()
    for part in ("_orig", "_u", "_v"):
        delattr(module, name + part)
    del module._forward_pre_hooks[key]
    module.__dict__.pop(name, None)
    setattr(module, name, Parameter(weight))
    return module
