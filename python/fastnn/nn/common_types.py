"""PyTorch's names for the types of layers' arguments: a number for every axis, or one for each."""

from __future__ import annotations

from typing import TypeVar

from ..tensor import Tensor

_T = TypeVar("_T")
_scalar_or_tuple_any_t = _T | tuple[_T, ...]
_scalar_or_tuple_1_t, _scalar_or_tuple_2_t, _scalar_or_tuple_3_t = _T | tuple[_T], _T | tuple[_T, _T], _T | tuple[_T, _T, _T]
_size_any_t, _size_1_t, _size_2_t, _size_3_t = (
    t[int] for t in (_scalar_or_tuple_any_t, _scalar_or_tuple_1_t, _scalar_or_tuple_2_t, _scalar_or_tuple_3_t)
)
_size_any_opt_t, _size_2_opt_t, _size_3_opt_t = tuple[int | None, ...], tuple[int | None, int | None], tuple[int | None, int | None, int | None]
_ratio_2_t, _ratio_3_t, _ratio_any_t = _scalar_or_tuple_2_t[float], _scalar_or_tuple_3_t[float], _scalar_or_tuple_any_t[float]
_tensor_list_t, _maybe_indices_t = _scalar_or_tuple_any_t[Tensor], _scalar_or_tuple_2_t[Tensor]
