"""Data to try things on: digits come with the package, MNIST is found or downloaded; tables (CSV), series (.ts) and sound (WAV) are read.

A data set is looked for under `root`, then under the folder named by the environment variable FASTNN_DATA.
"""

from .digits import Digits
from .files import find, unpack
from .housing import california_housing, house_prices
from .idx import read_idx
from .mnist import MNIST, FashionMNIST
from .series import read_ts
from .sound import read_wav
from .table import Table, csv

__all__ = [
    "MNIST", "Digits", "FashionMNIST", "Table", "california_housing", "csv", "find", "house_prices", "read_idx", "read_ts", "read_wav", "unpack",
]  # fmt: skip
