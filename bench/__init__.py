"""Benchmarks, one module a family; run them with `fastnn bench`."""
