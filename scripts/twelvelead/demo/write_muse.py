"""A GE MUSE export (RestingECG XML) of a simulated ECG: eight leads, 4.88 uV per count, base64 of 16-bit counts."""

import base64
import zlib
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np

from twelvelead.demo.heart import RECORDED_LEADS
from twelvelead.demo.quantise import bazett_ms, counts, median_beat_mv
from twelvelead.demo.simulate import Simulated
from twelvelead.ecg import LEADS

UV_PER_COUNT = 4.88


def write_muse(path: Path, simulated: Simulated, statements: tuple[str, ...]) -> None:
    """Writes `path` in ISO-8859-1 with a median and a rhythm waveform, in the order real exports have them."""
    text = "\n".join(
        [
            '<?xml version="1.0" encoding="ISO-8859-1"?>',
            '<!DOCTYPE RestingECG SYSTEM "restecg.dtd">',
            "<RestingECG>",
            "   <MuseInfo>\n      <MuseVersion>9.0.9.18167</MuseVersion>\n   </MuseInfo>",
            "   <PatientDemographics>\n      <PatientID>DEMO</PatientID>\n   </PatientDemographics>",
            "   <TestDemographics>\n      <DataType>RESTING</DataType>\n"
            "      <AcquisitionTime>00:00:00</AcquisitionTime>\n"
            "      <AcquisitionDate>01-01-2000</AcquisitionDate>\n   </TestDemographics>",
            _measurements(simulated),
            _diagnosis("Diagnosis", statements),
            _diagnosis("OriginalDiagnosis", statements),
            _waveform("Median", median_beat_mv(simulated), simulated.sampling_rate_hz),
            _waveform("Rhythm", simulated.signal_mv, simulated.sampling_rate_hz),
            "</RestingECG>\n",
        ]
    )
    path.write_bytes(text.encode("iso-8859-1"))


def _measurements(simulated: Simulated) -> str:
    measured = {
        "VentricularRate": round(simulated.heart_rate_bpm),
        "PRInterval": None if simulated.pr_interval_s is None else round(1000 * simulated.pr_interval_s),
        "QRSDuration": round(1000 * simulated.qrs_duration_s),
        "QTInterval": round(1000 * simulated.qt_interval_s),
        "QTCorrected": bazett_ms(simulated),
        "QRSCount": simulated.r_peaks_s.size,
        "ECGSampleBase": round(simulated.sampling_rate_hz),
        "ECGSampleExponent": 0,
    }
    lines = [f"      <{name}>{value}</{name}>" for name, value in measured.items() if value is not None]
    return "\n".join(["   <RestingECGMeasurements>", *lines, "   </RestingECGMeasurements>"])


def _diagnosis(element: str, statements: tuple[str, ...]) -> str:
    lines = [f"   <{element}>", "      <Modality>RESTING</Modality>"]
    for statement in statements:
        lines += [
            "      <DiagnosisStatement>",
            "         <StmtFlag>ENDSLINE</StmtFlag>",
            f"         <StmtText>{escape(statement)}</StmtText>",
            "      </DiagnosisStatement>",
        ]
    return "\n".join([*lines, f"   </{element}>"])


def _waveform(kind: str, signal_mv: np.ndarray, sampling_rate_hz: float) -> str:
    lines = [
        "   <Waveform>",
        f"      <WaveformType>{kind}</WaveformType>",
        "      <WaveformStartTime>0</WaveformStartTime>",
        f"      <NumberofLeads>{len(RECORDED_LEADS)}</NumberofLeads>",
        "      <SampleType>CONTINUOUS_SAMPLES</SampleType>",
        f"      <SampleBase>{round(sampling_rate_hz)}</SampleBase>",
        "      <SampleExponent>0</SampleExponent>",
        "      <HighPassFilter>5</HighPassFilter>",
        "      <LowPassFilter>150</LowPassFilter>",
        "      <ACFilter>NONE</ACFilter>",
    ]
    lines += [_lead(lead, counts(signal_mv[LEADS.index(lead)], UV_PER_COUNT)) for lead in RECORDED_LEADS]
    return "\n".join([*lines, "   </Waveform>"])


def _lead(lead: str, lead_counts: np.ndarray) -> str:
    raw = lead_counts.tobytes()
    # The checksum of real exports is the CRC-32 of zlib over the bytes before base64.
    described = {
        "LeadByteCountTotal": len(raw),
        "LeadTimeOffset": 0,
        "LeadSampleCountTotal": lead_counts.size,
        "LeadAmplitudeUnitsPerBit": UV_PER_COUNT,
        "LeadAmplitudeUnits": "MICROVOLTS",
        "LeadHighLimit": 32767,
        "LeadLowLimit": -32768,
        "LeadID": lead,
        "LeadOffsetFirstSample": 0,
        "FirstSampleBaseline": 0,
        "LeadSampleSize": 2,
        "LeadOff": "FALSE",
        "BaselineSway": "FALSE",
        "LeadDataCRC32": zlib.crc32(raw),
    }
    lines = [f"         <{name}>{value}</{name}>" for name, value in described.items()]
    encoded = base64.encodebytes(raw).decode("ascii")
    return "\n".join(
        ["      <LeadData>", *lines, f"         <WaveFormData>\n{encoded}</WaveFormData>", "      </LeadData>"]
    )
