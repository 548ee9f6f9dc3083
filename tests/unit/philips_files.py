"""Philips XML made for tests, from the XML schemas of 1.03 and 1.04 and the notes on XLI in philips_xli.py."""

import base64
import struct

import numpy as np

from unit.vendor_files import TWELVE_LEADS

END_CODE = 1023
NAMESPACE = 'xmlns="http://www3.medical.philips.com"'
PAGEWRITER = '<machine machineid="SN1" detaildescription="Philips Medical Products:860315:A.07">PageWriter TC</machine>'


def half(whole: np.ndarray) -> np.ndarray:
    """Division by 2 as C has it."""
    return np.sign(whole) * (np.abs(whole) // 2)


def lzw_packed(octets: bytes) -> bytes:
    """LZW with codes of 10 bits, which stops learning when code 1022 is taken, and the end code."""
    codes_of = {bytes((value,)): value for value in range(256)}
    codes, string = [], b""
    for value in octets:
        longer = string + bytes((value,))
        if longer in codes_of:
            string = longer
            continue
        codes.append(codes_of[string])
        if len(codes_of) < END_CODE:
            codes_of[longer] = len(codes_of)
        string = longer[-1:]
    return packed_codes([*codes, codes_of[string], END_CODE])


def packed_codes(codes: list[int]) -> bytes:
    bits = "".join(f"{code:010b}" for code in codes)
    return bytes(int(bits[start : start + 8].ljust(8, "0"), 2) for start in range(0, len(bits), 8))


def chunk(packed: bytes, first_difference: int = 0, size: int | None = None, code: int = 1) -> bytes:
    return struct.pack("<iHh", len(packed) if size is None else size, code, first_difference) + packed


def xli_chunk(samples: np.ndarray) -> bytes:
    whole = samples.astype(np.int64)
    differences = 2 * whole[1:-1] - whole[:-2] - whole[2:]
    values = np.concatenate((whole[:2], differences[1:] + 64, [64]))[: len(whole)].astype(np.int16)
    octets = (values.view(np.uint16) >> 8).astype(np.uint8).tobytes() + values.astype(np.uint8).tobytes()
    first = differences[:1].astype(np.int16)
    return chunk(lzw_packed(octets), int(first[0]) if first.size else 0)


def differences_of_limb_leads(signal: np.ndarray) -> np.ndarray:
    """(12, samples) as XLI stores them: leads 3 to 6 as what they differ by from their value from I and II."""
    stored = signal.astype(np.int64)
    i, ii, iii, avr, avl, avf = stored[:6].copy()
    stored[2:6] = ii - i - iii, -half(i + ii) - avr, half(i - iii) - avl, half(ii + iii) - avf
    return stored.astype(np.int16)


def xli(signal: np.ndarray) -> bytes:
    rows = differences_of_limb_leads(signal) if len(signal) >= 12 else signal
    return b"".join(xli_chunk(row) for row in rows)


def encoded(stored: bytes) -> str:
    return base64.encodebytes(stored).decode()


def philips_xml(
    text: str,
    attributes: dict[str, object],
    version: str = "1.04.01",
    document_type: str = "PhilipsECG",
    characteristics: str = "",
    interpretations: str = "",
    patient: str = "",
    machine: str = PAGEWRITER,
    encoding: str = "utf-8",
) -> bytes:
    shown = "".join(f' {name}="{value}"' for name, value in attributes.items() if value is not None)
    return (
        f'<?xml version="1.0" encoding="{encoding}"?>\n<restingecgdata {NAMESPACE} status="New" lang="en">'
        f"<documentinfo><documentname>x.xml</documentname><documenttype>{document_type}</documenttype>"
        f"<documentversion>{version}</documentversion></documentinfo>"
        f"<dataacquisition>{machine}<signalcharacteristics>{characteristics}</signalcharacteristics></dataacquisition>"
        f"{patient}<interpretations>{interpretations}</interpretations>"
        f"<waveforms><parsedwaveforms{shown}>{text}</parsedwaveforms>"
        '<repbeats dataencoding="Base64"><repbeat leadname="I">AAAA</repbeat></repbeats></waveforms></restingecgdata>'
    ).encode(encoding)


def attributes_104(n_samples: int, leads: tuple[str, ...] = TWELVE_LEADS, **changes: object) -> dict[str, object]:
    return {
        "dataencoding": "Base64",
        "compression": "XLI",
        "numberofleads": len(leads),
        "leadlabels": " ".join(leads),
        "durationperchannel": 2 * n_samples,
        "samplespersecond": 500,
        "resolution": 5,
        "signalsigned": "True",
        "bitspersample": 16,
    } | changes


def made_104(signal: np.ndarray, leads: tuple[str, ...] = TWELVE_LEADS, **changes: object) -> bytes:
    return philips_xml(encoded(xli(signal)), attributes_104(signal.shape[1], leads, **changes))


def made_103(signal: np.ndarray, acquisition: str = "STD-12", **fields: str) -> bytes:
    elements = {"samplingrate": "500", "signalresolution": "5", "acquisitiontype": acquisition, "leadset": acquisition}
    elements |= fields
    return philips_xml(
        encoded(xli(signal)),
        {
            "compressflag": "True",
            "compressmethod": "XLI",
            "dataencoding": "Base64",
            "durationperchannel": 2 * signal.shape[1],
            "nbitspersample": "16",
        },
        version="1.03",
        document_type="SierraECG",
        characteristics="".join(f"<{tag}>{value}</{tag}>" for tag, value in elements.items()),
        machine='<machine machineid="0001" detaildescription="">HeartstartMRx</machine>',
    )
