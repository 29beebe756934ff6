"""CUDA graphs by PyTorch's names: work that is recorded once and launched again and again, on the same memory.

`fastnn.capture` does all of this by itself, and sees when the step has changed. Here nothing is looked at: a replay does what was
recorded, to the tensors that were there.

    g = fastnn.cuda.CUDAGraph()
    with fastnn.cuda.graph(g):        # nothing runs on the GPU
        y = model(x)
    x.copy_(batch)
    g.replay()                        # y is the model's answer

Random numbers go on from replay to replay; numbers on the CPU (a learning rate in a 0-d tensor) are read anew. What runs on the CPU while it
is recorded runs once and is not repeated.
"""

from __future__ import annotations

from .. import _cpu


def is_current_stream_capturing() -> bool:
    """Whether this thread is recording a graph."""
    return _cpu.capturing()


def graph_pool_handle():
    """(0, 0): each graph has memory of its own."""
    return 0, 0


class CUDAGraph:
    """Work that `graph` has recorded. keep_graph is accepted."""

    def __init__(self, keep_graph=False):
        self._program = None

    def capture_begin(self, pool=None, capture_error_mode="global") -> None:
        """From now on this thread's work on the GPU is recorded, and not done. RuntimeError for a graph that has been recorded already."""
        from . import require

        require()
        if self._program is not None:
            raise RuntimeError("This CUDAGraph instance already owns a captured graph. To capture a new graph, create a new instance.")
        _cpu.record_begin(True)

    def capture_end(self) -> None:
        """The end of what is recorded."""
        program, _, _ = _cpu.record_end()
        program.plan()
        self._program = program

    def instantiate(self) -> None:
        """Accepted: the first replay does it."""

    def replay(self) -> None:
        """Does what was recorded, on the current stream, without waiting for it. RuntimeError where nothing has been."""
        if self._program is None:
            raise RuntimeError("Called CUDAGraph.replay without a preceding successful capture.")
        self._program.replay()

    def reset(self) -> None:
        """Forgets what was recorded."""
        self._program = None

    def pool(self):
        """(0, 0): each graph has memory of its own."""
        return graph_pool_handle()


class graph:
    """``with graph(g):`` what the block does on the GPU is recorded in g, a `CUDAGraph`, and not done.

    RuntimeError where a value is read (`item`, `cpu`): there is none yet. pool and capture_error_mode are accepted; stream is the one that
    memory is made for.
    """

    def __init__(self, cuda_graph, pool=None, stream=None, capture_error_mode="global"):
        from .streams import StreamContext

        self._graph, self._stream = cuda_graph, StreamContext(stream)

    def __enter__(self):
        self._stream.__enter__()
        try:
            self._graph.capture_begin()
        except BaseException:
            self._stream.__exit__(None, None, None)
            raise

    def __exit__(self, kind, *exception):
        try:
            if kind is None:
                self._graph.capture_end()
            else:
                _cpu.record_end()
        finally:
            self._stream.__exit__(None, None, None)


def make_graphed_callables(callables, sample_args, num_warmup_iters=3, allow_unused_input=False, pool=None):
    """Functions or modules (or a tuple of them) whose forward and backward passes are graphs, for arguments like sample_args.

    sample_args: a tuple of tensors, or for several callables a tuple of such. A module is returned itself, with another `forward`, which is
    the old one where train and eval mode are not what they were. RuntimeError for arguments that are not tensors, other shapes, and inputs
    that the result does not depend on, unless allow_unused_input. No derivatives of derivatives.
    """
    if not isinstance(callables, tuple):
        return _graphed(callables, sample_args, num_warmup_iters, allow_unused_input)
    return tuple(_graphed(f, args, num_warmup_iters, allow_unused_input) for f, args in zip(callables, sample_args, strict=True))


def _graphed(fn, args, warmup, allow_unused):
    from ..autograd import Function, grad
    from ..nn import Module
    from ..tensor import Tensor, empty_like
    from ..utils._pytree import tree_flatten, tree_unflatten

    if not all(isinstance(a, Tensor) for a in args):
        raise RuntimeError("make_graphed_callables: sample_args must contain only Tensors")
    module = fn if isinstance(fn, Module) else None
    run = module.forward if module is not None else fn
    parameters = tuple(module.parameters()) if module is not None else ()
    inputs = tuple(args) + parameters
    wanted = [x for x in inputs if x.requires_grad]

    def forward():
        leaves, spec = tree_flatten(run(*args))
        return leaves, spec, [y for y in leaves if y.requires_grad]

    def backward(differentiable, gradients):
        return grad(differentiable, wanted, gradients, allow_unused=allow_unused) if differentiable and wanted else ()

    for _ in range(warmup):
        _, _, differentiable = forward()
        backward(differentiable, [empty_like(y).fill_(1) for y in differentiable])
    ahead, back = CUDAGraph(), CUDAGraph()
    with graph(ahead):
        results, spec, differentiable = forward()
    incoming = [empty_like(y) for y in differentiable]
    with graph(back):
        made = list(backward(differentiable, incoming))
    wants = [y.requires_grad for y in results]
    results = [y.detach() for y in results]
    outgoing = iter(made)
    gradients = [next(outgoing, None) if x.requires_grad else None for x in inputs]

    class Graphed(Function):
        @staticmethod
        def forward(ctx, *given):
            for mine, x in zip(args, given, strict=False):
                if x.data_ptr() != mine.data_ptr():
                    mine.detach().copy_(x)
            ahead.replay()
            return tuple(y.clone() for y in results)

        @staticmethod
        def backward(ctx, *given):
            for mine, g in zip(incoming, [g for g, w in zip(given, wants, strict=True) if w], strict=True):
                mine.copy_(g)
            back.replay()
            return tuple(None if g is None else g.clone() for g in gradients)

    def replayed(*given):
        return tree_unflatten(list(Graphed.apply(*given, *parameters)), spec)

    if module is None:
        return replayed
    training = module.training

    def replayed_or_not(*given):
        return replayed(*given) if module.training == training else run(*given)

    module.forward = replayed_or_not
    return module


__all__ = ["CUDAGraph", "graph", "graph_pool_handle", "is_current_stream_capturing", "make_graphed_callables"]
