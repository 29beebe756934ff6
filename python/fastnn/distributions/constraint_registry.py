"""transform_to and biject_to: a transform from unconstrained numbers to each constraint."""

from __future__ import annotations

from . import constraints, transforms

__all__ = ["ConstraintRegistry", "biject_to", "transform_to"]


class ConstraintRegistry:
    """registry(constraint) gives a transform whose codomain it is; NotImplementedError where none is registered."""

    def __init__(self):
        self._factories = {}

    def register(self, constraint, factory=None):
        """factory(constraint) makes the transform for constraints of this type (or of the type of this one)."""
        if factory is None:
            return lambda f: self.register(constraint, f)
        self._factories[self._key(constraint)] = factory
        return factory

    @staticmethod
    def _key(constraint):
        if isinstance(constraint, type):
            return constraint
        return (type(constraint), constraint._name) if isinstance(constraint, constraints._Simple) else type(constraint)

    def __call__(self, constraint):
        try:
            return self._factories[self._key(constraint)](constraint)
        except KeyError:
            raise NotImplementedError(f"Cannot transform {type(constraint).__name__} constraints") from None


biject_to, transform_to = ConstraintRegistry(), ConstraintRegistry()


def _both(constraint):
    def register(factory):
        biject_to.register(constraint, factory)
        transform_to.register(constraint, factory)
        return factory

    return register


def _scaled(lower, upper):
    if isinstance(lower, float) and isinstance(upper, float) and (lower, upper) == (0.0, 1.0):
        return transforms.SigmoidTransform()
    return transforms.ComposeTransform([transforms.SigmoidTransform(), transforms.AffineTransform(lower, upper - lower)])


def _above(constraint):
    lower = constraint.lower_bound
    if isinstance(lower, (int, float)) and lower == 0:
        return transforms.ExpTransform()
    return transforms.ComposeTransform([transforms.ExpTransform(), transforms.AffineTransform(lower, 1)])


_both(constraints.real)(lambda c: transforms.identity_transform)
_both(constraints.greater_than)(_above)
_both(constraints.greater_than_eq)(_above)
_both(constraints.less_than)(
    lambda c: transforms.ComposeTransform([transforms.ExpTransform(), transforms.AffineTransform(c.upper_bound, -1)])
)
_both(constraints.interval)(lambda c: _scaled(c.lower_bound, c.upper_bound))
_both(constraints.half_open_interval)(lambda c: _scaled(c.lower_bound, c.upper_bound))
_both(constraints.corr_cholesky)(lambda c: transforms.CorrCholeskyTransform())
_both(constraints.lower_cholesky)(lambda c: transforms.LowerCholeskyTransform())
_both(constraints.positive_definite)(lambda c: transforms.PositiveDefiniteTransform())
transform_to.register(constraints.positive_semidefinite, lambda c: transforms.PositiveDefiniteTransform())
biject_to.register(constraints.simplex, lambda c: transforms.StickBreakingTransform())
transform_to.register(constraints.simplex, lambda c: transforms.SoftmaxTransform())


@biject_to.register(constraints.independent)
def _biject_independent(constraint):
    return transforms.IndependentTransform(biject_to(constraint.base_constraint), constraint.reinterpreted_batch_ndims)


@transform_to.register(constraints.independent)
def _transform_independent(constraint):
    return transforms.IndependentTransform(transform_to(constraint.base_constraint), constraint.reinterpreted_batch_ndims)


for _registry in (biject_to, transform_to):
    _registry.register(
        constraints.cat, lambda c, to=_registry: transforms.CatTransform([to(part) for part in c.cseq], c.dim, c.lengths)
    )
    _registry.register(constraints.stack, lambda c, to=_registry: transforms.StackTransform([to(part) for part in c.cseq], c.dim))
