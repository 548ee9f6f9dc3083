"""Philips PageWriter and Sierra XML, versions 1.03 and 1.04 (root element restingecgdata), after their XML schemas.

The rhythm leads are in parsedwaveforms, one lead after the other: as text, as base64 of little-endian 16-bit samples,
or, as cardiographs write them, as base64 of XLI data. Attributes of parsedwaveforms describe the samples; what is not
among them, in version 1.03 nearly everything, is in signalcharacteristics.
"""

import binascii
import math
import re
from itertools import islice

import numpy as np
from lxml import etree

from twelvelead.ecg import LEADS, Recording
from twelvelead.errors import UnreadableFile, UnsupportedFormat
from twelvelead.formats.content import MAX_FILE_BYTES
from twelvelead.formats.leads import add_lead, as_recording_samples, plausible_rate_hz, stack, standard_lead
from twelvelead.formats.number_text import whole_numbers
from twelvelead.formats.philips_xli import LIMB_LEADS, decode_xli, restore_limb_leads
from twelvelead.formats.statements import clean_statements
from twelvelead.formats.xml_tree import as_positive, parse_xml

_TYPES = ("SierraECG", "PhilipsECG")
_VERSION = re.compile(r"1\.0[34](?:\.\d{1,2})?", re.ASCII)
_SAFE_TO_QUOTE = re.compile(r"[\d.]{1,12}", re.ASCII)
_STANDARD_SETS = ("STD-12", "10-WIRE")
_IEC_LEADS = {f"C{number}": f"V{number}" for number in range(1, 7)}
_SAMPLE_BYTES = 2
# What a file of the largest size could hold uncompressed; XLI alone has no such bound.
_MOST_SAMPLES = MAX_FILE_BYTES // _SAMPLE_BYTES
# Cardiographs write 16 leads at most and a dozen statements; a file of a million must not take minutes.
_MOST_LEADS = 64
_MOST_STATEMENTS = 1000
# The step to 1 mV lasts 0.2 s in the two real files; it and the zeros around it 0.40 s and 0.47 s.
_SHORTEST_STEP_S = 0.1
_LONGEST_MARK_S = 1.0
_FEWEST_LEADS_OF_MARK = 3


def read_philips(content: bytes) -> Recording:
    """The rhythm leads of a Philips export, without the calibration mark that cardiographs append.

    Raises UnsupportedFormat for other versions, encodings and compressions, UnreadableFile when the XML, the samples
    or what describes them is broken or absent, LeadMissing without any standard lead.
    """
    root = parse_xml(content)
    _check_version(root)
    waveforms = root.find("{*}waveforms/{*}parsedwaveforms")
    if waveforms is None:
        raise UnreadableFile("no parsedwaveforms; expected the rhythm leads in it, export with waveforms")
    rate = as_positive(_described(root, waveforms, "samplespersecond", "samplespersec", "samplingrate"), "samplingrate")
    rate_hz = plausible_rate_hz(rate, "samplingrate")
    gain_mv = _resolution_uv(root, waveforms) * 1e-3
    zero = _zero(_described(root, waveforms, "signaloffset"))
    labels = _lead_labels(root, waveforms)
    channels = _channels(root, waveforms, labels, _sample_count(waveforms, rate_hz, len(labels)))
    samples_of: dict[str, np.ndarray] = {}
    for label, channel in zip(labels, channels, strict=True):
        lead = _lead(label)
        if lead is not None:
            add_lead(samples_of, lead, channel)
    leads, samples = stack(samples_of)
    return Recording(
        format="philips_xml",
        leads=leads,
        samples=as_recording_samples(samples[:, : _ecg_length(samples, zero, gain_mv, rate_hz)]),
        gain_mv=np.full(len(leads), gain_mv),
        offset_mv=np.full(len(leads), -zero * gain_mv) if zero else None,
        sampling_rate_hz=rate_hz,
        units=f"{gain_mv * 1e3:g} uV/LSB",
        statements=_statements(root),
        device=_device(root),
    )


def _check_version(root: etree._Element) -> None:
    document_type, version = (
        (root.findtext(f"{{*}}documentinfo/{{*}}{tag}") or "").strip() for tag in ("documenttype", "documentversion")
    )
    if document_type not in _TYPES:
        raise UnsupportedFormat(f"Philips XML whose documenttype is not {' or '.join(_TYPES)}; export it as such")
    if not _VERSION.fullmatch(version):
        found = f"version {version}" if _SAFE_TO_QUOTE.fullmatch(version) else "an unknown version"
        raise UnsupportedFormat(f"Philips XML of {found}; expected 1.03 or 1.04, export it as one of these")


def _described(root: etree._Element, waveforms: etree._Element, *names: str) -> str | None:
    """The first of `names` that is an attribute of parsedwaveforms or else an element of signalcharacteristics."""
    elements = (root.findtext(f"{{*}}dataacquisition/{{*}}signalcharacteristics/{{*}}{name}") for name in names)
    attributes = (waveforms.get(name) for name in names)
    return next((text.strip() for found in (attributes, elements) for text in found if text and text.strip()), None)


def _resolution_uv(root: etree._Element, waveforms: etree._Element) -> float:
    resolution_uv = as_positive(_described(root, waveforms, "resolution", "signalresolution"), "resolution")
    # Wide on purpose, as for sampling rates: this only catches a broken header.
    if not 1e-3 <= resolution_uv <= 1e6:
        raise UnreadableFile(f"resolution gives {resolution_uv:g} uV a count; expected that of an ECG, 5 uV or so")
    return resolution_uv


def _zero(text: str | None) -> int:
    """The stored value at 0 mV."""
    if text is None:
        return 0
    if not re.fullmatch(r"[+-]?\d{1,9}", text, re.ASCII):
        raise UnreadableFile("signaloffset is not a whole number; expected 0 in most files")
    return int(text)


def _lead_labels(root: etree._Element, waveforms: etree._Element) -> tuple[str, ...]:
    labels = tuple((waveforms.get("leadlabels") or "").split())
    if not labels:
        # Version 1.03 has no lead names, only sets of leads.
        sets = {_described(root, waveforms, name) for name in ("acquisitiontype", "leadset")}
        if sets.isdisjoint(_STANDARD_SETS):
            raise UnreadableFile(
                f"neither leadlabels nor an acquisitiontype of {' or '.join(_STANDARD_SETS)}; "
                "expected one of them to tell which lead is which"
            )
        return LEADS
    if len(labels) > _MOST_LEADS:
        raise UnreadableFile(f"leadlabels names {len(labels)} leads; expected 12 or so, {_MOST_LEADS} at most")
    declared = waveforms.get("numberofleads")
    if declared is not None and (number := as_positive(declared, "numberofleads")) != len(labels):
        raise UnreadableFile(
            f"leadlabels names {len(labels)} leads, numberofleads says {number:g}; the file is damaged, export it again"
        )
    return labels


def _lead(label: str) -> str | None:
    # In the schema "i" is an electrode of Frank's lead system, and C1 to C6 are V1 to V6 in IEC's naming.
    return None if label == "i" else _IEC_LEADS.get(label) or standard_lead(label)


def _sample_count(waveforms: etree._Element, rate_hz: float, n_channels: int) -> int:
    duration_ms = as_positive(waveforms.get("durationperchannel"), "durationperchannel")
    n_samples = duration_ms * rate_hz / 1000
    if not 1 <= n_samples <= _MOST_SAMPLES / n_channels:
        raise UnreadableFile(
            f"durationperchannel gives {n_samples:g} samples a lead; expected a resting ECG, 5000 or so"
        )
    return round(n_samples)


def _channels(root: etree._Element, waveforms: etree._Element, labels: tuple[str, ...], n_samples: int) -> np.ndarray:
    """(labels, n_samples) integers in the order of the labels."""
    encoding = (waveforms.get("dataencoding") or "").strip()
    compression = _compression(waveforms)
    text = waveforms.text or ""
    if encoding == "Base64" and compression == "XLI":
        return _decompressed(_from_base64(text), labels, n_samples)
    if compression:
        raise UnsupportedFormat("parsedwaveforms in another compression than XLI in Base64; export it uncompressed")
    if encoding == "Base64":
        values = _sixteen_bit(root, waveforms, _from_base64(text))
    elif encoding == "Plain":
        values = _plain_numbers(text)
    else:
        raise UnsupportedFormat("parsedwaveforms whose dataencoding is neither Base64 nor Plain; export it as Base64")
    if values.size < len(labels) * n_samples or values.size % n_samples:
        raise UnreadableFile(
            f"parsedwaveforms holds {values.size} samples, expected {len(labels)} leads of {n_samples}; "
            "the file is damaged, export it again"
        )
    return values.reshape(-1, n_samples)[: len(labels)]


def _compression(waveforms: etree._Element) -> str:
    """The name of the compression (compressmethod in version 1.03, compression in 1.04), empty for none."""
    flag = (waveforms.get("compressflag") or "").strip().casefold()
    method = (waveforms.get("compression") or waveforms.get("compressmethod") or "").strip()
    if flag == "false" or method.casefold() in ("none", "uncompressed"):
        return ""
    return method or ("unnamed" if flag == "true" else "")


def _decompressed(compressed: bytes, labels: tuple[str, ...], n_samples: int) -> np.ndarray:
    has_differences = not {_lead(label) for label in labels}.isdisjoint(LIMB_LEADS[2:])
    if has_differences and labels[: len(LIMB_LEADS)] != LIMB_LEADS:
        raise UnsupportedFormat(
            f"XLI data with limb leads in an unusual order; expected {', '.join(LIMB_LEADS)} first, export uncompressed"
        )
    stored = decode_xli(compressed, len(labels), n_samples)
    return restore_limb_leads(stored) if has_differences else stored


def _from_base64(text: str) -> bytes:
    try:
        return binascii.a2b_base64("".join(text.split()), strict_mode=True)
    except ValueError:
        raise UnreadableFile("parsedwaveforms is broken base64; the file is damaged, export it again") from None


def _sixteen_bit(root: etree._Element, waveforms: etree._Element, stored: bytes) -> np.ndarray:
    if (_described(root, waveforms, "bitspersample", "nbitspersample") or "16") != "16":
        raise UnsupportedFormat("uncompressed samples of another size than 16 bits; expected bitspersample 16")
    if len(stored) % _SAMPLE_BYTES:
        raise UnreadableFile(f"parsedwaveforms holds {len(stored)} bytes, half a sample too many; export it again")
    is_signed = (_described(root, waveforms, "signalsigned") or "True").casefold() != "false"
    return np.frombuffer(stored, dtype="<i2" if is_signed else "<u2")


def _plain_numbers(text: str) -> np.ndarray:
    numbers = whole_numbers(text, " ")
    if numbers is None or not numbers.size:
        raise UnreadableFile(
            f"parsedwaveforms is {'empty' if numbers is not None else 'not all whole numbers'}; "
            "expected numbers between spaces"
        )
    return numbers


def _ecg_length(samples: np.ndarray, zero: int, gain_mv: float, rate_hz: float) -> int:
    """The number of samples before the calibration mark: 0, then 1 mV, then 0 again, the same in all leads.

    The mark is found by its content, since no field declares it: files of 11 s may have none, and where it is there,
    ECG may go on past 10 s (in the two real files to 10.53 s and 10.60 s). No ECG is taken for it: leads that are all
    at 1 mV at the same time contradict Einthoven's law.
    """
    n_leads, n_samples = samples.shape
    if n_leads < _FEWEST_LEADS_OF_MARK:
        return n_samples
    last = samples[:, -round(_LONGEST_MARK_S * rate_hz) :].astype(np.int64) - zero
    differing = np.flatnonzero((last != last[0]).any(axis=0))
    mark = last[0, differing[-1] + 1 if differing.size else 0 :]
    edges = np.flatnonzero(np.diff(mark)) + 1
    if edges.size != 2 or mark[0] != 0 or mark[-1] != 0 or np.ptp(edges) < _SHORTEST_STEP_S * rate_hz:
        return n_samples
    if not math.isclose(mark[edges[0]] * gain_mv, 1.0, rel_tol=0.05):
        return n_samples
    if mark.size == n_samples:
        raise UnreadableFile("the leads hold a calibration mark and no ECG; expected 10 s of ECG, export it again")
    return n_samples - mark.size


def _statements(root: etree._Element) -> tuple[str, ...]:
    """What devices print on the left; the reasons on the right name criteria, some of them to deny them."""
    interpretation = root.find("{*}interpretations/{*}interpretation")
    if interpretation is None:
        return ()
    statements = islice(interpretation.iterfind("{*}statement"), _MOST_STATEMENTS)
    return clean_statements([statement.findtext("{*}leftstatement") or "" for statement in statements])


def _device(root: etree._Element) -> str:
    machine = root.find("{*}dataacquisition/{*}machine")
    if machine is None:
        return ""
    # "maker:product number:software"; machineid is left out, since it tells one device from all others.
    maker, mark, _ = (machine.get("detaildescription") or "").partition(":")
    parts = (maker if mark else "", machine.text or "")
    return " ".join(" ".join(part.split())[:60] for part in parts if part.strip())
