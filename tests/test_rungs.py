"""Every rung of every ladder gives what the production kernel gives, on every sample, forward and derivative."""

import numpy as np
import pytest

import fastnn
import fastnn.nn.functional as F
from samples import families, samples
from test_kernels import ISAS, forward_and_gradients

FAMILY = {"layer_norm": "norm", "max_pool2d": "pool", "lstm": "rnn"}  # named otherwise than the ladder
FAMILY = {family: FAMILY.get(family, family) for family in fastnn.rungs()}
RUNGS = [(family, name) for family, ladder in fastnn.rungs().items() for name in ladder[:-1]]


def test_every_ladder_has_a_family():
    assert set(FAMILY.values()) <= set(families())
    assert all(len(ladder) >= 4 for ladder in fastnn.rungs().values())


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("family, name", RUNGS)
def test_rung_is_production(family, name, isa, dtype):
    with fastnn.isa(isa), np.errstate(all="ignore"):
        for _, sample in samples(FAMILY[family]):
            want = forward_and_gradients(sample, dtype)
            with fastnn.rung(**{family: name}):
                got = forward_and_gradients(sample, dtype)
            tolerance = 2e-5 if dtype == "float32" else 1e-11
            for g, w in zip(got, want, strict=True):
                if w.dtype.kind == "f":
                    scale = np.abs(w[np.isfinite(w)]).max(initial=1.0)  # ones through softmax cancel to about 0
                    np.testing.assert_allclose(g, w, rtol=tolerance, atol=tolerance * scale, err_msg=f"{sample}")
                else:
                    np.testing.assert_array_equal(g, w, err_msg=f"{sample}")


@pytest.mark.parametrize("name", fastnn.rungs("matmul")[:-1])
def test_matmul_shapes_and_strides(name, rng):
    for m, k, n in [(1, 1, 1), (0, 3, 2), (3, 0, 2), (17, 33, 65), (50, 400, 31), (3, 700, 5), (130, 7, 600)]:
        a, b, d = rng.standard_normal((m, k)), rng.standard_normal((k, n)), rng.standard_normal(n)
        for flip in (False, True):
            x = fastnn.from_numpy(np.ascontiguousarray(a.T)).T if flip else fastnn.from_numpy(a)
            y = fastnn.from_numpy(b[::-1].copy()).flip(0) if flip else fastnn.from_numpy(np.asfortranarray(b))
            with fastnn.rung(matmul=name):
                np.testing.assert_allclose((x @ y).numpy(), a @ b, atol=1e-12)
                np.testing.assert_allclose(F.linear(x, y.T, fastnn.from_numpy(d)).numpy(), a @ b + d, atol=1e-12)


@pytest.mark.parametrize("name", fastnn.rungs("max_pool2d")[:-1])
def test_max_pool_special_values(name, rng):
    for kernel, stride, padding, dilation in [(2, 2, 0, 1), (3, 2, 1, 1), (3, 1, 1, 2), ((1, 5), (1, 3), (0, 2), 1), (17, 5, 8, 1)]:
        x = rng.integers(-3, 3, (2, 3, 19, 23)).astype(np.float32)  # many ties
        x[rng.random(x.shape) < 0.1] = np.nan
        x[rng.random(x.shape) < 0.1] = -np.inf
        t = fastnn.from_numpy(x)
        args = (t, kernel, stride, padding, dilation)
        want, at = F.max_pool2d(*args, return_indices=True)
        with fastnn.rung(max_pool2d=name):
            got, where = F.max_pool2d(*args, return_indices=True)
        np.testing.assert_array_equal(got.numpy(), want.numpy())
        np.testing.assert_array_equal(where.numpy(), at.numpy())


def test_trains_on_a_rung():
    def train():
        fastnn.manual_seed(0)
        net = fastnn.nn.Sequential(fastnn.nn.Linear(5, 8), fastnn.nn.Tanh(), fastnn.nn.Linear(8, 1))
        optimizer = fastnn.optim.SGD(net.parameters(), lr=0.1)
        x = fastnn.randn(20, 5)
        for _ in range(20):
            optimizer.zero_grad()
            loss = (net(x) ** 2).mean()
            loss.backward()
            optimizer.step()
        return loss.item()

    before = fastnn._cpu.launches()["matmul_bias"]
    want = train()
    assert fastnn._cpu.launches()["matmul_bias"] > before
    with fastnn.rung(matmul="naive"):
        assert train() == pytest.approx(want, rel=1e-4)


def test_choice_ends_with_the_block():
    with fastnn.rung(matmul="naive", softmax=1):
        with fastnn.rung(matmul="production"), fastnn.isa(ISAS[0]):
            assert not [r for r in fastnn._cpu.rungs() if r[0] == "matmul" and r[4]]
        chosen = {(r[0], r[2]) for r in fastnn._cpu.rungs() if r[4]}
        assert chosen == {("matmul", "naive"), ("softmax", "naive")}
    assert not any(r[4] for r in fastnn._cpu.rungs())


def test_what_does_not_exist():
    with pytest.raises(ValueError, match="1 naive, 2 streamed, .* production"):
        fastnn.rung(matmul="fast")
    with pytest.raises(ValueError, match="ladders exist for: matmul"):
        fastnn.rung(relu="naive")
    with pytest.raises(ValueError, match="no rung 9"):
        fastnn.rung(softmax=9)
    with pytest.raises(ValueError, match="is called 'nothing'"):
        fastnn.source("nothing")
    assert not any(r[4] for r in fastnn._cpu.rungs())


def test_sources():
    for family, name in RUNGS:
        text = fastnn.source(family, rung=name)
        assert text.startswith(f"// {family}, rung {fastnn.rungs(family).index(name) + 1}, "), (family, name)
        lines = text.splitlines()
        assert len(lines) <= 80, f"{family} {name}: {len(lines)} lines"
        assert fastnn.study.idea(family, name)
    assert "void conv2d_dw(" in fastnn.source("conv2d")
    assert "void layer_norm_dx(" in fastnn.source("layer_norm_dx")
    assert "simd.h" in fastnn.source("kernels/matmul/tile.h")
    for name, _, _ in fastnn._cpu.KERNELS:
        assert fastnn.source(name)


def test_bad_input_is_the_same(rng):
    x = fastnn.from_numpy(rng.standard_normal((3, 4)))
    for ladder in ("matmul", "softmax"):
        with fastnn.rung(**{ladder: 1}):
            with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
                x @ x
            with pytest.raises(IndexError):
                F.softmax(x, 5)


def test_all_rungs_on_empty():
    for family, name in RUNGS:
        with fastnn.rung(**{family: name}):
            assert (fastnn.zeros(0, 3) @ fastnn.zeros(3, 0)).shape == (0, 0)
            assert F.softmax(fastnn.zeros(0, 4), 1).shape == (0, 4)
            assert F.layer_norm(fastnn.zeros(0, 4), (4,)).shape == (0, 4)
            assert F.conv2d(fastnn.zeros(0, 2, 5, 5), fastnn.zeros(3, 2, 3, 3)).shape == (0, 3, 3, 3)


def test_study_command(capsys, tmp_path):
    from fastnn.cli import main

    assert main(["study", "softmax", "--quick"]) == 0
    text = capsys.readouterr().out
    assert all(name in text for name in fastnn.rungs("softmax"))
    assert main(["study", "relu"]) == 2
    assert "ladders exist for" in capsys.readouterr().err
    pytest.importorskip("matplotlib", reason="the plot needs matplotlib")
    assert main(["study", "softmax", "--quick", "--derivative", "--plot", str(tmp_path / "roof.svg")]) == 0
    assert (tmp_path / "roof.svg").read_text().startswith("<?xml")


def test_board_command(capsys, tmp_path):
    import json

    from fastnn.cli import main

    path = tmp_path / "board.json"
    assert main(["board", "--filter", "18e", "--rivals", "numpy", "--json", str(path)]) == 0
    result = json.loads(path.read_text())
    assert [row["twin"] for row in result["rows"]] == [False, True]
    assert "XOR" in capsys.readouterr().out
    assert main(["board", "--rivals", "nobody"]) == 2
