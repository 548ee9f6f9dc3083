"""Signals of SCP-ECG: coded leads (EN 1064:2005+A1:2007, clauses 5.8 and 5.9), reference beat and decimation (5.7)."""

import math
from dataclasses import dataclass

import numpy as np

from twelvelead.errors import UnreadableFile, UnsupportedFormat
from twelvelead.formats.scp_huffman import Codebook, decode, undo_differences
from twelvelead.formats.scp_record import Section

_SAMPLE = np.dtype("<i2")
_LENGTH = np.dtype("<u2")
_BEAT = np.dtype([("type", "<u2"), ("first", "<u4"), ("fiducial", "<u4"), ("last", "<u4")])
_PROTECTED = np.dtype([("first", "<u4"), ("last", "<u4")])
_FIRST_VERSION_WITHOUT_BIMODAL = 30
# Annex C decimates by 4 and implementations offer 2 to 4; a larger factor comes from a damaged interval.
_LARGEST_DECIMATION = 8
# Zones of beats hardly overlap; a damaged list of them must not cost minutes.
_MOST_BEATS_AT_A_SAMPLE = 4
# Writers fill a lead's last byte, and some a second one.
_MOST_FILL_BITS = 15


@dataclass(frozen=True)
class CodedLeads:
    """The leads of section 5 or 6 as stored, before any decoding. `stored` has one entry per lead of section 3."""

    unit_nv: int
    interval_us: int
    difference: int
    bimodal: bool
    stored: tuple[bytes, ...]
    codebook: Codebook | None

    def samples(self, row: int, count: int, exact: bool = False) -> np.ndarray:
        """(count,) int16 samples of a lead; `exact` also refuses a lead that holds more of them."""
        stored = self.stored[row]
        if self.codebook is None:
            stored_count = len(stored) // _SAMPLE.itemsize
            if stored_count < count or (exact and stored_count > count):
                raise _wrong_count(f"{stored_count}", count)
            values = np.frombuffer(stored, dtype=_SAMPLE, count=count).astype(np.int64)
            return undo_differences(values, self.difference)
        values, fill_bits = decode(stored, count, self.codebook)
        if exact and fill_bits > _MOST_FILL_BITS:
            raise _wrong_count("more", count)
        return undo_differences(values, self.difference)


def read_coded_leads(section: Section, lead_count: int, codebook: Codebook | None) -> CodedLeads:
    """Section 5 or 6 with its leads still coded.

    Raises UnreadableFile for an amplitude unit or interval of 0, unknown differences and leads past the section's end.
    """
    unit_nv, interval_us, difference, bimodal = section.fields("HHBB")
    if not unit_nv or not interval_us or difference > 2:
        raise UnreadableFile(
            f"section {section.number} gives {unit_nv} nV per unit, {interval_us} us per sample and differences of "
            f"order {difference}; expected two positive numbers and 0, 1 or 2"
        )
    lengths = section.rows(_LENGTH, lead_count, 6).tolist()
    stored, offset = [], 6 + lead_count * _LENGTH.itemsize
    section.fields(f"{sum(lengths)}x", offset)
    for length in lengths:
        stored.append(section.body[offset : offset + length])
        offset += length
    return CodedLeads(
        unit_nv=unit_nv,
        interval_us=interval_us,
        difference=difference,
        bimodal=bimodal == 1 and section.protocol_version < _FIRST_VERSION_WITHOUT_BIMODAL,
        stored=tuple(stored),
        codebook=codebook,
    )


def restore(
    rhythm: CodedLeads,
    reference: CodedLeads,
    beats_section: Section,
    rows: list[int],
    first: int,
    count: int,
    subtracted: bool,
) -> tuple[np.ndarray, int]:
    """((leads, count) samples, nV per unit) of leads from which the reference beat was subtracted or left decimated.

    rows   places of the wanted leads in section 3
    first  number of their first sample, from 1, as section 4 counts
    """
    factor = _decimation(rhythm, reference)
    length_ms, fiducial, beat_count = beats_section.fields("HHH")
    beats = beats_section.rows(_BEAT, beat_count, 6)
    if factor > 1:
        areas = beats_section.rows(_PROTECTED, beat_count, 6 + beats.nbytes)
        places = _stored_places(areas, first, count, factor)
        stored_count = int(places[-1]) + 1
        samples = np.stack([_between(rhythm.samples(row, stored_count, exact=True), places) for row in rows])
    else:
        samples = np.stack([rhythm.samples(row, count) for row in rows])
    if not subtracted:
        return samples, rhythm.unit_nv
    beat_samples = length_ms * 1000 // reference.interval_us
    if beat_samples < 1:
        raise UnreadableFile(f"reference beat of {length_ms} ms is shorter than a sample; expected about 1000 ms")
    unit_nv = math.gcd(rhythm.unit_nv, reference.unit_nv)
    samples = samples.astype(np.int64) * (rhythm.unit_nv // unit_nv)
    beat = np.stack([reference.samples(row, beat_samples) for row in rows]).astype(np.int64)
    beat *= reference.unit_nv // unit_nv
    _add_beat(samples, beat, beats[beats["type"] == 0], fiducial, first)
    return samples, unit_nv


def _decimation(rhythm: CodedLeads, reference: CodedLeads) -> int:
    """Samples per stored value outside the protected areas; 1 where nothing was decimated."""
    factor, rest = divmod(rhythm.interval_us, reference.interval_us)
    if rest or not 1 <= factor <= _LARGEST_DECIMATION or (factor > 1 and not rhythm.bimodal):
        raise UnsupportedFormat(
            f"rhythm of {rhythm.interval_us} us per sample with a reference beat of {reference.interval_us} us, "
            f"{'' if rhythm.bimodal else 'not '}bimodal; expected the same interval, or bimodal and "
            f"up to {_LARGEST_DECIMATION} times as long"
        )
    return factor


def _stored_places(areas: np.ndarray, first: int, count: int, factor: int) -> np.ndarray:
    """(count,) the place of every sample among the stored values; a fraction lies between two of them.

    Protected areas are stored whole. In between, one value stands for `factor` samples: it holds for the first half
    of the first ones and the last half of the last ones, and straight lines join the values in between. Samples that
    fill no group are stored as they are.
    """
    places = []
    stored_count, next_sample = 0, first
    end = first + count
    for area_first, area_last in areas.tolist():
        if area_last < area_first or area_last < first or area_first >= end:
            continue
        if area_first < next_sample and next_sample > first:
            raise UnreadableFile("protected areas of section 4 overlap; the file is damaged, export it again")
        area_first, area_end = max(area_first, first), min(area_last + 1, end)
        decimated, stored_count = _decimated_places(area_first - next_sample, stored_count, factor)
        whole = stored_count + np.arange(area_end - area_first)
        stored_count += whole.size
        next_sample = area_end
        places += [decimated, whole]
    decimated, _ = _decimated_places(end - next_sample, stored_count, factor)
    return np.concatenate([*places, decimated])


def _decimated_places(count: int, stored_before: int, factor: int) -> tuple[np.ndarray, int]:
    groups, left_over = divmod(count, factor)
    within = np.clip((np.arange(groups * factor) - factor // 2) / factor, 0, max(groups - 1, 0))
    places = np.concatenate((stored_before + within, stored_before + groups + np.arange(left_over)))
    return places, stored_before + groups + left_over


def _between(stored: np.ndarray, places: np.ndarray) -> np.ndarray:
    return np.rint(np.interp(places, np.arange(stored.size), stored)).astype(np.int16)


def _add_beat(samples: np.ndarray, beat: np.ndarray, beats: np.ndarray, fiducial: int, first: int) -> None:
    """Add the reference beat in place, its fiducial point laid on that of each beat; numbers count from 1."""
    end = first + samples.shape[1]
    reference_first = beats["fiducial"].astype(np.int64) - fiducial + 1  # the sample below the reference beat's first
    start = np.maximum.reduce([beats["first"], reference_first, np.full(beats.size, first)])
    stop = np.minimum.reduce([beats["last"] + np.int64(1), reference_first + beat.shape[1], np.full(beats.size, end)])
    if np.maximum(stop - start, 0).sum() > _MOST_BEATS_AT_A_SAMPLE * samples.shape[1]:
        raise UnreadableFile("beats of section 4 overlap many times; the file is damaged, export it again")
    for at, until, reference_at in zip(start.tolist(), stop.tolist(), reference_first.tolist(), strict=True):
        if at < until:
            samples[:, at - first : until - first] += beat[:, at - reference_at : until - reference_at]


def _wrong_count(found: str, count: int) -> UnreadableFile:
    return UnreadableFile(f"a lead stores {found} samples, expected {count}; the file is damaged, export it again")
