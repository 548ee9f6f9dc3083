"""The intact files that are damaged: every format there is a reader for, and real recordings where they are at hand."""

from dataclasses import dataclass
from pathlib import Path

from every_format import write_every_format
from twelvelead import records
from unit.vendor_files import SHARED

# Below ../shared/data, where it is there; one file of each vendor's own making.
_REAL = (
    "ge_muse_xml/*.xml",
    "cardiosoft_xml/*.xml",
    "philips_xml/*.xml",
    "hl7_aecg_xml/*.xml",
    "scp/*.scp",
    "dicom/*.dcm",
    "code15_mat/*.mat",
)
_LARGEST_REAL_BYTES = 2 * 2**20  # larger ones are many recordings, or would take the campaign's time


@dataclass(frozen=True)
class Seed:
    """An intact recording, and which of its files is to be damaged.

    variant     what reports call it
    format      as the readers name it
    damaged     the file whose bytes change
    companions  files of the recording that stay as they are (the other part of a WFDB record)
    named       what a table names, a path of which only the last part may be no file's name (`#member`)
    """

    variant: str
    format: str
    damaged: Path
    companions: tuple[Path, ...]
    named: Path

    @property
    def member(self) -> str:
        """`#member` of a recording in an HDF5 file, else empty."""
        return "" if self.named.exists() else f"#{self.named.name.rpartition('#')[2]}"


def write_seeds(folder: Path, real: bool = False) -> dict[str, Seed]:
    """Writes the seeds below `folder`, by name of the variant; with `real`, vendors' own files are among them."""
    named = write_every_format(folder / "made")
    if real:
        for pattern in _REAL:
            found = sorted(
                path for path in (SHARED / "data").glob(pattern) if path.stat().st_size < _LARGEST_REAL_BYTES
            )
            named |= {f"real {path.parent.name}": path for path in found[:1]}
    return {seed.variant: seed for variant, path in named.items() for seed in _seeds(variant, path)}


def _seeds(variant: str, named: Path) -> list[Seed]:
    record = records.decode(variant, str(named))
    # A format that no reader takes (yet) still may stop nothing.
    name = record.recording.format if record.recording else "unsupported"
    file = named if named.exists() else named.with_name(named.name.rpartition("#")[0])
    parts = [path for path in named.parent.glob(f"{named.stem}.*") if path != named] if name == "wfdb" else []
    seeds = [Seed(variant, name, file, tuple(parts), named)]
    return seeds + [Seed(f"{variant} {part.suffix}", "wfdb_signals", part, (named,), named) for part in parts]
