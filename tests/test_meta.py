"""device="meta": models that are made without memory, and given it later."""

import copy
import warnings

import pytest

import fastnn
from fastnn import nn


class Model(nn.Module):
    def __init__(self, width=8):
        super().__init__()
        self.table = nn.Embedding(11, width, padding_idx=0)
        self.place = nn.Parameter(fastnn.zeros(1, 16, width))
        self.register_buffer("mask", fastnn.tril(fastnn.ones(16, 16)).view(1, 1, 16, 16))
        self.register_buffer("turns", fastnn.outer(fastnn.arange(16).float(), 1.0 / (100 ** (fastnn.arange(0, width, 2).float() / width))))
        self.encoder = nn.TransformerEncoderLayer(width, 2, 16, batch_first=True)
        self.recurrent, self.conv, self.norm = nn.LSTM(width, width, batch_first=True), nn.Conv1d(width, width, 3, padding=1), nn.BatchNorm1d(width)
        self.head = nn.Linear(width, 11, bias=False)
        self.head.weight = self.table.weight
        nn.init.trunc_normal_(self.place, std=0.02)
        nn.init.orthogonal_(self.conv.weight)
        self.head.weight.data.normal_(0, 0.1)

    def forward(self, ids):
        x = self.encoder(self.table(ids) + self.place[:, : ids.shape[1]])
        x = self.norm(self.conv(self.recurrent(x)[0].mT)).mT
        return self.head(x + self.turns[: ids.shape[1]].repeat(1, 2))


def test_a_model_is_made_without_memory_and_loaded():
    before = fastnn.memory_stats()["live_bytes"]
    with fastnn.device("meta"):
        model = Model()
        large = nn.Linear(1 << 15, 1 << 15)  # 4 GB, were it made
    assert fastnn.memory_stats()["live_bytes"] - before < 1 << 20 and large.weight.stride() == (1 << 15, 1)
    assert all(t.is_meta and t.device == fastnn.device("meta") for t in (*model.parameters(), *model.buffers())) and model.head.weight is model.table.weight
    y = model(fastnn.zeros(2, 5, dtype=fastnn.int64, device="meta"))
    assert y.is_meta and y.shape == (2, 5, 11) and copy.deepcopy(model).place.is_meta and model.half().place.dtype is fastnn.float16
    real = Model().eval()
    model.float().load_state_dict(real.state_dict(), assign=True)
    ids = fastnn.randint(0, 11, (2, 5))
    assert fastnn.equal(model.eval()(ids), real(ids)) and type(model.place) is nn.Parameter and not model.place.is_meta
    model(ids).sum().backward()
    assert model.place.grad.shape == model.place.shape
    with pytest.raises(NotImplementedError, match="to_empty"):
        large.to("cpu")
    small = nn.Linear(3, 2, device="meta").to_empty(device="cpu")
    small.reset_parameters()
    assert small(fastnn.ones(1, 3)).device == fastnn.device("cpu")
    with pytest.warns(UserWarning, match="no-op"):
        nn.Linear(3, 2, device="meta").load_state_dict(small.state_dict())


def test_shapes_without_values():
    z = fastnn.empty(3, 4, device="meta")
    for y, shape in (
        (z + 1, (3, 4)), (2 * z, (3, 4)), (z @ z.mT, (3, 3)), (fastnn.cat([z, z]), (6, 4)), (z[1:, 0], (2,)), (z.view(2, 6), (2, 6)), (z.max(1).indices, (3,)), (z.split(2, 1)[1], (3, 2)),
        (fastnn.randn(2, 2, device="meta"), (2, 2)), (fastnn.arange(4, device="meta"), (4,)), (fastnn.ones(2).to("meta"), (2,)), (z.new_zeros(2), (2,)), (z + fastnn.tensor(1.0), (3, 4)),
        (fastnn.einsum("ij,kj->ik", z, z), (3, 3)), (z.unsqueeze(0), (1, 3, 4)), (nn.functional.conv2d(z[None, None], z[None, None]), (1, 1, 1, 1)),
    ):  # fmt: skip
        assert y.is_meta and y.shape == shape
    assert z.add_(1) is z and z.copy_(fastnn.ones(3, 4)) is z and fastnn.zeros_like(z, device="cpu").tolist() == [[0] * 4] * 3
    z += 1
    z[0] = 2.0
    assert z.is_meta and repr(z) == "tensor(..., device='meta', size=(3, 4))" and (z > 0).dtype is fastnn.bool
    for read in (z.sum().item, z.tolist, z.numpy, z.cpu, lambda: bool(z[0, 0]), lambda: fastnn.zeros(3, 4).copy_(z), lambda: z + fastnn.ones(3, 4)):
        with pytest.raises(RuntimeError):
            read()


def test_what_a_block_makes():
    x = fastnn.ones(3)
    with fastnn.device("meta"):
        assert all(t.is_meta for t in (fastnn.zeros(2), fastnn.randn(3), fastnn.arange(3), fastnn.tensor(1.0), fastnn.eye(2), fastnn.linspace(0, 1, 3), fastnn.rand(2).sin()))
        assert not any(t.is_meta for t in (fastnn.zeros(2, device="cpu"), x.sin(), x + 1, fastnn.stack([x, x]), x.cumsum(0)))
    fastnn.set_default_device("meta")
    try:
        assert fastnn.zeros(1).is_meta and fastnn.get_default_device() == "meta"
    finally:
        fastnn.set_default_device("cpu")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not fastnn.zeros(1).is_meta and nn.Linear(2, 2)(fastnn.ones(1, 2)).shape == (1, 2)


def test_what_is_larger_than_memory():
    for _ in range(2):  # the second time fastnn.meta is loaded
        for make in (fastnn.empty, fastnn.zeros, fastnn.ones):
            assert make(10**14, device="meta", requires_grad=True).requires_grad
        assert fastnn.full((10**7, 10**7), 2, device="meta").dtype is fastnn.int64
        with fastnn.device("meta"):
            assert fastnn.nn.Linear(1 << 24, 1 << 22).weight.is_meta
