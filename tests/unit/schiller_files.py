"""Schiller SEMA XML for tests, written after the public readers named in formats/schiller.py."""

from xml.sax.saxutils import escape

import numpy as np

from unit.vendor_files import TWELVE_LEADS

ROOT = "com.xiriuz.sema.xml.schillerEDI.SchillerEDI"
Elements = dict[str, "str | Elements | None"]  # content by tag; None leaves an element out

PATIENT: Elements = {
    "id": "PAT-4711",
    "lastname": "MUSTERMANN",
    "firstname": "ERIKA",
    "birthdate": "19470312",
    "gender": "FEMALE",
    "address": "Hauptweg 9",
    "weight": {"value": "70", "unit": "kg"},
}
EXAM: Elements = {
    "startdatetime": {"date": "20231201", "time": "120000"},
    "rectype": "REST",
    "job_id": "J-1",
    "idu": {
        "aquiring_user": {"id": "u1", "name": "Schwester Walburga"},
        "aquiring_institute": {"id": "i1", "name": "Sankt-Florian Klinik"},
    },
    "aquiringdevice": {
        "hardware": {"vendor": "SCHILLER AG", "type": "SN-99812", "model": "AT-102"},
        "software": {"vendor": "SCHILLER AG", "model": "SEMA", "version": "3.5"},
    },
}
USUAL = {
    "units": "uV",
    "unitperbit": "5",
    "rate": "500",
    "exponent": "1",
    "datastype": "COMMASEPARATE",
    "type": "ECG_RHYTHMS",
}


def schiller_xml(
    signal_counts: np.ndarray,
    names: tuple[str, ...] = TWELVE_LEADS,
    patient: Elements = PATIENT,
    exam: Elements = EXAM,
    textdata: tuple[tuple[str, str], ...] = (("COMMENT", "Frau Mustermann klagt"),),
    encoding: str = "UTF-8",
    declared: dict[str, str | None] | None = None,
    rows: dict[str, str] | None = None,
    before_waves: str = "",
    average_beats: bool = True,
) -> bytes:
    """A whole export of (leads, samples) whole numbers: 5 uV each, 500 a second.

    textdata  type and text of each
    declared  what differs from USUAL, or samplecount; None leaves one out
    rows      the text of a lead's data where it is not the plain list of its samples
    """
    declared = declared or {}
    texts = {
        name: (rows or {}).get(name, ",".join(map(str, row.tolist())))
        for name, row in zip(names, signal_counts, strict=True)
    }
    waves = wavedata(texts, USUAL | declared, declared.get("samplecount", str(signal_counts.shape[1])))
    if average_beats:
        # With another scale and rate, so that a mix-up would show.
        averages = USUAL | {"type": "ECG_AVERAGES", "rate": "1000"}
        waves = wavedata(dict.fromkeys(names, "7,8"), averages, "2") + waves
    text_elements = "".join(_xml({"textdata": {"type": kind, "textdata": text}}) for kind, text in textdata)
    return (
        f'<?xml version="1.0" encoding="{encoding}"?>\n<{ROOT}>\n'
        f"{_xml({'patdata': patient, 'examdescript': exam})}\n"
        f"<eventdata><event><offset>0</offset><reason>AUTO</reason><step>1</step>{before_waves}{waves}"
        f"<annotation_global><name>HR</name><value>72</value></annotation_global>{text_elements}"
        f"</event></eventdata>\n</{ROOT}>\n"
    ).encode(encoding)


def wavedata(texts: dict[str, str], fields: dict[str, str | None], samplecount: str | None) -> str:
    resolution = {
        "samplerate": {"exponent": fields["exponent"], "value": fields["rate"]},
        "yres": {"unitperbit": fields["unitperbit"], "units": fields["units"]},
    }
    channels = "".join(
        _xml({"channel": {"name": name, "samplecount": samplecount, "datastype": fields["datastype"], "data": text}})
        for name, text in texts.items()
    )
    return f"<wavedata>{_xml({'type': fields['type'], 'resolution': resolution})}{channels}</wavedata>"


def _xml(content: str | Elements) -> str:
    if isinstance(content, str):
        return escape(content)
    return "".join(f"<{tag}>{_xml(inside)}</{tag}>" for tag, inside in content.items() if inside is not None)
