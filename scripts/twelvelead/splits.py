"""Splits of a batch: which rows of the table are for training, for validation or for test."""

import hashlib
from collections.abc import Mapping, Sequence
from fractions import Fraction
from itertools import accumulate, pairwise

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from twelvelead.errors import ConfigError
from twelvelead.table_columns import column_of, without_unknown


def split_of_rows(table: pd.DataFrame, keys: Sequence[str], split: Mapping, patients: Sequence[int]) -> pd.Series:
    """The name of the split of each row, "" for rows in none and for those without a key.

    keys      what tells the ECG of a row from others, "" where it has none
    split     {"column": the column that holds the names}, or {"fractions": {name: fraction}, "seed": int}
    patients  a number that tells patients apart, -1 where unknown
    A random split gives the fractions, exact to rounding, of the patients, not of their ECGs: all ECGs of a patient,
    and all rows of one ECG, are in one split; an ECG of nobody known counts as a patient of its own. The split
    depends on the keys and the seed, not on the order of the rows; what the fractions leave of 1 is in no split.
    Raises TableError when the table lacks the column and ConfigError for fractions that cannot be.
    """
    keys = np.asarray(keys, dtype=object)
    if split.get("column") is not None:
        names = without_unknown(column_of(table, split["column"], "split")).to_numpy(dtype=object)
    else:
        units = _units(keys, np.asarray(patients))
        split_of = _random_splits(set(units) - {""}, split["fractions"], split["seed"])
        names = np.array([split_of.get(unit, "") for unit in units], dtype=object)
    return pd.Series(np.where(keys == "", "", names), index=table.index, name="split", dtype="str")


def _units(keys: np.ndarray, patients: np.ndarray) -> np.ndarray:
    """What each row is split by, named by its smallest key: a patient's ECGs, or one ECG of nobody known.

    Patients who share an ECG are one unit, since the ECG cannot be in two splits.
    """
    units = np.full(len(keys), "", dtype=object)
    named = keys != ""
    if not named.any():
        return units
    ecgs, distinct = pd.factorize(keys[named], sort=True)
    known = patients[named] >= 0
    persons, distinct_persons = pd.factorize(patients[named][known])
    size = len(distinct) + len(distinct_persons)
    links = coo_array((np.ones(known.sum()), (ecgs[known], len(distinct) + persons)), shape=(size, size))
    groups = connected_components(links, directed=False)[1][: len(distinct)]
    _, smallest, group_of_ecg = np.unique(groups, return_index=True, return_inverse=True)
    units[named] = distinct[smallest[group_of_ecg]][ecgs]
    return units


def _random_splits(units: set[str], fractions: Mapping[str, float], seed: int) -> dict[str, str]:
    """The split of each unit: they are put in the order of a seeded hash and cut at the fractions."""
    ranked = sorted(units, key=lambda unit: (hashlib.blake2b(f"{seed}\0{unit}".encode(), digest_size=8).digest(), unit))
    counts = _counts(len(ranked), fractions)
    ends = accumulate(counts.values(), initial=0)
    return {unit: name for name, (start, end) in zip(counts, pairwise(ends), strict=True) for unit in ranked[start:end]}


def _counts(n: int, fractions: Mapping[str, float]) -> dict[str, int]:
    """How many of `n` each split gets, "" for the rest: rounded down, one more for the largest remainders."""
    # As they are written: 0.29 of 100 is 29, which binary fractions miss.
    shares = {name: Fraction(str(fraction)) for name, fraction in fractions.items()}
    rest = 1 - sum(shares.values())
    if rest < 0 or min(shares.values(), default=0) < 0:
        listed = ", ".join(f"{name} {fraction:g}" for name, fraction in fractions.items())
        raise ConfigError(
            f"`split`: the fractions {listed} sum to {float(1 - rest):g}; "
            "expected numbers from 0 whose sum is at most 1"
        )
    shares[""] = shares.get("", 0) + rest
    counts = {name: int(n * share) for name, share in shares.items()}
    by_remainder = sorted(shares, key=lambda name: counts[name] - n * shares[name])
    for name in by_remainder[: n - sum(counts.values())]:
        counts[name] += 1
    return counts


def not_selected(splits: pd.Series, subset: Sequence[str] | None) -> pd.Series:
    """Whether each row is outside the splits named in `subset`; none is where there is no subset."""
    if subset is None:
        return pd.Series(False, index=splits.index)
    return ~splits.isin(list(subset))


def split_table(cells: pd.DataFrame) -> pd.DataFrame:
    """Row, file and split of every file that a row names, in the order of the table; once, however many tasks ask."""
    return cells[["row", "file", "split"]].drop_duplicates(["row", "file"]).sort_values("row", kind="stable")
