"""Small vendor files for tests, written from the formats' descriptions and not with the readers' code."""

import base64
import io
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

SHARED = Path(__file__).resolve().parents[2].parent / "shared"
EIGHT_LEADS = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")
TWELVE_LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")


def counts(leads: int = 8, samples: int = 40, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(-2000, 2000, (leads, samples)).astype(np.int16)


def muse_lead(lead: str, samples: np.ndarray, **fields: str) -> str:
    text = {
        "LeadSampleCountTotal": str(len(samples)),
        "LeadAmplitudeUnitsPerBit": "4.88",
        "LeadAmplitudeUnits": "MICROVOLTS",
        "LeadID": lead,
        "LeadSampleSize": "2",
        "WaveFormData": base64.encodebytes(samples.astype("<i2").tobytes()).decode(),
    } | fields
    return "<LeadData>" + "".join(f"<{tag}>{value}</{tag}>" for tag, value in text.items()) + "</LeadData>"


def muse_waveform(leads: str, kind: str | None = "Rhythm", base: str = "500", exponent: str = "0") -> str:
    type_element = "" if kind is None else f"<WaveformType>{kind}</WaveformType>"
    rate = f"<SampleBase>{base}</SampleBase><SampleExponent>{exponent}</SampleExponent>"
    return f"<Waveform>{type_element}{rate}{leads}</Waveform>"


def muse_leads(signal: np.ndarray, names: tuple[str, ...] = EIGHT_LEADS, **fields: str) -> str:
    return "".join(muse_lead(name, row, **fields) for name, row in zip(names, signal, strict=True))


def muse_xml(*waveforms: str, before: str = "", doctype: bool = True, encoding: str = "ISO-8859-1") -> bytes:
    declared = '<!DOCTYPE RestingECG SYSTEM "restecg.dtd">\n' if doctype else ""
    body = f"<RestingECG>{before}{''.join(waveforms)}</RestingECG>"
    return f'<?xml version="1.0" encoding="{encoding}"?>\n{declared}{body}'.encode(encoding)


def plain_muse(signal: np.ndarray | None = None) -> bytes:
    """A median beat and a rhythm waveform, as MUSE writes them."""
    signal = counts() if signal is None else signal
    return muse_xml(muse_waveform(muse_leads(signal[:, :10]), "Median"), muse_waveform(muse_leads(signal)))


def cardiosoft_xml(
    rows: dict[str, str],
    units: str = "uVperLsb",
    count: int | None = None,
    order: str | None = None,
    named: bool = True,
    before: str = "",
) -> bytes:
    order = ", ".join(rows) if order is None else order
    total = "" if count is None else f"<ChannelSampleCountTotal>{count}</ChannelSampleCountTotal>"
    leads = "".join(
        f'<WaveformData lead="{name}">{text}</WaveformData>' if named else f"<WaveformData>{text}</WaveformData>"
        for name, text in rows.items()
    )
    return (
        '<?xml version="1.0" encoding="ISO8859-1" ?>\n<CardiologyXML>'
        f"{before}<RestingECGMeasurements><MeasurementTable><LeadOrder>{order}</LeadOrder></MeasurementTable>"
        f'</RestingECGMeasurements><StripData><SampleRate units="Hz">500</SampleRate>{total}'
        f'<Resolution units="{units}">5</Resolution>{leads}</StripData></CardiologyXML>'
    ).encode("latin-1")


def comma_rows(signal: np.ndarray, names: tuple[str, ...] = TWELVE_LEADS) -> dict[str, str]:
    return {name: "\t\t\t" + ",".join(map(str, row)) for name, row in zip(names, signal, strict=True)}


def dicom_code(value: str, scheme: str, meaning: str = "") -> Sequence:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return Sequence([item])


def dicom_channel(source: Sequence, sensitivity: str = "2.5", unit: str = "uV", **fields: str) -> Dataset:
    channel = Dataset()
    channel.ChannelSourceSequence = source
    channel.ChannelSensitivity = sensitivity
    channel.ChannelSensitivityUnitsSequence = dicom_code(unit, "UCUM")
    channel.ChannelSensitivityCorrectionFactor = "1"
    channel.ChannelBaseline = "0"
    for name, value in fields.items():
        setattr(channel, name, value)
    return channel


def dicom_group(stored: np.ndarray, channels: list[Dataset], interpretation: str, **fields) -> Dataset:
    """A multiplex group of `stored` (samples, channels) in the byte order of its dtype."""
    group = Dataset()
    group.WaveformOriginality = "ORIGINAL"
    group.NumberOfWaveformSamples, group.NumberOfWaveformChannels = stored.shape
    group.SamplingFrequency = "500"
    group.ChannelDefinitionSequence = Sequence(channels)
    group.WaveformBitsAllocated = stored.dtype.itemsize * 8
    group.WaveformSampleInterpretation = interpretation
    group.add_new("WaveformData", "OB" if stored.dtype.itemsize == 1 else "OW", stored.tobytes())
    for name, value in fields.items():
        setattr(group, name, value)
    return group


def dicom_file(
    *groups: Dataset, annotations: tuple[Dataset, ...] = (), transfer_syntax: str = ExplicitVRLittleEndian
) -> bytes:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.9.1.1"
    meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=["twelvelead"])
    meta.TransferSyntaxUID = transfer_syntax
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID = meta.MediaStorageSOPClassUID
    dataset.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    dataset.PatientName = "Mustermann^Erika"
    if groups:
        dataset.WaveformSequence = Sequence(groups)
    if annotations:
        dataset.WaveformAnnotationSequence = Sequence(annotations)
    stream = io.BytesIO()
    pydicom.dcmwrite(stream, dataset, enforce_file_format=True)
    return stream.getvalue()


def mdc_channels() -> list[Dataset]:
    numbers = (1, 2, 61, 62, 63, 64, 3, 4, 5, 6, 7, 8)
    return [dicom_channel(dicom_code(f"2:{number}", "MDC")) for number in numbers]


def npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def wfdb_header(file_name: str, samples: int, leads: tuple[str, ...] = TWELVE_LEADS, comments: str = "") -> str:
    lines = [f"record {len(leads)} 500 {samples}"]
    lines += [f"{file_name} 16 1000(0)/mV 16 0 0 0 0 {lead}" for lead in leads]
    return "\n".join(lines) + "\n" + comments
