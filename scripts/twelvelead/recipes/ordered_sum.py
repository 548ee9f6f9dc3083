"""Sums of arrays over files whose bytes do not depend on how the files are cut into shards."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

HASH_BITS = 64


@dataclass(frozen=True)
class PartialSum:
    """The sum over the n files of one shard, whose hashes lie in [lowest, highest]."""

    lowest: int
    highest: int
    n: int
    array: np.ndarray


class HashOrderedSum:
    """Sum of float64 arrays along the binary trie of their files' 64-bit hashes.

    A file is a leaf; a node is the sum of its two children, or its only child. Floating-point addition is not
    associative, but this order is a property of the set of hashes alone. A shard that holds every file of a hash
    prefix, or one file, is a node of the trie, so the partial sums of shards combine to the same bytes whatever the
    shards' sizes. Files and partial sums come in ascending order; what is kept is one array per level of the trie that
    is not yet closed, about log2(n).
    """

    def __init__(self, shape: tuple[int, ...] = ()):
        """`shape` is that of the arrays; the total of no file is zeros of it."""
        self._empty = np.zeros(shape)
        self._nodes: list[PartialSum] = []

    @property
    def n(self) -> int:
        """Number of files in the sum."""
        return sum(node.n for node in self._nodes)

    def push(self, file_hash: int, array: np.ndarray) -> None:
        """Adds one file's array; ValueError where its hash is not above all that came before."""
        self.push_partial(PartialSum(file_hash, file_hash, 1, array))

    def push_partial(self, partial: PartialSum) -> None:
        """Adds a shard's sum; ValueError where it does not lie above all that came before."""
        if not 0 <= partial.lowest <= partial.highest < 1 << HASH_BITS:
            raise ValueError(
                f"hashes {partial.lowest} to {partial.highest}: expected an ascending pair of 64-bit numbers"
            )
        if self._nodes:
            self._check_above(partial)
            split = _common_bits(self._nodes[-1].highest, partial.lowest)
            while len(self._nodes) > 1 and _common_bits(self._nodes[-2].highest, self._nodes[-1].lowest) > split:
                self._merge_last_two()
        array = np.array(partial.array, dtype=np.float64)
        self._nodes.append(PartialSum(partial.lowest, partial.highest, partial.n, array))

    def partial(self) -> PartialSum | None:
        """What a shard hands to the sum over shards; None where no file was pushed."""
        while len(self._nodes) > 1:
            self._merge_last_two()
        return self._nodes[0] if self._nodes else None

    def total(self) -> np.ndarray:
        """The sum, float64."""
        whole = self.partial()
        return (self._empty if whole is None else whole.array).copy()

    def _merge_last_two(self) -> None:
        right, left = self._nodes.pop(), self._nodes.pop()
        self._nodes.append(PartialSum(left.lowest, right.highest, left.n + right.n, left.array + right.array))

    def _check_above(self, partial: PartialSum) -> None:
        highest = self._nodes[-1].highest
        if partial.lowest == highest:
            raise ValueError(f"two files share the hash {highest:016x}: a file may take part in a sum only once")
        if partial.lowest < highest:
            raise ValueError(
                f"hash {partial.lowest:016x} comes after {highest:016x}: "
                "expected ascending hashes and shards that hold whole hash prefixes"
            )


def combine(partials: Iterable[PartialSum | None], shape: tuple[int, ...] = ()) -> HashOrderedSum:
    """The sum of the shards' partial sums, given in any order; None stands for a shard without files."""
    whole = HashOrderedSum(shape)
    for partial in sorted((partial for partial in partials if partial is not None), key=lambda partial: partial.lowest):
        whole.push_partial(partial)
    return whole


def _common_bits(left: int, right: int) -> int:
    """Length of the prefix that two hashes share."""
    return HASH_BITS - (left ^ right).bit_length()
