"""Convolutions: every option, odd sizes, tails around vector widths, and enough channels to split the inner dimension."""

from fastnn.ops import conv2d as ops
from fastnn.reference import conv2d as ref

from . import Sample


def samples(rng):
    def make(name, x, w, bias=True, **options):
        transposed = "transpose" in name
        filters = w[1] * options.get("groups", 1) if transposed else w[0]
        args = (rng.standard_normal(x), rng.standard_normal(w)) + ((rng.standard_normal(filters),) if bias else ())
        return Sample(getattr(ops, name), args, options, ref=getattr(ref, name))

    yield make("conv2d", (2, 3, 5, 6), (4, 3, 3, 3))
    yield make("conv2d", (1, 1, 1, 1), (1, 1, 1, 1))
    yield make("conv2d", (3, 5, 5), (2, 3, 2, 2), bias=False)
    yield make("conv2d", (2, 2, 5, 4), (3, 2, 3, 3), padding=1)
    yield make("conv2d", (2, 2, 7, 6), (3, 2, 3, 3), stride=2, padding=1)
    yield make("conv2d", (1, 2, 8, 7), (2, 2, 3, 2), stride=(2, 3), padding=(2, 1), dilation=(1, 2))
    yield make("conv2d", (1, 2, 6, 6), (2, 2, 1, 1), stride=3)
    yield make("conv2d", (1, 2, 7, 7), (2, 2, 3, 3), dilation=3)
    yield make("conv2d", (1, 1, 3, 3), (2, 1, 3, 3), dilation=3, padding=4, bias=False)
    yield make("conv2d", (2, 4, 5, 5), (6, 2, 3, 3), groups=2, padding=1)
    yield make("conv2d", (2, 3, 5, 5), (6, 1, 3, 3), groups=3, padding=1)
    yield make("conv2d", (1, 2, 5, 6), (3, 2, 2, 4), padding="same")
    yield make("conv2d", (1, 2, 4, 4), (2, 2, 3, 3), padding="valid")
    yield make("conv2d", (0, 2, 4, 4), (2, 2, 3, 3))
    yield make("conv2d", (5, 3, 2, 2), (4, 3, 2, 2))
    yield make("conv2d", (1, 1, 3, 33), (1, 1, 1, 5))
    yield make("conv2d", (1, 1, 2, 17), (15, 1, 2, 2), bias=False)
    for x, w, options in (
        ((2, 17, 9, 19), (33, 17, 3, 3), {"padding": 1}),
        ((1, 40, 12, 12), (31, 40, 3, 3), {"stride": 2, "padding": 1}),
        ((3, 70, 4, 4), (130, 70, 2, 2), {"padding": 1}),
        ((1, 1, 31, 67), (7, 1, 5, 5), {"padding": 2}),
        ((1, 1, 1, 1500), (2, 1, 1, 9), {"stride": (1, 2)}),
    ):
        s = make("conv2d", x, w, **options)
        s.smooth = False  # only for time: the small ones above take the same paths
        yield s

    yield make("conv1d", (2, 3, 9), (4, 3, 3), padding=1)
    yield make("conv1d", (3, 10), (4, 3, 4), padding="same")
    yield make("conv1d", (1, 4, 19), (4, 2, 5), stride=2, dilation=2, padding=3, groups=2)
    yield make("conv_transpose1d", (2, 3, 5), (3, 2, 4), stride=3, padding=1, output_padding=2)
    yield make("conv_transpose1d", (3, 6), (3, 2, 3), dilation=2)
    yield make("conv_transpose2d", (2, 3, 3, 4), (3, 2, 3, 3))
    yield make("conv_transpose2d", (2, 4, 3, 4), (4, 3, 3, 2), stride=2, padding=1, output_padding=1, groups=2)
    yield make("conv_transpose2d", (1, 2, 4, 3), (2, 2, 2, 2), stride=(3, 2), dilation=(2, 3), output_padding=(1, 2), bias=False)
    yield make("conv_transpose2d", (2, 3, 3), (2, 2, 1, 1), stride=2)
    yield make("conv_transpose2d", (0, 2, 3, 3), (2, 2, 3, 3))

    def bare(name, a, b, size, stride=(1, 1), padding=(0, 0), dilation=(1, 1), groups=1):
        options = {"size": size, "stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
        args = (rng.standard_normal(a), rng.standard_normal(b))
        fn = getattr(ops, "_" + name)
        call = fn if name == "conv2d_dw" else lambda a, b, **k: fn(a, b, None, **k)
        return Sample(call, args, options, ref=getattr(ref, name), name=name)

    # Sizes that no forward call leaves behind: rows the stride skipped, a filter the input never fills.
    yield bare("conv2d_dx", (2, 4, 2, 2), (4, 3, 3, 3), (7, 6), stride=(2, 2))
    yield bare("conv2d_dx", (1, 2, 2, 2), (2, 3, 2, 2), (9, 9), stride=(4, 3))
    yield bare("conv2d_dw", (2, 4, 3, 3), (2, 3, 6, 7), (2, 3), stride=(2, 2))
    yield bare("conv2d_dw", (2, 4, 3, 3), (2, 4, 5, 5), (3, 3), groups=2)
