"""Sums whose bytes are a property of the set of files."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twelvelead.recipes.ordered_sum import HASH_BITS, HashOrderedSum, PartialSum, combine

# Few distinct leading and trailing bits make deep common prefixes, which uniform hashes never have.
HASHES = st.one_of(
    st.integers(0, 2**HASH_BITS - 1),
    st.integers(0, 15),
    st.integers(0, 15).map(lambda top: top << (HASH_BITS - 4)),
    st.tuples(st.integers(0, 3), st.integers(0, 7)).map(lambda pair: (pair[0] << (HASH_BITS - 2)) + pair[1]),
)


def array_of(file_hash: int) -> np.ndarray:
    """Values over 20 orders of magnitude, so that another order of addition shows in the last bits."""
    random = np.random.default_rng(file_hash)
    return random.normal(size=6) * 10.0 ** random.uniform(-10, 10, size=6)


def sum_of(hashes: list[int]) -> HashOrderedSum:
    total = HashOrderedSum((6,))
    for file_hash in hashes:
        total.push(file_hash, array_of(file_hash))
    return total


def trie_sum(hashes: list[int], depth: int = 0) -> np.ndarray:
    """The definition: a node of the trie is the sum of its children, a leaf is a file."""
    if len(hashes) == 1:
        return array_of(hashes[0])
    bit = HASH_BITS - 1 - depth
    children = [[h for h in hashes if not h >> bit & 1], [h for h in hashes if h >> bit & 1]]
    sums = [trie_sum(child, depth + 1) for child in children if child]
    return sums[0] if len(sums) == 1 else sums[0] + sums[1]


def cut(hashes: list[int], choose_to_split, depth: int = 0) -> list[list[int]]:
    """Buckets of hash prefixes, each of its own depth."""
    if not hashes:
        return []
    if depth == HASH_BITS or not choose_to_split(depth):
        return [hashes]
    bit = HASH_BITS - 1 - depth
    low = [h for h in hashes if not h >> bit & 1]
    high = [h for h in hashes if h >> bit & 1]
    return cut(low, choose_to_split, depth + 1) + cut(high, choose_to_split, depth + 1)


@given(st.sets(HASHES, min_size=1, max_size=40).map(sorted))
@settings(max_examples=60, deadline=None)
def test_streaming_equals_the_trie(hashes):
    assert sum_of(hashes).total().tobytes() == trie_sum(hashes).tobytes()


@given(st.sets(HASHES, min_size=1, max_size=40).map(sorted), st.randoms(use_true_random=False), st.floats(0.3, 1.0))
@settings(max_examples=60, deadline=None)
def test_any_cut_into_prefix_buckets_gives_the_same_bytes(hashes, random, split_probability):
    shards = cut(hashes, lambda depth: random.random() < split_probability)
    partials = [sum_of(shard).partial() for shard in shards]
    random.shuffle(partials)
    combined = combine([*partials, None], (6,))
    assert combined.total().tobytes() == sum_of(hashes).total().tobytes()
    assert combined.n == len(hashes)


@given(st.sets(HASHES, min_size=1, max_size=30).map(sorted), st.integers(0, 8), st.integers(0, 8))
@settings(max_examples=60, deadline=None)
def test_partial_sums_combine_in_stages(hashes, fine, coarse):
    fine_depth = max(fine, coarse)
    stages = []
    for bucket in cut(hashes, lambda depth: depth < min(fine, coarse)):
        shards = cut(bucket, lambda depth: depth < fine_depth)
        stages.append(combine(sum_of(shard).partial() for shard in shards).partial())
    assert combine(stages).total().tobytes() == sum_of(hashes).total().tobytes()


def test_plain_summation_depends_on_the_cut():
    hashes = sorted(np.random.default_rng(0).integers(0, 2**63, size=200).tolist())
    arrays = np.array([array_of(file_hash) for file_hash in hashes])
    in_one = np.add.reduce(arrays, axis=0)
    in_two = np.add.reduce(arrays[:70], axis=0) + np.add.reduce(arrays[70:], axis=0)
    assert in_one.tobytes() != in_two.tobytes(), "the arrays of this test would not show a dependence on order"


def test_memory_is_logarithmic():
    total = HashOrderedSum((6,))
    largest = 0
    for file_hash in sorted(np.random.default_rng(1).integers(0, 2**63, size=4000).tolist()):
        total.push(file_hash, np.ones(6))
        largest = max(largest, len(total._nodes))
    assert total.total().tolist() == [4000.0] * 6
    assert largest <= 3 * np.log2(4000)


def test_equal_hashes_are_refused():
    total = sum_of([3])
    with pytest.raises(ValueError, match="share the hash 0000000000000003"):
        total.push(3, np.ones(6))


def test_descending_hashes_and_overlapping_shards_are_refused():
    with pytest.raises(ValueError, match="expected ascending"):
        sum_of([3, 2])
    with pytest.raises(ValueError, match="expected ascending"):
        combine([sum_of([1, 9]).partial(), sum_of([5]).partial()])
    with pytest.raises(ValueError, match="64-bit"):
        HashOrderedSum().push_partial(PartialSum(5, 4, 1, np.ones(6)))
    with pytest.raises(ValueError, match="64-bit"):
        HashOrderedSum().push(2**64, np.ones(6))


def test_the_sum_of_no_file_is_zeros():
    assert HashOrderedSum((2, 3)).total().tolist() == np.zeros((2, 3)).tolist()
    assert HashOrderedSum().partial() is None
    assert combine([None, None], (2,)).n == 0


def test_arrays_are_copied():
    array = np.ones(6, dtype=np.float32)
    total = HashOrderedSum((6,))
    total.push(1, array)
    array[:] = 7
    total.total()[:] = 9
    assert total.total().tolist() == [1.0] * 6
    assert total.total().dtype == np.float64
