"""The memory behind tensors: views of it in other shapes, strides and dtypes, tensors that get other memory; out=."""

import warnings

import numpy as np
import pytest

import fastnn


def test_resize():
    x = fastnn.arange(6.0)
    assert x.resize_(2, 2) is x and x.tolist() == [[0, 1], [2, 3]]
    assert x.resize_((3, 4)).shape == (3, 4) and x.flatten()[:4].tolist() == [0, 1, 2, 3]
    assert fastnn.empty(0).resize_as_(x).shape == x.shape
    with pytest.raises(RuntimeError, match="cannot resize variables that require grad"):
        fastnn.ones(2, requires_grad=True).resize_(1)
    with pytest.raises(RuntimeError, match="negative"):
        x.resize_(-1)


def test_storage_is_shared_by_views():
    x = fastnn.arange(12.0).view(3, 4)
    v = x[1:, 2:]
    assert v.untyped_storage().data_ptr() == x.untyped_storage().data_ptr() != x.clone().untyped_storage().data_ptr()
    assert v.storage_offset() == 6 and x.storage_offset() == 0 and x.untyped_storage().nbytes() >= 48
    y = fastnn.empty(0).set_(x)
    assert y.is_set_to(x) and not v.is_set_to(x)
    assert fastnn.empty_strided((2, 3), (1, 2)).stride() == (1, 2) and x.new_empty_strided((0, 3), (3, 1)).shape == (0, 3)


def test_view_as_another_dtype():
    x = fastnn.tensor([[1.0, -2.0]])
    bits = x.view(fastnn.int32)
    assert bits.tolist() == [[0x3F800000, -0x40000000]] and bits.view(fastnn.float32).tolist() == x.tolist()
    assert x.view(fastnn.uint8).shape == (1, 8) and x.view(fastnn.int64).shape == (1, 1)
    bits[0, 0] = 0
    assert x.tolist() == [[0, -2]]  # the same memory
    with pytest.raises(RuntimeError, match="must be divisible"):
        fastnn.ones(3).view(fastnn.float64)


def test_as_strided_has_a_derivative():
    x = fastnn.arange(5.0, dtype=fastnn.float64).requires_grad_()
    y = x.as_strided((3, 3), (1, 1))
    assert y.tolist() == [[0, 1, 2], [1, 2, 3], [2, 3, 4]]
    y.sum().backward()
    assert x.grad.tolist() == [1, 2, 3, 2, 1]
    assert fastnn.arange(6)[2:].as_strided((2,), (1,), 1).tolist() == [1, 2]  # the offset counts from where the memory begins
    with pytest.raises(RuntimeError, match="reach"):
        x.as_strided((3, 3), (2, 1))


def test_strided_copies():
    x, src = fastnn.arange(6.0).requires_grad_(), fastnn.tensor([[7.0, 8.0]]).requires_grad_()
    y = fastnn.as_strided_scatter(x, src, (1, 2), (1, 3), 1)
    (y * fastnn.arange(6.0)).sum().backward()
    assert y.tolist() == [0, 7, 2, 3, 8, 5] and x.grad.tolist() == [0, 0, 2, 3, 0, 5] and src.grad.tolist() == [[1, 4]]
    assert fastnn.empty_permuted((2, 3, 4), (0, 2, 1)).stride() == (12, 1, 3)
    with pytest.raises(RuntimeError, match="order of 2 axes"):
        fastnn.empty_permuted((2, 3), (0, 2))
    with pytest.raises(RuntimeError, match="slice of self"):
        x.as_strided_scatter(src, (2,), (1,))


def test_out():
    a, b = fastnn.tensor([1.0, 2.0]), fastnn.empty(2)
    assert fastnn.add(a, a, out=b) is b and b.tolist() == [2, 4]
    assert fastnn.cumsum(a, 0, out=b).tolist() == [1, 3] and fastnn.zeros(2, out=b).tolist() == [0, 0]
    assert fastnn.cat([a, a], out=fastnn.empty(0)).tolist() == [1, 2, 1, 2]  # given the result's shape
    values, indices = fastnn.empty(()), fastnn.empty((), dtype=fastnn.int64)
    fastnn.max(a, 0, out=(values, indices))
    assert (values.item(), indices.item()) == (2, 1)
    with pytest.raises(RuntimeError, match="can't be cast"):
        fastnn.exp(a, out=fastnn.empty(2, dtype=fastnn.int64))
    with pytest.raises(RuntimeError, match="don't support automatic differentiation"):
        fastnn.exp(a.clone().requires_grad_(), out=b)
    with pytest.raises(TypeError, match="must be Tensor, not int"):
        fastnn.exp(a, out=3)
    view = fastnn.zeros(2, 2)
    fastnn.mul(a, 3, out=view[1])
    np.testing.assert_array_equal(view.numpy(), [[0, 0], [3, 6]])
    for product in (fastnn.dot, fastnn.inner, fastnn.matmul, fastnn.tensordot):
        with pytest.raises(RuntimeError, match="can't be cast"):
            product(a, a, *((1,) if product is fastnn.tensordot else ()), out=fastnn.empty((), dtype=fastnn.int64))
    with pytest.warns(UserWarning, match="was resized since it had shape"):
        assert fastnn.outer(a, a, out=b).shape == (2, 2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert fastnn.zeros(3, out=b).shape == (3,) and fastnn.fft.fft2(fastnn.ones(2, 2), out=fastnn.empty(0, dtype=fastnn.complex64)).shape == (2, 2)
    assert fastnn.complex(a, a, out=fastnn.empty(0, dtype=fastnn.complex128)).tolist() == [1 + 1j, 2 + 2j]


def test_storage_as_numbers():
    x = fastnn.tensor([[4.0, 1.0], [5.0, 3.0]])
    s = x[1].storage()
    assert len(s) == 4 and s[2] == 5 and s.tolist() == list(s) == x.flatten().tolist() and s.data_ptr() == x.data_ptr() and s.nbytes() == 16
    assert s.untyped() == x.untyped_storage() and s.dtype is x.dtype and s.element_size() == 4 and s.device == x.device
    s[0] = 2.0
    assert x[0, 0] == 2 and x.t().storage().tolist() == [2, 1, 5, 3]
    assert repr(fastnn.arange(2).storage()) == " 0\n 1\n[fastnn.storage.TypedStorage(dtype=fastnn.int64, device=cpu) of size 2]"
    copy = s.clone().fill_(7.0)
    assert copy.tolist() == [7] * 4 and x[0, 1] == 1
    with pytest.raises(RuntimeError, match="slices"):
        s[:2]


def test_python_functions_of_elements():
    x = fastnn.arange(4).view(2, 2)
    assert x.apply_(lambda v: v * v).tolist() == [[0, 1], [4, 9]] and x.map_(fastnn.tensor([1, 2]), lambda a, b: a + b).tolist() == [[1, 3], [5, 11]]
    with pytest.raises(RuntimeError, match="requires grad"):
        fastnn.ones(2, requires_grad=True).apply_(abs)


def test_functions_that_change_their_argument():
    x = fastnn.zeros(3)
    fastnn.index_put_(x, (fastnn.tensor([0, 0]),), fastnn.tensor(2.0), True)
    assert x.tolist() == [4, 0, 0] and fastnn.resize_as_(x, fastnn.ones(1, 2)).tolist() == [[4, 0]]
    assert fastnn.constant_pad_nd(x, (1, 0), 7.0).tolist() == [[7, 4, 0]]
    assert fastnn.is_storage(x.untyped_storage()) and not fastnn.is_inference(x) and x.share_memory_() is x
