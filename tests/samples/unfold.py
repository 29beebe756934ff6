"""unfold and fold: strides that skip rows, borders, dilation, windows as large as the image."""

from fastnn.ops import unfold as ops
from fastnn.reference import unfold as ref

from . import Sample


def samples(rng):
    for x, args in (
        ((2, 3, 5, 6), (3,)),
        ((1, 1, 1, 1), (1,)),
        ((3, 4, 5), ((2, 3), 1, 1)),
        ((2, 2, 7, 6), (3, 1, 1, 2)),
        ((1, 2, 7, 9), ((2, 3), (3, 2), (2, 1), (2, 3))),
        ((1, 1, 4, 33), ((1, 5), 1, (0, 2))),
        ((0, 2, 4, 4), (2,)),
        ((2, 1, 4, 4), (4,)),
        ((1, 1, 2, 2), (3, 2, 4)),
    ):
        a = rng.standard_normal(x)
        yield Sample(ops.unfold, (a, *args), ref=ref.unfold)
        y = ref.unfold(a, *args)
        yield Sample(ops.fold, (rng.standard_normal(y.shape), x[-2:], *args), ref=ref.fold)
