"""What is special about products: error bound, exactness on integers, any strides, errors as PyTorch words them."""

import numpy as np
import pytest

import fastnn
from fastnn import _cpu
from fastnn.ops import matmul as F

ISAS = [name for name, _, supported in _cpu.isas() if supported]


def strided(rng, values):
    """An array equal to `values` with permuted axes and random steps (negative too)."""
    if values.ndim == 0:
        return values
    order = rng.permutation(values.ndim) if rng.random() < 0.5 else np.arange(values.ndim)
    steps = [int(rng.choice([1, 1, 1, 2, -1, 3])) for _ in order]
    shape = np.array(values.shape, int)[order]
    base = np.zeros([s * abs(t) for s, t in zip(shape, steps, strict=True)], values.dtype)
    view = base[tuple(slice(None, None, t) for t in steps)].transpose(np.argsort(order))
    view[...] = values
    return view


def size(rng):
    return int(rng.choice([rng.integers(0, 4), rng.integers(1, 20), rng.integers(1, 70), rng.integers(70, 200)], p=[0.1, 0.4, 0.4, 0.1]))


@pytest.mark.parametrize("isa", ISAS)
def test_integers_are_exact(isa):
    """Integer values whose sums stay below 2^24: every shape, stride, batch, bias and dtype is bitwise right."""
    rng = np.random.default_rng(7)
    with fastnn.isa(isa):
        for _ in range(800):
            dtype = rng.choice(["float32", "float32", "float64", "int64", "int32"])
            batch = [int(rng.integers(1, 4)) for _ in range(rng.choice([0, 0, 0, 1, 2]))]
            m, n, k = size(rng), size(rng), size(rng)
            if rng.random() < 0.05:
                k = int(rng.integers(1, 3000))
            sides = [[s if rng.random() < 0.75 else 1 for s in batch][rng.integers(0, len(batch) + 1) :] for _ in "ab"]
            a = strided(rng, rng.integers(-8, 9, [*sides[0], m, k]).astype(dtype))
            b = strided(rng, rng.integers(-8, 9, [*sides[1], k, n]).astype(dtype))
            expected = np.matmul(a.astype(float), b.astype(float))
            out = strided(rng, np.zeros(expected.shape, dtype))
            fastnn.set_num_threads(int(rng.integers(1, 4)))
            what = f"{dtype} {a.shape}{a.strides} {b.shape}{b.strides} -> {out.strides}"
            _cpu.matmul(fastnn.from_numpy(out), fastnn.from_numpy(a), fastnn.from_numpy(b))
            np.testing.assert_array_equal(out, expected, err_msg=what)
            shape = [s if rng.random() < 0.7 else 1 for s in expected.shape][rng.integers(0, expected.ndim + 1) :]
            bias = strided(rng, rng.integers(-8, 9, shape).astype(dtype))
            _cpu.matmul_bias(fastnn.from_numpy(out), fastnn.from_numpy(a), fastnn.from_numpy(b), fastnn.from_numpy(bias))
            np.testing.assert_array_equal(out, expected + bias, err_msg=f"{what} + {bias.shape}")


def test_accumulate():
    a, b, c = (np.arange(12.0).reshape(s) for s in ((3, 4), (4, 3), (6, 2)))
    c = np.ascontiguousarray(c.reshape(-1)[:9].reshape(3, 3))
    expected = c + a @ b
    t = fastnn.from_numpy(c)
    _cpu.matmul_bias(t, fastnn.from_numpy(a), fastnn.from_numpy(b), t)
    np.testing.assert_array_equal(c, expected)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize(
    "m,n,k", [(64, 64, 64), (100, 90, 1500), (8, 70, 2000), (8, 2000, 70), (1, 300, 3000), (3, 4, 100000), (200, 33, 385), (30, 20, 900)]
)
@pytest.mark.parametrize("transposed", [False, True])
def test_float32_error(isa, m, n, k, transposed):
    """|error| <= 2 k eps |A||B| everywhere; its root mean square is at most 1.5 times that of NumPy's BLAS, or that of sums in
    sequences of 384 terms: one of n terms of variance 1 errs by about eps n / sqrt(24), and which sequences a BLAS has is its CPU's."""
    rng = np.random.default_rng(m + n + k)
    a = rng.standard_normal((m, k)).astype(np.float32)
    b = rng.standard_normal((n, k)).astype(np.float32).T if transposed else rng.standard_normal((k, n)).astype(np.float32)
    exact = a.astype(float) @ b.astype(float)
    with fastnn.isa(isa):
        ours = (fastnn.from_numpy(a) @ fastnn.from_numpy(b)).numpy() - exact
    bound = 2 * k * np.finfo(np.float32).eps * (np.abs(a.astype(float)) @ np.abs(b.astype(float)))
    assert (np.abs(ours) <= bound).all()
    theirs = a @ b - exact
    assert np.sqrt((ours**2).mean()) <= max(1.5 * np.sqrt((theirs**2).mean()), np.finfo(np.float32).eps * np.sqrt(k * min(k, 384) / 24))


def test_special_values():
    x = fastnn.tensor([[float("nan"), 1.0], [0.0, float("inf")]])
    y = fastnn.tensor([[0.0, 1.0], [1.0, 0.0]])
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal((x @ y).numpy(), x.numpy() @ y.numpy())
    edge = np.zeros((3, 5), np.float32)
    edge[0, 0] = np.nan  # stays in its row and column
    assert np.isnan((fastnn.from_numpy(edge) @ fastnn.ones(5, 17)).numpy()).sum() == 17
    assert (fastnn.zeros(2, 0) @ fastnn.zeros(0, 3)).numpy().tolist() == [[0.0] * 3] * 2
    assert fastnn.dot(fastnn.zeros(0), fastnn.zeros(0)).item() == 0


def test_operators():
    a = np.arange(6.0).reshape(2, 3)
    t = fastnn.from_numpy(a)
    np.testing.assert_array_equal((a.T @ t).numpy(), a.T @ a)
    with pytest.raises(TypeError):
        t @ [1.0, 2.0, 3.0]
    with pytest.raises(TypeError):
        fastnn.matmul(t, a.T)
    out = fastnn.empty(2, 2, dtype=fastnn.float64)
    assert fastnn.matmul(t, t.T, out=out) is out
    np.testing.assert_array_equal(out.numpy(), a @ a.T)


def z(*shape, dtype=None):
    return fastnn.ones(shape, dtype=dtype or fastnn.float32)


D = fastnn.float64
ERRORS = [
    (lambda: z(2, 3) @ z(4, 5), "mat1 and mat2 shapes cannot be multiplied (2x3 and 4x5)"),
    (lambda: z(7, 2, 3) @ z(4, 5), "mat1 and mat2 shapes cannot be multiplied (14x3 and 4x5)"),
    (lambda: z(2) @ z(4, 5), "mat1 and mat2 shapes cannot be multiplied (1x2 and 4x5)"),
    (lambda: z(7, 2, 3) @ z(7, 4, 5), "Expected size for first two dimensions of batch2 tensor to be: [7, 3] but got: [7, 4]."),
    (lambda: z(7, 2, 3) @ z(6, 3, 5), "The size of tensor a (7) must match the size of tensor b (6) at non-singleton dimension 0"),
    (lambda: z(2, 3) @ z(4), "size mismatch, got input (2), mat (2x3), vec (4)"),
    (lambda: z(2) @ z(4), "inconsistent tensor size, expected tensor [2] and src [4] to have the same number of elements"),
    (lambda: z() @ z(4, 5), "both arguments to matmul need to be at least 1D, but they are 0D and 2D"),
    (lambda: z(2, 3) @ z(3, 5, dtype=D), "expected m1 and m2 to have the same dtype, but got: float != double"),
    (lambda: z(2, 2, dtype=fastnn.bool) @ z(2, 2, dtype=fastnn.bool), "not implemented for 'Bool'"),
    (lambda: fastnn.mm(z(2), z(4, 5)), "self must be a matrix"),
    (lambda: fastnn.mm(z(2, 4), z(5)), "mat2 must be a matrix"),
    (lambda: fastnn.bmm(z(2, 3), z(4, 5)), "batch1 must be a 3D tensor"),
    (lambda: fastnn.bmm(z(2, 3, 4), z(3, 4, 5)), "Expected size for first two dimensions of batch2 tensor to be: [2, 4] but got: [3, 4]."),
    (lambda: fastnn.mv(z(2), z(2)), "vector + matrix @ vector expected, got 1, 1, 1"),
    (lambda: fastnn.dot(z(2, 2), z(3)), "1D tensors expected, but got 2D and 1D tensors"),
    (lambda: fastnn.dot(z(3), z(3, dtype=D)), "dot : expected both vectors to have same dtype, but found Float and Double"),
    (lambda: fastnn.inner(z(2, 3), z(2, 4)), "inner() the last dimension must match on both input tensors but got shapes [2, 3] and [2, 4]"),
    (lambda: fastnn.outer(z(2, 3), z(4)), "outer: Expected 1-D argument self, but got 2-D"),
    (
        lambda: fastnn.addmm(z(3), z(2, 3), z(3, 4)),
        "The expanded size of the tensor (4) must match the existing size (3) at non-singleton dimension 1.  "
        "Target sizes: [2, 4].  Tensor sizes: [3]",
    ),
    (lambda: fastnn.addmm(z(4), z(2), z(3, 4)), "mat1 must be a matrix, got 1-D tensor"),
    (lambda: fastnn.addmm(z(4, dtype=D), z(2, 3), z(3, 4)), "self and mat2 must have the same dtype, but got Double and Float"),
    (lambda: F.linear(z(2, 3), z(4, 5)), "mat1 and mat2 shapes cannot be multiplied (2x3 and 5x4)"),
    (lambda: F.linear(z(2, 3), z(4, 3), z(5)), "The expanded size of the tensor (4) must match the existing size (5)"),
    (lambda: F.linear(z(2, 3), z(4, 3, dtype=D)), "expected m1 and m2 to have the same dtype, but got: float != double"),
    (lambda: F.bilinear(z(2, 3), z(2, 4), z(5, 3, 5)), "bilinear(): input2 size does not match weight size: got 4 but expected 5"),
    (lambda: F.bilinear(z(2, 3), z(3, 4), z(5, 3, 4)), "bilinear(): input batch dimensions do not match at dim 0: got 2 and 3"),
    (lambda: fastnn.tensordot(z(2, 3), z(4, 5), 1), "contracted dimensions need to match, but first has size 3 in dim 1 and second has"),
    (lambda: fastnn.tensordot(z(2, 3), z(4, 5), ([1], [0, 1])), "both dimension lists should have same length"),
    (lambda: fastnn.tensordot(z(2, 3), z(3, 5), -1), "tensordot expects dims >= 0, but got dims=-1"),
    (lambda: fastnn.einsum("ij,jk->ik", z(2, 3), z(4, 5)), "subscript j has size 4 for operand 1 which does not broadcast with previously seen size 3"),
    (lambda: fastnn.einsum("ijk,jk->ik", z(2, 3), z(4, 5)), "does not match the number of dimensions (2) for operand 0 and no ellipsis was given"),
    (lambda: fastnn.einsum("ij,jk->iz", z(2, 3), z(3, 5)), "output subscript z does not appear in the equation for any input operand"),
    (lambda: fastnn.einsum("ij->ii", z(2, 3)), "output subscript i appears more than once in the output"),
    (lambda: fastnn.einsum("ii->i", z(2, 3)), "subscript i is repeated for operand 0 but the sizes don't match, 3 != 2"),
    (lambda: fastnn.einsum("ij,jk,kl->ik", z(2, 3), z(3, 5)), "fewer operands were provided than specified in the equation"),
    (lambda: fastnn.einsum("i1,jk->ik", z(2, 3), z(3, 5)), "invalid subscript given at index 1 in the equation string"),
    (lambda: fastnn.einsum("i..j->i", z(2, 2)), "found '.' for operand 0 that is not part of any ellipsis"),
]  # fmt: skip


@pytest.mark.parametrize("call,message", ERRORS, ids=[m for _, m in ERRORS])
def test_errors(call, message):
    with pytest.raises(RuntimeError) as e:
        call()
    assert message in str(e.value)


def test_against_torch():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(3)
    equations = ["bij,bjk->bik", "ij,ij->", "...ab,...cb->...ac", "ab,bc,cd->ad", "bA", "iij->j", "ij,ij->ij"]
    for equation in equations:
        shapes = {"b": 2, "i": 3, "j": 4, "k": 2, "a": 3, "c": 5, "d": 2, "A": 4}
        parts = equation.split("->")[0].split(",")
        arrays = [rng.standard_normal([*([2, 1] if "..." in p else []), *(shapes[c] for c in p if c != ".")]) for p in parts]
        ours = [fastnn.from_numpy(x).requires_grad_() for x in arrays]
        theirs = [torch.from_numpy(x).requires_grad_() for x in arrays]
        y, t = fastnn.einsum(equation, *ours), torch.einsum(equation, *theirs)
        np.testing.assert_allclose(y.detach().numpy(), t.detach().numpy(), rtol=1e-12, err_msg=equation)
        y.sum().backward()
        t.sum().backward()
        for p, q in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), rtol=1e-12, err_msg=equation)
    x, w, b = (rng.standard_normal(s) for s in ((2, 3, 4), (5, 4), (5,)))
    ours, theirs = [fastnn.from_numpy(v).requires_grad_() for v in (x, w, b)], [torch.from_numpy(v).requires_grad_() for v in (x, w, b)]
    F.linear(*ours).sum().backward()
    torch.nn.functional.linear(*theirs).sum().backward()
    for p, q in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), rtol=1e-12)


def test_einsum_with_lists_of_axes():
    a, b = fastnn.randn(2, 3), fastnn.randn(3, 4)
    assert fastnn.equal(fastnn.einsum(a, [0, 1], b, [1, 2], [0, 2]), fastnn.einsum("ij,jk->ik", a, b))
    assert fastnn.equal(fastnn.einsum(a, [..., 0], a, [..., 0]), fastnn.einsum("...i,...i", a, a))
