"""What DeepECG's preprocessing learns from a batch, as a file that can be frozen and used for later batches."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from twelvelead.atomic import write_text
from twelvelead.ecg import LEADS
from twelvelead.errors import CalibrationError
from twelvelead.recipes.mains import Range

SETTINGS = {"scale": ("physical", "batch"), "units": ("physical", "raw"), "resampling": ("decimate", "polyphase")}


@dataclass(frozen=True)
class Calibration:
    """Scale factor and mains regions of a batch, with the settings under which they hold.

    factor         every signal is multiplied by it before it is cleaned; 1 with scale "physical"
    scale, units, resampling     the settings of the same names in the configuration
    n              files that took part
    regions        (first, last) frequency in Hz of the mains peaks of lead I
    ranges         per lead of LEADS, the ranges in Hz to flatten, in the order in which they are applied
    crossings      per lead, the same before they were widened, one for each region
    average_power  mean magnitude of lead I over files and the 2500 bins, before scaling, in the signals' units
    version        of twelvelead that computed it
    """

    factor: float
    scale: str
    units: str
    resampling: str
    n: int
    regions: tuple[Range, ...]
    ranges: tuple[tuple[Range, ...], ...]
    crossings: tuple[tuple[Range, ...], ...]
    average_power: float
    version: str

    def to_json(self, path: Path | str) -> None:
        """Writes the calibration, whole or not at all."""
        write_text(path, json.dumps(asdict(self), indent=1, allow_nan=False) + "\n")

    @classmethod
    def from_json(cls, path: Path | str) -> "Calibration":
        """Reads what to_json wrote; CalibrationError where the file is absent, broken or incomplete."""
        found = _read_object(path)
        absent = [key.name for key in fields(cls) if key.name not in found]
        if absent:
            raise CalibrationError(
                f"{path}: no {', '.join(absent)}; expected a calibration.json as twelvelead writes it, "
                "use `calibration: batch` to make one"
            )
        return cls(
            factor=_number(path, found, "factor", above=0),
            scale=_choice(path, found, "scale"),
            units=_choice(path, found, "units"),
            resampling=_choice(path, found, "resampling"),
            n=_count(path, found),
            regions=_ranges(path, found["regions"], "regions"),
            ranges=_ranges_per_lead(path, found, "ranges"),
            crossings=_ranges_per_lead(path, found, "crossings"),
            average_power=_number(path, found, "average_power"),
            version=str(found["version"]),
        )

    def check(self, settings: Mapping[str, object]) -> None:
        """CalibrationError where the scale, units or resampling of `settings` are not those of this calibration."""
        for key in SETTINGS:
            if settings[key] != getattr(self, key):
                raise CalibrationError(
                    f"the calibration was made with {key}: {getattr(self, key)}, the configuration says "
                    f"{key}: {settings[key]}; use the same setting, or `calibration: batch`"
                )


def _read_object(path: Path | str) -> dict:
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise CalibrationError(f"{path}: cannot be read ({error.strerror}); check `calibration:`") from error
    except ValueError as error:
        raise CalibrationError(
            f"{path}: not JSON ({error}); expected a calibration.json as twelvelead writes it"
        ) from error
    if not isinstance(found, dict):
        raise CalibrationError(
            f"{path}: found a JSON {type(found).__name__}, expected an object with the key factor and others"
        )
    return found


def _is_finite(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _number(path: Path | str, found: dict, key: str, above: float | None = None) -> float:
    value = found[key]
    if not _is_finite(value) or (above is not None and value <= above):
        expected = "a finite number" if above is None else f"a finite number above {above}"
        raise CalibrationError(f"{path}: {key} is {value!r}, expected {expected}; make the calibration anew")
    return float(value)


def _count(path: Path | str, found: dict) -> int:
    value = found["n"]
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise CalibrationError(
            f"{path}: n is {value!r}, expected the number of files, 0 or more; make the calibration anew"
        )
    return value


def _choice(path: Path | str, found: dict, key: str) -> str:
    if found[key] not in SETTINGS[key]:
        raise CalibrationError(f"{path}: {key} is {found[key]!r}, expected {' or '.join(SETTINGS[key])}")
    return found[key]


def _ranges(path: Path | str, value: object, where: str) -> tuple[Range, ...]:
    if not isinstance(value, list):
        raise CalibrationError(f"{path}: {where} is {value!r}, expected a list of [low, high] in Hz")
    for entry in value:
        if not (isinstance(entry, list) and len(entry) == 2 and all(map(_is_finite, entry))):
            raise CalibrationError(f"{path}: {where} holds {entry!r}, expected [low, high] in Hz, both finite")
    return tuple((float(low), float(high)) for low, high in value)


def _ranges_per_lead(path: Path | str, found: dict, key: str) -> tuple[tuple[Range, ...], ...]:
    value = found[key]
    if not isinstance(value, list) or len(value) != len(LEADS):
        count = len(value) if isinstance(value, list) else "no list"
        raise CalibrationError(f"{path}: {key} has {count} entries, expected {len(LEADS)}, one for each lead")
    return tuple(_ranges(path, entry, f"{key} of lead {lead}") for lead, entry in zip(LEADS, value, strict=True))
