"""A group of switches."""


class Flags:
    """Attributes that may be read and set."""

    def __init__(self, **flags):
        self.__dict__.update(flags)
