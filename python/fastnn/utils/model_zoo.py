"""The older address of `hub.load_state_dict_from_url`."""

from ..hub import load_url

__all__ = ["load_url"]
