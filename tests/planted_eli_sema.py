"""One ECG as Mortara ELI and Schiller SEMA XML, as public readers of them have it, with a planted identity."""

import base64
from pathlib import Path
from xml.sax.saxutils import quoteattr

from planted_identity import Identity
from planted_xml import element, elements, signed
from twelvelead.demo.quantise import counts
from twelvelead.demo.simulate import Simulated
from twelvelead.ecg import LEADS

MORTARA_PER_MV = 400
SCHILLER_UV = 5.0
_SEMA_ROOT = "com.xiriuz.sema.xml.schillerEDI.SchillerEDI"


def _empty(name: str, **attributes: object) -> str:
    return f"<{name}{''.join(f' {key}={quoteattr(str(text))}' for key, text in attributes.items())}/>"


def write_mortara_xml(path: Path, ecg: Simulated, statements: tuple[str, ...], who: Identity) -> None:
    stored = counts(ecg.signal_mv, 1000 / MORTARA_PER_MV)
    channels = [
        _empty(
            "CHANNEL",
            NAME=lead,
            UNITS_PER_MV=MORTARA_PER_MV,
            DURATION=row.size,
            SAMPLE_FREQ=round(ecg.sampling_rate_hz),
            BITS=16,
            FORMAT="SIGNED",
            ENCODING="BASE64",
            OFFSET=0,
            DATA=base64.b64encode(row.tobytes()).decode(),
        )
        for lead, row in zip(LEADS, stored, strict=True)
    ]
    lines = "".join(_empty("STATEMENT", TEXT=text, REASON=who.note) for text in signed(statements, who))
    content = [_mortara_people(who), element("AUTOMATIC_INTERPRETATION", lines), *channels]
    path.write_text(f'<?xml version="1.0" encoding="UTF-8"?>\n{element("ECG", *content)}', "utf-8")


def _mortara_people(who: Identity) -> str:
    subject = _empty(
        "SUBJECT",
        LAST_NAME=who.family_name,
        FIRST_NAME=who.given_name,
        MIDDLE_NAME=who.second_name,
        ID=who.patient_id,
        SECOND_ID=who.second_id,
        DOB=who.birth_dates["digits"],
        GENDER="FEMALE",
        RACE=who.race,
        ADDRESS=f"{who.street}, {who.postal_code} {who.city}",
        PHONE=who.phone,
        COMMENT=who.note,
    )
    source = _empty(
        "SOURCE",
        MANUFACTURER="Mortara Instrument, Inc.",
        MODEL="ELI250",
        ACQUIRING_DEVICE_SERIAL_NUMBER=who.device_serial,
        INSTITUTION=who.hospital,
        DEPARTMENT=who.department,
        ROOM=who.room,
        TECHNICIAN=who.technician,
    )
    order = _empty(
        "ORDER", ACCESSION=who.accession_number, VISIT=who.visit, PHYSICIAN=who.physician, REF=who.referring_physician
    )
    return subject + source + order


def write_schiller_xml(path: Path, ecg: Simulated, statements: tuple[str, ...], who: Identity) -> None:
    """The statements stand in textdata, which is not read: nothing tells whether machine or physician wrote it."""
    channels = [
        element(
            "channel",
            elements(name=lead, datastype="COMMASEPARATE", samplecount=str(row.size), data=",".join(map(str, row))),
        )
        for lead, row in zip(LEADS, counts(ecg.signal_mv, SCHILLER_UV), strict=True)
    ]
    rate = element("samplerate", elements(value=str(round(ecg.sampling_rate_hz)), units="Hz", exponent="1"))
    scale = element("yres", elements(unitperbit=f"{SCHILLER_UV:g}", units="UV"))
    wave = element("wavedata", elements(type="ECG_RHYTHMS"), element("resolution", rate + scale), *channels)
    text = "".join(element("textdata", elements(type="INTERPRETATION", text=line)) for line in signed(statements, who))
    event = element("eventdata", element("event", text + wave))
    path.write_text(
        f'<?xml version="1.0" encoding="UTF-8"?>\n{element(_SEMA_ROOT, _schiller_people(who), event)}', "utf-8"
    )


def _schiller_people(who: Identity) -> str:
    patient = elements(
        lastname=who.family_name,
        firstname=who.given_name,
        middlename=who.second_name,
        patientid=who.patient_id,
        secondid=who.second_id,
        birthdate=who.birth_dates["points"],
        race=who.race,
        street=who.street,
        city=who.city,
        zip=who.postal_code,
        phone=who.phone,
        email=who.mail,
    )
    hardware = element("hardware", elements(vendor="Schiller AG", model="AT-102", serial=who.device_serial))
    exam = element(
        "examdescript",
        element("aquiringdevice", hardware, element("software", elements(version="1.0"))),
        elements(
            hospital=who.hospital,
            department=who.department,
            room=who.room,
            physician=who.physician,
            referringphysician=who.referring_physician,
            technician=who.technician,
            accessionnumber=who.accession_number,
            visit=who.visit,
            remark=who.note,
        ),
    )
    return element("patdata", patient) + exam
