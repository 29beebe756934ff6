"""Tables of house prices for regression."""

from __future__ import annotations

import numpy as np

from .files import find, unpack
from .table import csv

__all__ = ["california_housing", "house_prices"]

FOLDERS = ("", "housing")


def house_prices(root=None):
    """1,000 houses (Kaggle "Home Value Insights"): (features (1000, 7), prices in dollars (1000), names of the features).

    Reads house_price_regression_dataset.csv from root or $FASTNN_DATA, or their subfolder `housing`.
    """
    table = csv(find("house_price_regression_dataset.csv", root=root, folders=FOLDERS), header=True)
    prices = table.numbers("House_Price")
    names = [name for name in table if name != "House_Price"]
    return table.matrix(names), prices, names


def california_housing(root=None):
    """20,640 districts of the 1990 census: (features (20640, 13), median prices in dollars (20640), names of the features).

    The kind of coast becomes five columns of 0 and 1; missing bedrooms become the median. Reads housing.csv, or housing.tgz
    that holds it, from root or $FASTNN_DATA, or their subfolder `housing`.
    """
    path = find("housing.tgz", "housing.csv", root=root, folders=FOLDERS)
    files = [path] if path.suffix == ".csv" else unpack(path, "housing.csv")
    if not files:
        raise ValueError(f"{path}: no housing.csv in it")
    table = csv(files[0], header=True)
    coast, kinds = table.one_hot("ocean_proximity")
    prices = table.numbers("median_house_value")
    names = [name for name in table if name not in ("ocean_proximity", "median_house_value")]
    numbers = table.matrix(names)
    missing = np.isnan(numbers)
    if missing.all(0).any() and len(numbers):
        raise ValueError(f"{path}: column {names[missing.all(0).argmax()]!r} has no number")
    numbers = np.where(missing, np.nanmedian(numbers, axis=0), numbers) if missing.any() else numbers
    return np.concatenate([numbers, coast], 1), prices, names + kinds
