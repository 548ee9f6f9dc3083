"""EDF and EDF+ files made for tests from the standard."""

from dataclasses import dataclass

import numpy as np

PATIENT = "MRN-4711 F 02-MAY-1951 Erika_Mustermann"
RECORDING = "Startdate 02-MAR-2002 PSG-1234 Dr_Brinkmann Holter-Serial99"


@dataclass(frozen=True)
class Signal:
    """A signal to write: (records, samples per record) numbers and its header fields."""

    label: str
    samples: np.ndarray
    dimension: str = "uV"
    physical: tuple[str, str] = ("-3276.8", "3276.7")
    digital: tuple[str, str] = ("-32768", "32767")


def edf(signals: list[Signal], seconds: str = "1", kind: str = "", count: str | None = None, **header: str) -> bytes:
    """An EDF file; `header` replaces fields of the fixed part by name."""
    record_count = len(signals[0].samples)
    fields = {
        "version": ("0", 8),
        "patient": (PATIENT, 80),
        "recording": (RECORDING, 80),
        "date": ("02.03.02", 8),
        "time": ("10.11.12", 8),
        "header_bytes": (str(256 * (len(signals) + 1)), 8),
        "reserved": (kind, 44),
        "records": (str(record_count) if count is None else count, 8),
        "seconds": (seconds, 8),
        "signal_count": (str(len(signals)), 4),
    }
    fixed = b"".join(header.get(name, text).encode("latin-1").ljust(size) for name, (text, size) in fields.items())
    columns = [
        ([signal.label for signal in signals], 16),
        (["AgAgCl electrode"] * len(signals), 80),
        ([signal.dimension for signal in signals], 8),
        *(([signal.physical[end] for signal in signals], 8) for end in (0, 1)),
        *(([signal.digital[end] for signal in signals], 8) for end in (0, 1)),
        (["HP:0.05Hz LP:150Hz"] * len(signals), 80),
        ([str(signal.samples.shape[1]) for signal in signals], 8),
        ([""] * len(signals), 32),
    ]
    described = b"".join(text.encode("latin-1").ljust(width) for texts, width in columns for text in texts)
    records = b"".join(
        signal.samples[record].astype("<i2").tobytes() for record in range(record_count) for signal in signals
    )
    return fixed + described + records


def annotations(texts: list[bytes], samples: int = 40) -> Signal:
    """The signal of an EDF+ file that holds text, one for each record."""
    stored = [np.frombuffer(text.ljust(2 * samples, b"\0"), "<i2") for text in texts]
    return Signal("EDF Annotations", np.array(stored), "", ("-1", "1"))


def starts(*times: str) -> Signal:
    return annotations([f"+{time}\x14\x14\0+{time}\x14Mustermann moved\x14\0".encode() for time in times])
