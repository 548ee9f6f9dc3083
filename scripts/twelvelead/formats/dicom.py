"""DICOM waveforms (12-lead, general and ambulatory ECG storage), PS3.3 section C.10.9."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from twelvelead.ecg import Recording, missing_leads
from twelvelead.errors import UnreadableFile, UnsupportedFormat
from twelvelead.formats.dicom_channels import channel_lead, channel_scale
from twelvelead.formats.dicom_elements import WAVEFORM_STORAGE, Item, read_data_set
from twelvelead.formats.dicom_tags import Tag
from twelvelead.formats.leads import (
    as_recording_samples,
    duplicate_lead,
    no_standard_lead,
    plausible_rate_hz,
)
from twelvelead.formats.statements import clean_statements

_SAMPLE_TYPES = {
    (8, "SB"): "i1",
    (8, "UB"): "u1",
    (16, "SS"): "i2",
    (16, "US"): "u2",
    (32, "SL"): "i4",
    (32, "UL"): "u4",
    (64, "SV"): "i8",
    (64, "UV"): "u8",
}
_COMPANDED = {"MB": "mu-law", "AB": "A-law"}
_INTERPRETATION = re.compile(r"interpret|diagnos|statement|finding", re.IGNORECASE)


@dataclass(frozen=True)
class _Group:
    """A multiplex group; a channel's lead is None where it is none of the twelve."""

    item: Item
    channels: tuple[Item, ...]
    leads: tuple[str | None, ...]
    rate_hz: float
    sample_count: int
    starts_at_ms: float | None


def read_dicom(content: bytes) -> Recording:
    """The longest original waveform group with the leads of a 12-lead ECG; averaged beats are left aside.

    Groups that start together, at one rate and of one length, are joined where no single one has all leads.
    Raises UnsupportedFormat for DICOM without waveforms, for leads recorded one after the other and for encodings no
    reader here takes, UnreadableFile for broken ones, LeadMissing when no group has a standard lead.
    """
    data_set = read_data_set(content, last_tag=Tag.WaveformSequence)
    items = list(data_set.items(Tag.WaveformSequence))
    if not items:
        if data_set.value(Tag.SOPClassUID).startswith(WAVEFORM_STORAGE):
            raise UnreadableFile("DICOM waveform storage without a waveform; the file is damaged, export it again")
        raise UnsupportedFormat("DICOM without waveforms; expected 12-lead, general or ambulatory ECG storage")
    originals = [item for item in items if item.text(Tag.WaveformOriginality) != "DERIVED"]
    if not originals:
        raise UnreadableFile(f"{len(items)} waveform groups, all derived; expected an original recording")
    groups = [group for item in originals if (group := _group(item)) is not None]
    if not groups:
        raise no_standard_lead()
    return _recording(data_set, _rhythm_groups(groups))


def _group(item: Item) -> _Group | None:
    """The group, or None where it has no standard lead (respiration, pressures)."""
    channels = tuple(item.items(Tag.ChannelDefinitionSequence))
    leads = tuple(channel_lead(channel) for channel in channels)
    if not any(leads):
        return None
    return _Group(
        item=item,
        channels=channels,
        leads=leads,
        rate_hz=plausible_rate_hz(item.number(Tag.SamplingFrequency) or 0.0, Tag.SamplingFrequency.name),
        sample_count=item.whole(Tag.NumberOfWaveformSamples),
        starts_at_ms=item.number(Tag.MultiplexGroupTimeOffset),
    )


def _rhythm_groups(groups: list[_Group]) -> list[_Group]:
    """The group with the recording, or the groups of one time that hold it together.

    PS3.3, A.34.3.4.4, lets a cart store four groups of three leads acquired one after the other, as on paper, and one
    long lead. Put beside each other they would be an ECG that never was, so only groups of one time are joined.
    """
    of_one_time: dict[tuple, list[_Group]] = {}
    for group in groups:
        if group.starts_at_ms is not None:
            of_one_time.setdefault((group.starts_at_ms, group.rate_hz, group.sample_count), []).append(group)
    chosen = max([*([group] for group in groups), *of_one_time.values()], key=_worth)
    if missing_leads(_named(chosen)) and not missing_leads(_named(groups)):
        raise UnsupportedFormat(
            f"DICOM whose leads are in {len(groups)} groups not recorded at one time, as columns on paper; "
            "expected 12 simultaneous leads, export the full recording"
        )
    return chosen


def _named(groups: list[_Group]) -> tuple[str, ...]:
    return tuple(lead for group in groups for lead in group.leads if lead is not None)


def _worth(groups: list[_Group]) -> tuple[bool, float, int]:
    leads = _named(groups)
    return not missing_leads(leads), groups[0].sample_count / groups[0].rate_hz, len(set(leads))


def _recording(data_set: Item, groups: list[_Group]) -> Recording:
    leads: list[str] = []
    rows, scales = [], []
    for group in groups:
        # A lead that an earlier group has is left out: carts repeat their rhythm lead.
        wanted = [channel for channel, lead in enumerate(group.leads) if lead is not None and lead not in leads]
        if not wanted:
            continue
        in_group = [group.leads[channel] for channel in wanted]
        if len(set(in_group)) != len(in_group):
            raise duplicate_lead(next(lead for lead in in_group if in_group.count(lead) > 1))
        scales += [channel_scale(group.channels[channel], group.leads[channel]) for channel in wanted]
        rows.append(_samples(group, wanted))
        leads += in_group
    offset_mv = np.array([offset for _, offset, _ in scales])
    return Recording(
        format="dicom",
        leads=tuple(leads),
        samples=rows[0] if len(rows) == 1 else as_recording_samples(np.concatenate(rows)),
        gain_mv=np.array([gain for gain, _, _ in scales]),
        offset_mv=offset_mv if offset_mv.any() else None,
        sampling_rate_hz=groups[0].rate_hz,
        units=", ".join(dict.fromkeys(units for _, _, units in scales)),
        statements=_statements(data_set.items(Tag.WaveformAnnotationSequence)),
        device=" ".join(" ".join(map(data_set.text, (Tag.Manufacturer, Tag.ManufacturerModelName))).split())[:80],
    )


def _samples(group: _Group, channels: list[int]) -> np.ndarray:
    """(channels, samples) of the channels asked for; float32 with NaN where the file marks samples as missing."""
    dtype = _sample_type(group.item)
    channel_count, sample_count = len(group.channels), group.sample_count
    if sample_count < 1 or group.item.whole(Tag.NumberOfWaveformChannels) != channel_count:
        raise UnreadableFile("waveform without samples, or of more or fewer channels than it describes; export again")
    stored = group.item.value(Tag.WaveformData)
    frame_bytes = channel_count * dtype.itemsize
    # A byte more makes the length even; a whole frame more means that a number is wrong and the leads are mixed up.
    if not 0 <= len(stored) - sample_count * frame_bytes < max(frame_bytes, 2):
        raise UnreadableFile(
            f"waveform holds {len(stored)} bytes, expected {sample_count * frame_bytes} "
            f"({channel_count} channels x {sample_count} samples); the file is damaged, export it again"
        )
    frames = np.frombuffer(stored, dtype, count=channel_count * sample_count).reshape(sample_count, channel_count)
    rows = np.ascontiguousarray(frames.T if len(channels) == channel_count else frames[:, channels].T)
    padding = _padding_value(group.item, dtype)
    is_padding = rows == padding if padding else np.False_
    if not is_padding.any():
        return as_recording_samples(rows)
    with_gaps = rows.astype(np.float32)
    with_gaps[is_padding] = np.nan
    return with_gaps


def _sample_type(item: Item) -> np.dtype:
    bits, interpretation = item.whole(Tag.WaveformBitsAllocated), item.text(Tag.WaveformSampleInterpretation)
    if (bits, interpretation) not in _SAMPLE_TYPES:
        found = f"{_COMPANDED[interpretation]} companded" if interpretation in _COMPANDED else f"of {bits} bits"
        raise UnsupportedFormat(
            f"DICOM samples {found}; expected linear 8 to 64-bit integers (SB, UB, SS, US, SL, UL, SV, UV)"
        )
    return np.dtype(item.byte_order + _SAMPLE_TYPES[bits, interpretation])


def _padding_value(item: Item, dtype: np.dtype) -> int:
    """The stored value that stands for a missing sample; 0 where there is none."""
    stored = item.value(Tag.WaveformPaddingValue)
    # Writers (ECGToolkit's ECGConversion for one) fill in 0 without padding anything, and 0 is a voltage.
    return int(np.frombuffer(stored, dtype, count=1)[0]) if len(stored) >= dtype.itemsize else 0


def _statements(annotations: Iterable[Item]) -> tuple[str, ...]:
    return clean_statements(_statement(annotation) for annotation in annotations)


def _statement(annotation: Item) -> str | None:
    """The text of an annotation that interprets the ECG; None for measurements, beats and other notes."""
    if Tag.NumericValue in annotation or Tag.ReferencedSamplePositions in annotation:
        return None
    concept = _meaning(annotation, Tag.ConceptNameCodeSequence)
    # Text that nothing names is what carts print above the ECG; text under an unknown name may be about the patient.
    is_interpretation = Tag.ConceptNameCodeSequence not in annotation or _INTERPRETATION.search(concept)
    if text := annotation.text(Tag.UnformattedTextValue):
        return text if is_interpretation else None
    if value := _meaning(annotation, Tag.ConceptCodeSequence):
        return value if is_interpretation else None
    return concept or None


def _meaning(annotation: Item, tag: Tag) -> str:
    code = annotation.first(tag)
    return code.text(Tag.CodeMeaning) if code else ""
