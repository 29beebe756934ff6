"""Samples of recurrent layers over packed batches."""


import fastnn
from fastnn.ops import rnn as ops
from fastnn.reference import rnn as ref

from . import Sample


def lstm(*args, sizes, reverse):
    return ops._lstm(*args, sizes=fastnn.tensor(sizes), reverse=reverse)[0]


def gru(*args, sizes, reverse):
    return ops._gru(*args, sizes=fastnn.tensor(sizes), reverse=reverse)[0]


def rnn(*args, sizes, reverse, nonlinearity):
    return ops._rnn(*args, sizes=fastnn.tensor(sizes), reverse=reverse, nonlinearity=nonlinearity)


def samples(rng):
    def sample(f, sizes, inputs, units, reverse=False, given=True, grad=True, **options):
        gates, states = {lstm: (4, 2), gru: (3, 1), rnn: (1, 1)}[f]

        def normal(*shape):
            return rng.standard_normal(shape) / units**0.5

        begin = [normal(sizes[0], units) if given else None for _ in range(states)]
        biases = [normal(gates * units) if given else None for _ in range(2)]
        args = (rng.standard_normal((sum(sizes), inputs)), *begin, normal(gates * units, inputs), normal(gates * units, units), *biases)
        return Sample(
            f, args, {"sizes": sizes, "reverse": reverse, **options}, ref=getattr(ref, f.__name__), grad=grad, name=f.__name__,
            smooth=options.get("nonlinearity") != "relu",
        )  # fmt: skip

    tanh, relu = {"nonlinearity": "tanh"}, {"nonlinearity": "relu"}
    for f, options in ((lstm, {}), (gru, {}), (rnn, tanh), (rnn, relu)):
        yield sample(f, (2, 2), 3, 2, **options)
        yield sample(f, (2, 1), 1, 3, given=False, **options)
        yield sample(f, (3, 2, 2, 1), 2, 3, reverse=True, **options)
        yield sample(f, (1,), 2, 1, **options)
        yield sample(f, (3, 3, 2, 1), 2, 5, **options)  # forward, of uneven lengths
        yield sample(f, (37, 37, 30, 9, 1), 7, 33, reverse=True, grad=False, **options)  # chunks of sequences
        yield sample(f, (37, 37, 30, 9, 1), 7, 33, **options)
        yield sample(f, (7, 7, 4), 5, 70, reverse=True, given=False, **options)  # and of units
        yield sample(f, (3, 3), 20, 150, grad=False, **options)
    yield sample(lstm, (17, 17), 3, 200)  # W_hh too large for every thread to read
    yield sample(lstm, (0,), 3, 2, grad=False)
