"""amp.GradScaler: scales, steps left out, and what it refuses; the numbers are PyTorch's."""

import math

import numpy as np
import pytest

import fastnn
from fastnn.amp import GradScaler


def step(scaler, w, optimizer, gradient):
    """One step of a loss with this gradient."""
    optimizer.zero_grad()
    scaler.scale((w * fastnn.tensor(gradient)).sum()).backward()
    scaler.unscale_(optimizer)
    scaler.step(optimizer)
    scaler.update()
    return w.detach().numpy().tolist()


def test_steps_that_are_not_finite_are_left_out():
    w = fastnn.zeros(2).requires_grad_()
    optimizer, scaler = fastnn.optim.SGD([w], lr=1.0), GradScaler("cpu", init_scale=4.0, growth_interval=2)
    scales, values = [], []
    for g in ([1.0, 2.0], [1.0, math.inf], [1.0, 1.0], [1.0, 1.0], [math.nan, 0.0]):
        values.append(step(scaler, w, optimizer, g))
        scales.append(scaler.get_scale())
    assert scales == [4.0, 2.0, 2.0, 4.0, 2.0]
    assert values == [[-1, -2], [-1, -2], [-2, -3], [-3, -4], [-3, -4]]
    assert scaler.state_dict() == {"scale": 2.0, "growth_factor": 2.0, "backoff_factor": 0.5, "growth_interval": 2, "_growth_tracker": 0}
    again = GradScaler("cpu")
    again.load_state_dict(scaler.state_dict())
    assert again.state_dict() == scaler.state_dict()
    with pytest.raises(RuntimeError, match="source state dict is empty"):
        again.load_state_dict({})


def test_scales_nests_and_refuses_what_is_no_tensor():
    scaler = GradScaler("cpu", init_scale=8.0)
    a, (b,) = scaler.scale([fastnn.ones(2), (fastnn.tensor(3.0),)])
    assert a.tolist() == [8, 8] and b.item() == 24
    with pytest.raises(ValueError, match="iterable of Tensors"):
        scaler.scale(3)


def test_rows_of_an_embedding_are_unscaled():
    e = fastnn.nn.Embedding(4, 2, sparse=True)
    optimizer, scaler = fastnn.optim.SGD(e.parameters(), lr=0.5), GradScaler("cpu", init_scale=16.0)
    before = e.weight.detach().clone()
    scaler.scale(e(fastnn.tensor([1, 1])).sum()).backward()
    scaler.step(optimizer)
    np.testing.assert_allclose((before - e.weight).detach().numpy(), [[0, 0], [1, 1], [0, 0], [0, 0]], atol=1e-6)


def test_order_of_calls():
    w = fastnn.ones(1).requires_grad_()
    optimizer, scaler = fastnn.optim.SGD([w], lr=1.0), GradScaler("cpu")
    with pytest.raises(AssertionError, match="prior to update"):
        scaler.update()
    with pytest.raises(AssertionError, match="for this optimizer"):
        scaler.step(optimizer)
    scaler = GradScaler("cpu")
    scaler.scale(w.sum()).backward()
    scaler.unscale_(optimizer)
    with pytest.raises(RuntimeError, match="already been called on this optimizer"):
        scaler.unscale_(optimizer)
    scaler.step(optimizer)
    with pytest.raises(RuntimeError, match=r"step\(\) has already been called"):
        scaler.step(optimizer)
    with pytest.raises(RuntimeError, match="after step"):
        scaler.unscale_(optimizer)
    with pytest.raises(RuntimeError, match="Closure use"):
        scaler.step(optimizer, closure=lambda: None)
    scaler.update(32.0)
    assert scaler.get_scale() == 32.0


def test_without_a_gpu_that_of_cuda_is_disabled(monkeypatch):
    monkeypatch.setattr(fastnn.cuda, "is_available", lambda: False)
    with pytest.warns(UserWarning, match="CUDA is not available"):
        scaler = GradScaler()
    from fastnn.cuda.amp import GradScaler as OfCuda
    from fastnn.cuda.amp import autocast

    assert not scaler.is_enabled() and not OfCuda(enabled=False).is_enabled() and scaler.get_scale() == 1.0 and scaler.state_dict() == {}
    w = fastnn.ones(1).requires_grad_()
    with autocast(enabled=False):
        assert scaler.scale(w) is w


@pytest.mark.parametrize("name, dtype", [("LSTM", fastnn.bfloat16), ("RNN", fastnn.bfloat16), ("GRU", fastnn.float32)])
def test_recurrent_layers(name, dtype):
    """As on PyTorch's CPU: LSTM and RNN in the lower dtype, the cells of GRU and LSTM not. Their input may come from a linear layer."""
    first, layer, cell = fastnn.nn.Linear(3, 3), getattr(fastnn.nn, name)(3, 4), getattr(fastnn.nn, f"{name}Cell")(3, 4)
    with fastnn.autocast("cpu", dtype=fastnn.bfloat16):
        y, state = layer(first(fastnn.randn(5, 2, 3)))
        again, _ = layer(fastnn.randn(5, 2, 3), state)
        single = cell(first(fastnn.randn(2, 3)))
    assert y.dtype is again.dtype is dtype and (single[0] if name == "LSTM" else single).dtype is (fastnn.bfloat16 if name == "RNN" else fastnn.float32)
    y.float().sum().backward()
    assert first.weight.grad.dtype is fastnn.float32 and layer.weight_hh_l0.grad.abs().sum() > 0
