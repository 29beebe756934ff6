"""Where `functional_call` lived before `torch.func`: `from fastnn.nn.utils.stateless import functional_call`."""

from ...func import functional_call

__all__ = ["functional_call"]
