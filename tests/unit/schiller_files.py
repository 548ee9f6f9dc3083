"""Schiller SEMA XML for tests, written after the public readers named in formats/schiller.py."""

from xml.sax.saxutils import escape

import numpy as np

from unit.vendor_files import TWELVE_LEADS

ROOT = "com.xiriuz.sema.xml.schillerEDI.SchillerEDI"
PATIENT = {
    "id": "PAT-4711",
    "lastname": "MUSTERMANN",
    "firstname": "ERIKA",
    "birthdate": "19470312",
    "gender": "FEMALE",
    "address": "Hauptweg 9",
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
    patient: dict[str, str] = PATIENT,
    encoding: str = "UTF-8",
    declared: dict[str, str | None] | None = None,
    rows: dict[str, str] | None = None,
    before_waves: str = "",
) -> bytes:
    """A whole export of (leads, samples) whole numbers: 5 uV each, 500 a second.

    declared  what differs from USUAL, or samplecount; None leaves one out
    rows      the text of a lead's data where it is not the plain list of its samples
    """
    declared = declared or {}
    texts = {
        name: (rows or {}).get(name, ",".join(map(str, row.tolist())))
        for name, row in zip(names, signal_counts, strict=True)
    }
    count = declared.get("samplecount", str(signal_counts.shape[1]))
    rhythm = wavedata(texts, USUAL | declared, count)
    # Average beats with another scale and rate, so that a mix-up would show.
    averages = wavedata(dict.fromkeys(names, "7,8"), USUAL | {"type": "ECG_AVERAGES", "rate": "1000"}, "2")
    patient_elements = "".join(_element(tag, escape(text)) for tag, text in patient.items())
    return (
        f'<?xml version="1.0" encoding="{encoding}"?>\n<{ROOT}>\n<patdata>{patient_elements}'
        "<weight><value>70</value><unit>kg</unit></weight></patdata>\n"
        "<examdescript><startdatetime><date>20231201</date><time>120000</time></startdatetime><rectype>REST</rectype>"
        "<job_id>J-1</job_id><idu><aquiring_user><id>u1</id><name>Schwester Walburga</name></aquiring_user>"
        "<aquiring_institute><id>i1</id><name>Sankt-Florian Klinik</name></aquiring_institute></idu>"
        "<aquiringdevice><hardware><vendor>SCHILLER AG</vendor><type>SN-99812</type><model>AT-102</model></hardware>"
        "<software><vendor>SCHILLER AG</vendor><model>SEMA</model><version>3.5</version></software></aquiringdevice>"
        "</examdescript>\n<eventdata><event><offset>0</offset><reason>AUTO</reason>"
        f"<step>1</step>{before_waves}{averages}{rhythm}<annotation_global><name>HR</name><value>72</value>"
        "</annotation_global><textdata><type>COMMENT</type><textdata>Frau Mustermann klagt</textdata></textdata>"
        f"</event></eventdata>\n</{ROOT}>\n"
    ).encode(encoding)


def wavedata(texts: dict[str, str], fields: dict[str, str | None], samplecount: str | None) -> str:
    rate = _element("samplerate", _element("exponent", fields["exponent"]) + _element("value", fields["rate"]))
    scale = _element("yres", _element("unitperbit", fields["unitperbit"]) + _element("units", fields["units"]))
    channels = "".join(
        _element(
            "channel",
            _element("name", name)
            + _element("samplecount", samplecount)
            + _element("datastype", fields["datastype"])
            + _element("data", text),
        )
        for name, text in texts.items()
    )
    return _element("wavedata", _element("type", fields["type"]) + _element("resolution", rate + scale) + channels)


def _element(tag: str, content: str | None) -> str:
    return "" if content is None else f"<{tag}>{content}</{tag}>"
