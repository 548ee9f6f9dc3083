"""A DICOM 12-lead ECG Waveform object of a simulated ECG: 2.5 uV per count, statements as annotations."""

import hashlib
import uuid
from pathlib import Path

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, TwelveLeadECGWaveformStorage

from twelvelead.demo.quantise import counts
from twelvelead.demo.simulate import Simulated
from twelvelead.ecg import LEADS

UV_PER_COUNT = 2.5

# DICOM PS3.16, context group 3001 "ECG Lead": ISO/IEEE 11073 codes, scheme MDC.
_MDC_CODE = dict(
    zip(
        LEADS,
        ("2:1", "2:2", "2:61", "2:62", "2:63", "2:64", "2:3", "2:4", "2:5", "2:6", "2:7", "2:8"),
        strict=True,
    )
)


def write_dicom(path: Path, simulated: Simulated, statements: tuple[str, ...]) -> None:
    """Writes `path`. Its UIDs come from the samples and its dates are fixed: the same ECG gives the same bytes."""
    waveform = _waveform(simulated)
    unique = hashlib.sha256(waveform.WaveformData).hexdigest()
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 100"
    dataset.SOPClassUID = TwelveLeadECGWaveformStorage
    dataset.SOPInstanceUID = _uid(unique, "instance")
    dataset.StudyInstanceUID = _uid(unique, "study")
    dataset.SeriesInstanceUID = _uid(unique, "series")
    dataset.StudyDate = dataset.ContentDate = "20000101"
    dataset.StudyTime = dataset.ContentTime = "000000"
    dataset.AcquisitionDateTime = "20000101000000"
    dataset.Modality = "ECG"
    dataset.Manufacturer = "twelvelead simulator"
    dataset.PatientName = dataset.PatientID = "DEMO"
    dataset.PatientBirthDate = dataset.PatientSex = ""
    dataset.SeriesNumber = dataset.InstanceNumber = 1
    dataset.AcquisitionContextSequence = Sequence()
    dataset.WaveformSequence = Sequence([waveform])
    dataset.WaveformAnnotationSequence = Sequence([_annotation(statement) for statement in statements])
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.save_as(path, enforce_file_format=True)


def _uid(unique: str, level: str) -> str:
    return f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, f'{unique} {level}').int}"


def _waveform(simulated: Simulated) -> Dataset:
    samples = counts(simulated.signal_mv, UV_PER_COUNT)
    waveform = Dataset()
    waveform.MultiplexGroupTimeOffset = "0"
    waveform.WaveformOriginality = "ORIGINAL"
    waveform.NumberOfWaveformChannels = samples.shape[0]
    waveform.NumberOfWaveformSamples = samples.shape[1]
    waveform.SamplingFrequency = f"{simulated.sampling_rate_hz:g}"
    waveform.MultiplexGroupLabel = "RHYTHM"
    waveform.ChannelDefinitionSequence = Sequence([_channel(lead) for lead in LEADS])
    waveform.WaveformBitsAllocated = 16
    waveform.WaveformSampleInterpretation = "SS"
    waveform.WaveformData = samples.T.tobytes()
    return waveform


def _channel(lead: str) -> Dataset:
    channel = Dataset()
    channel.ChannelSourceSequence = Sequence([_code(_MDC_CODE[lead], "MDC", f"Lead {lead}")])
    channel.ChannelSensitivity = f"{UV_PER_COUNT:g}"
    channel.ChannelSensitivityUnitsSequence = Sequence([_code("uV", "UCUM", "microvolt")])
    channel.ChannelSensitivityCorrectionFactor = "1"
    channel.ChannelBaseline = "0"
    channel.ChannelSampleSkew = "0"
    channel.WaveformBitsStored = 16
    channel.FilterLowFrequency = "0.05"
    channel.FilterHighFrequency = "150"
    return channel


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    code = Dataset()
    code.CodeValue = value
    code.CodingSchemeDesignator = scheme
    code.CodeMeaning = meaning
    return code


def _annotation(statement: str) -> Dataset:
    annotation = Dataset()
    annotation.ReferencedWaveformChannels = [1, 0]  # group 1, all of its channels
    annotation.AnnotationGroupNumber = 0
    annotation.UnformattedTextValue = statement
    return annotation
