"""The pool of device memory, by PyTorch's names. Blocks that tensors give back are kept for the next ones (csrc/core/cuda/pool.cpp).

`device` may be None, "cuda", 0 or the like: there is one GPU. Before anything was made there, everything is 0.
"""

from __future__ import annotations

from .. import _cpu

_UNITS = ("B", "KiB", "MiB", "GiB")


def empty_cache() -> None:
    """Waits for the GPU and gives back what the pool keeps, page-locked memory of the host too. Nothing without a GPU."""
    _cpu.device_trim()


def _stats():
    return _cpu.device_stats()


def memory_allocated(device=None) -> int:
    """Bytes of device memory that tensors hold, rounded up to what the pool hands out."""
    return _stats()["live_bytes"]


def max_memory_allocated(device=None) -> int:
    """The most bytes of device memory that tensors have held since the last `reset_peak_memory_stats`."""
    return _stats()["peak_bytes"]


def memory_reserved(device=None) -> int:
    """Bytes of device memory that tensors hold or the pool keeps for them."""
    stats = _stats()
    return stats["live_bytes"] + stats["cached_bytes"]


def max_memory_reserved(device=None) -> int:
    """The most of `memory_reserved` since the last `reset_peak_memory_stats`."""
    return _stats()["peak_reserved"]


def reset_peak_memory_stats(device=None) -> None:
    """The peaks begin again at what is held now."""
    _cpu.device_reset_peak()


reset_max_memory_allocated = reset_max_memory_cached = reset_peak_memory_stats
memory_cached, max_memory_cached = memory_reserved, max_memory_reserved


def mem_get_info(device=None) -> tuple:
    """(free, total) bytes of the GPU, as its driver counts them: other processes' memory is not free. RuntimeError without a GPU."""
    from . import require

    require()
    return _cpu.device_memory()


def memory_stats(device=None) -> dict:
    """The pool's numbers by PyTorch's keys: "allocated_bytes.all.current", ".peak", "reserved_bytes.all...", "allocation.all.current"."""
    s = _stats()
    return {
        "allocation.all.current": s["live_blocks"],
        "allocated_bytes.all.current": s["live_bytes"],
        "allocated_bytes.all.peak": s["peak_bytes"],
        "reserved_bytes.all.current": s["live_bytes"] + s["cached_bytes"],
        "reserved_bytes.all.peak": s["peak_reserved"],
    }


def memory_summary(device=None, abbreviated=False) -> str:
    """The pool's numbers as a table."""

    def text(n):
        unit = min(3, max(0, (int(n).bit_length() - 1) // 10))
        return f"{n / 1024**unit:.1f} {_UNITS[unit]}" if unit else f"{n} B"

    s = memory_stats()
    rows = [("", "now", "peak")]
    for name, key in (("held by tensors", "allocated_bytes"), ("held or kept", "reserved_bytes")):
        rows.append((name, text(s[f"{key}.all.current"]), text(s[f"{key}.all.peak"])))
    return "\n".join(f"{a:16}{b:>12}{c:>12}" for a, b, c in rows)


__all__ = [
    "empty_cache", "max_memory_allocated", "max_memory_cached", "max_memory_reserved", "mem_get_info", "memory_allocated", "memory_cached",
    "memory_reserved", "memory_stats", "memory_summary", "reset_max_memory_allocated", "reset_max_memory_cached", "reset_peak_memory_stats",
]  # fmt: skip
