"""Pictures as PNG: solution beside reference and error, and the loss. Needs matplotlib: pip install "fastnn[pinn]"."""

from __future__ import annotations

import numpy as np

__all__ = ["plot"]


def _pyplot():
    try:
        import matplotlib
    except ImportError:
        raise ImportError('plot needs matplotlib: pip install "fastnn[pinn]"') from None
    matplotlib.use("Agg", force=False)
    import matplotlib.pyplot as plt

    return plt


def plot(problem, path, *, points=None, reference=None, output=None, history=None, size=200):
    """Draws an output of the problem into the file `path`: a curve over one coordinate, a heat map over two.

    reference: values (n,) at points (n, d), or a function of coordinates by name taking arrays; then reference and error
    are drawn too. Without points, a regular grid of `size` points a side. history: adds the loss.
    """
    plt = _pyplot()
    from .fields import by_name

    domain = problem.domain
    dims = len(domain.names)
    if dims > 2:
        raise ValueError(f"plot: can draw one or two coordinates, the problem has {dims}: {', '.join(domain.names)}")
    if points is None:
        axes = [np.linspace(a, b, size) for a, b in zip(domain.low, domain.high, strict=True)]
        points = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, dims)
        points = points[domain.contains(points)]
    points = domain.check(points, "plot")
    column = problem.outputs.index(problem.output(output, "plot"))
    u = problem.predict(points)[:, column]
    name = problem.outputs[column]
    if callable(reference):
        reference = by_name(reference, domain.columns(points), "reference")
    panels = [(name, u)]
    if reference is not None:
        reference = np.asarray(reference, dtype=np.float64).ravel()
        panels += [("reference", reference), ("error", u - reference)]
    curves = 1 if dims == 1 and reference is None else 2 if dims == 1 else len(panels)
    count = curves + (history is not None)
    figure, axes = plt.subplots(1, count, figsize=(4.2 * count, 3.4), squeeze=False, layout="constrained")
    axes = axes[0]
    if dims == 1:
        _curves(axes, domain.names[0], points[:, 0], panels)
    else:
        for axis, (title, values) in zip(axes, panels, strict=False):
            scale = values if title == "error" or reference is None else reference
            _heat(figure, axis, domain.names, points, title, values, scale)
    if history is not None:
        axes[-1].semilogy(history.step, history.loss, "k", label="loss")
        for term, values in history.terms.items():
            axes[-1].semilogy(history.step, values, lw=0.8, label=term)
        axes[-1].set(xlabel="step", title="loss")
        axes[-1].legend(fontsize="small")
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _curves(axes, name, x, panels):
    order = np.argsort(x)
    axes[0].plot(x[order], panels[0][1][order], label=panels[0][0])
    axes[0].set(xlabel=name, title=panels[0][0])
    if len(panels) > 1:
        axes[0].plot(x[order], panels[1][1][order], "k--", label="reference")
        axes[0].legend()
        axes[1].plot(x[order], panels[2][1][order])
        axes[1].set(xlabel=name, title="error")


def _heat(figure, axis, names, points, title, values, scale):
    """Time runs to the right; elsewhere the first coordinate does. On a full grid as cells, else as coloured points. The
    colours span the values of `scale`, so that solution and reference have the same."""
    first, second = (1, 0) if names[1] == "t" else (0, 1)
    a, b = points[:, first], points[:, second]
    low, high = scale.min(), scale.max()
    limit = max(-low, high) or 1.0
    signed = low < -0.01 * limit and high > 0.01 * limit
    colours = dict(cmap="RdBu_r", vmin=-limit, vmax=limit) if signed else dict(cmap="viridis", vmin=low, vmax=high)
    xs, ys = np.unique(a), np.unique(b)
    if len(xs) * len(ys) <= 4 * len(points):
        grid = np.full((len(ys), len(xs)), np.nan)
        grid[np.searchsorted(ys, b), np.searchsorted(xs, a)] = values
        image = axis.pcolormesh(xs, ys, grid, shading="nearest", **colours)
    else:
        image = axis.scatter(a, b, c=values, s=4, **colours)
    axis.set(xlabel=names[first], ylabel=names[second], title=title)
    figure.colorbar(image, ax=axis)
