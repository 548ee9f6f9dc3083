"""All mutations of all formats by name, and the files that they make."""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from faults import array_damage, container_damage, damage, dicom_damage, header_damage, text_damage, xml_damage
from faults.places import PLACES, write_seed
from faults.seeds import Seed

_XML = (*text_damage.TEXT, *xml_damage.XML)
_OF_FORMAT: Mapping[str, Sequence[damage.Damage]] = {
    "muse_xml": _XML,
    "cardiosoft_xml": _XML,
    "philips_xml": _XML,
    "hl7_aecg": _XML,
    "mortara_xml": _XML,
    "schiller_xml": _XML,
    "csv_samples": (*text_damage.TEXT, *array_damage.CSV),
    "wfdb": (*text_damage.TEXT, *header_damage.WFDB),
    "wfdb_signals": array_damage.MAT[:1],
    "edf": (*header_damage.EDF, text_damage.lead_name_made_hostile, text_damage.lead_names_exchanged),
    "ishne": header_damage.ISHNE,
    "scp": header_damage.SCP,
    "dicom": dicom_damage.DICOM,
    "npy": array_damage.NPY,
    "deepecg_base64": array_damage.BASE64,
    "code15_mat": array_damage.MAT,
    "code15_hdf5": container_damage.HDF5,
    "parquet_samples": container_damage.PARQUET,
}
_PLACES = {place.__name__: place for place in PLACES}


@dataclass(frozen=True)
class Case:
    """One mutated file: the intact one, what is done to it, and the number that all of its randomness comes from."""

    variant: str
    mutation: str
    seed: int

    def __str__(self) -> str:
        return f"{self.variant!r} {self.mutation} {self.seed}"

    def rng(self) -> random.Random:
        return random.Random(f"{self.variant}/{self.mutation}/{self.seed}")


def mutations_of(format_name: str) -> dict[str, Callable]:
    """Damages and places by name for files of a format."""
    named = {each.__name__: each for each in (*damage.ANY, *_OF_FORMAT.get(format_name, ()))}
    return named | _PLACES


def cases(seeds: Mapping[str, Seed]) -> Iterator[Case]:
    """Cases without end, in the same order each time; what takes no random number comes once."""
    everything = [
        (variant, name, damage.is_once(mutation))
        for variant, seed in seeds.items()
        for name, mutation in mutations_of(seed.format).items()
    ]
    for number in count():
        in_round = [(variant, name) for variant, name, comes_once in everything if number == 0 or not comes_once]
        random.Random(number).shuffle(in_round)
        yield from (Case(variant, name, number) for variant, name in in_round)


@contextmanager
def mutated(case: Case, seed: Seed, folder: Path) -> Iterator[str | None]:
    """Writes the case's files to an empty folder and gives the path to be read.

    None where the mutation finds nothing to bite on, or leaves the file as it was.
    """
    mutation = mutations_of(seed.format)[case.mutation]
    if case.mutation in _PLACES:
        with mutation(seed, folder, case.rng()) as named:
            yield named
        return
    intact = seed.damaged.read_bytes()
    content = mutation(intact, case.rng())
    yield None if content is None or content == intact else write_seed(seed, folder, content)
