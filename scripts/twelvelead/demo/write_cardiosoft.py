"""A GE CardioSoft export (CardiologyXML) of a simulated ECG: twelve leads, 5 uV per count, comma-separated counts."""

from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np

from twelvelead.demo.quantise import bazett_ms, counts, median_beat_mv
from twelvelead.demo.simulate import Simulated
from twelvelead.ecg import LEADS

UV_PER_COUNT = 5
_COUNTS_PER_LINE = 500


def write_cardiosoft(path: Path, simulated: Simulated, statements: tuple[str, ...]) -> None:
    """Writes `path`; a NaN sample is written as the text NaN.

    The encoding is named ISO8859-1, without the hyphen that the standard has, as CardioSoft itself does.
    """
    rate_hz = round(simulated.sampling_rate_hz)
    text = "\n".join(
        [
            '<?xml version="1.0" encoding="ISO8859-1" ?>',
            "<CardiologyXML>",
            "\t<ObservationType>RestECG</ObservationType>",
            "\t<ObservationDateTime>",
            "\t\t<Hour>0</Hour>\n\t\t<Minute>0</Minute>\n\t\t<Second>0</Second>",
            "\t\t<Day>1</Day>\n\t\t<Month>1</Month>\n\t\t<Year>2000</Year>",
            "\t</ObservationDateTime>",
            "\t<ClinicalInfo>\n\t\t<DeviceInfo>\n\t\t\t<Desc>CardioSoft</Desc>",
            "\t\t\t<SoftwareVer>V6.71</SoftwareVer>\n\t\t</DeviceInfo>\n\t</ClinicalInfo>",
            "\t<PatientInfo>\n\t\t<PID>DEMO</PID>\n\t</PatientInfo>",
            "\t<Interpretation>\n\t\t<Diagnosis>",
            *[f"\t\t\t<DiagnosisText>{escape(statement)}</DiagnosisText>" for statement in statements],
            "\t\t</Diagnosis>\n\t</Interpretation>",
            "\t<RestingECGMeasurements>",
            *_measurements(simulated),
            "\t\t<MedianSamples>",
            *_leads(median_beat_mv(simulated), rate_hz, indent="\t\t\t"),
            "\t\t</MedianSamples>\n\t</RestingECGMeasurements>",
            "\t<StripData>",
            *_leads(simulated.signal_mv, rate_hz, indent="\t\t"),
            "\t</StripData>",
            "</CardiologyXML>\n",
        ]
    )
    path.write_bytes(text.encode("iso-8859-1"))


def _measurements(simulated: Simulated) -> list[str]:
    pq_ms = "" if simulated.pr_interval_s is None else round(1000 * simulated.pr_interval_s)
    measured = [
        ("VentricularRate", "BPM", round(simulated.heart_rate_bpm)),
        ("PQInterval", "ms", pq_ms),
        ("QRSDuration", "ms", round(1000 * simulated.qrs_duration_s)),
        ("QTInterval", "ms", round(1000 * simulated.qt_interval_s)),
        ("QTCInterval", "ms", bazett_ms(simulated)),
        ("RRInterval", "ms", round(60000 / simulated.heart_rate_bpm)),
    ]
    lines = [f'\t\t<{name} units="{unit}">{value}</{name}>' for name, unit, value in measured]
    table = f"\t\t\t<LeadOrder>{', '.join(LEADS)}</LeadOrder>"
    return [*lines, '\t\t<MeasurementTable Creation="12SL">', table, "\t\t</MeasurementTable>"]


def _leads(signal_mv: np.ndarray, rate_hz: int, indent: str) -> list[str]:
    lines = [
        f"<NumberOfLeads>{len(LEADS)}</NumberOfLeads>",
        f'<SampleRate units="Hz">{rate_hz}</SampleRate>',
        f"<ChannelSampleCountTotal>{signal_mv.shape[1]}</ChannelSampleCountTotal>",
        f'<Resolution units="uVperLsb">{UV_PER_COUNT}</Resolution>',
    ]
    for lead, lead_mv in zip(LEADS, signal_mv, strict=True):
        lines.append(f'<WaveformData lead="{lead}">{indent}{_comma_text(lead_mv, indent)}</WaveformData>')
    return [indent + line for line in lines]


def _comma_text(lead_mv: np.ndarray, indent: str) -> str:
    absent = np.isnan(lead_mv)
    written = counts(np.where(absent, 0, lead_mv), UV_PER_COUNT).astype(str)
    written = np.where(absent, "NaN", written)
    starts = range(0, written.size, _COUNTS_PER_LINE)
    return f",\n{indent}".join(",".join(written[start : start + _COUNTS_PER_LINE]) for start in starts)
