"""The mutations themselves: the same each time, biting on every format they are for."""

from itertools import islice

import pytest

from faults.damage import is_once
from faults.mutations import Case, cases, mutated, mutations_of
from faults.places import PLACES
from faults.seeds import write_seeds

# Left to the campaign, for the time they take.
_LARGE = ("grown_to_the_limit", "lines_without_end", "long_list_of_samples", "samples_of_one_digit", "bomb", "many_")


@pytest.fixture(scope="module")
def seeds(tmp_path_factory):
    return write_seeds(tmp_path_factory.mktemp("seeds"))


def content_of(case, seed, folder) -> bytes | None:
    folder.mkdir()
    with mutated(case, seed, folder) as path:
        return None if path is None else (folder / seed.damaged.name).read_bytes()


def test_every_format_has_damages_of_its_own(seeds):
    formats = {seed.format for seed in seeds.values()}
    assert len(seeds) >= 25
    assert "unsupported" not in formats
    anything = len(mutations_of("no such format"))
    assert [name for name in formats if len(mutations_of(name)) == anything] == []


def test_every_damage_bites_somewhere_and_is_the_same_each_time(seeds, tmp_path):
    bitten, tried = set(), set()
    places = {place.__name__ for place in PLACES}
    for variant in ("muse_xml", "wfdb16", "scp", "dicom", "edf", "ishne", "npy", "mat_code15", "hdf5_member", "csv"):
        seed = seeds[variant]
        names = [name for name in mutations_of(seed.format) if name not in places | tried]
        for name in (name for name in names if not any(part in name for part in _LARGE)):
            tried.add(name)
            for number in range(4):
                case = Case(variant, name, number)
                first = content_of(case, seed, tmp_path / f"{variant}{name}{number}a")
                assert first == content_of(case, seed, tmp_path / f"{variant}{name}{number}b"), case
                if first is not None:
                    bitten.add(name)
                    break
    assert len(tried) > 80
    assert tried - bitten == set()


def test_cases_go_on_and_come_in_the_same_order(seeds):
    first, again = (list(islice(cases(seeds), 6000)) for _ in range(2))
    assert first == again
    assert len(set(first)) == len(first)
    later = [case for case in first if case.seed > 0]
    assert later
    assert not any(is_once(mutations_of(seeds[case.variant].format)[case.mutation]) for case in later)
