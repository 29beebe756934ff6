"""Tables of house prices for regression."""

from __future__ import annotations

import io
import tarfile

import numpy as np

from .files import find
from .table import csv

__all__ = ["california_housing", "house_prices"]

FOLDERS = ("", "housing")


def house_prices(root=None):
    """1,000 houses (Kaggle "Home Value Insights"): (features (1000, 7), prices in dollars (1000), names of the features).

    Reads house_price_regression_dataset.csv from root or $FASTNN_DATA, or their subfolder `housing`.
    """
    table = csv(find("house_price_regression_dataset.csv", root=root, folders=FOLDERS), header=True)
    prices = table.pop("House_Price").astype(np.float64)
    return table.matrix(), prices, list(table)


def california_housing(root=None):
    """20,640 districts of the 1990 census: (features (20640, 13), median prices in dollars (20640), names of the features).

    The kind of coast becomes five columns of 0 and 1; missing bedrooms become the median. Reads housing.csv, or housing.tgz
    that holds it, from root or $FASTNN_DATA, or their subfolder `housing`.
    """
    path = find("housing.tgz", "housing.csv", root=root, folders=FOLDERS)
    if path.suffix == ".csv":
        table = csv(path, header=True)
    else:
        try:
            with tarfile.open(path) as tar:
                member = tar.extractfile("housing.csv")
                table = csv(io.TextIOWrapper(member, "utf-8", newline=""), header=True)
        except (tarfile.TarError, KeyError, AttributeError, EOFError, OSError) as error:
            raise ValueError(f"{path}: no housing.csv in it: {error}") from None
    coast, kinds = table.one_hot("ocean_proximity")
    prices = table.pop("median_house_value")
    names = [name for name in table if name != "ocean_proximity"]
    numbers = table.matrix(names)
    numbers = np.where(np.isnan(numbers), np.nanmedian(numbers, axis=0), numbers)
    return np.concatenate([numbers, coast], 1), prices, names + kinds
