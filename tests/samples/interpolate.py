"""Resampling: every mode, up and down, by size and by factor, corners aligned or not, rows around vector widths."""

from fastnn.ops import interpolate as ops
from fastnn.reference import interpolate as reference

from . import Sample


def samples(rng):
    def sample(shape, **kwargs):
        # float32 rounds positions: far from the origin of a long row a weight moves by 1e-6
        return Sample(
            ops.interpolate, (rng.standard_normal(shape),), kwargs, ref=reference.interpolate, rtol=1e-5, name="interpolate"
        )

    for shape, size in (((1, 2, 5), 9), ((2, 3, 17), 33), ((1, 1, 20), 7), ((2, 1, 1), 4), ((1, 2, 6), 1)):
        for mode in ("nearest", "nearest-exact"):
            yield sample(shape, size=size, mode=mode)
        yield sample(shape, size=size, mode="linear")
        yield sample(shape, size=size, mode="linear", align_corners=True)
    for shape, size in (((1, 2, 4, 5), (8, 10)), ((2, 1, 5, 17), (3, 34)), ((1, 1, 7, 6), (7, 1)), ((0, 2, 3, 3), (5, 5)), ((1, 1, 1, 3), (3, 20))):
        for mode in ("nearest", "nearest-exact"):
            yield sample(shape, size=size, mode=mode)
        for mode in ("bilinear", "bicubic"):
            for align in (False, True):
                yield sample(shape, size=size, mode=mode, align_corners=align)
    for mode in ("nearest", "bilinear", "bicubic"):
        yield sample((1, 2, 5, 7), scale_factor=2, mode=mode)
        yield sample((1, 1, 7, 9), scale_factor=(1.7, 0.6), mode=mode)
        yield sample((1, 1, 7, 9), scale_factor=(1.7, 0.6), mode=mode, recompute_scale_factor=True)
    for mode in ("nearest", "trilinear"):
        yield sample((1, 2, 2, 3, 4), size=(3, 5, 2), mode=mode)
    x = rng.standard_normal((2, 8, 3, 5))
    yield Sample(ops.pixel_shuffle, (x, 2), ref=reference.pixel_shuffle)
    yield Sample(ops.pixel_unshuffle, (rng.standard_normal((1, 2, 6, 4)), 2), ref=reference.pixel_unshuffle)
    yield Sample(ops.channel_shuffle, (x, 4), ref=lambda x, g: x.reshape(2, 4, 2, 3, 5).swapaxes(1, 2).reshape(x.shape))
