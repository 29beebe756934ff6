import numpy as np
import pytest

import fastnn


@pytest.fixture(autouse=True)
def same_state():
    """Every test starts from the same threads, instruction set, default dtype and grad mode, and leaves them as they were."""
    before = fastnn._cpu.isa(), fastnn.get_num_threads(), fastnn.get_default_dtype()
    yield
    assert fastnn.is_grad_enabled()
    fastnn._cpu.set_isa(before[0])
    fastnn.set_num_threads(before[1])
    fastnn.set_default_dtype(before[2])
    fastnn._cpu.pool_fail_after(-1)


@pytest.fixture
def rng():
    return np.random.default_rng(0)
