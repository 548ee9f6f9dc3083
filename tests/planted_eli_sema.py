"""One ECG as Mortara ELI and Schiller SEMA XML, with an identity in all that names a patient, staff, a place, a device.

The public readers know few of these fields; the others are such as an export of another version may have.
Without average beats: a test breaks the first number of each name, which is then one that is read.
"""

from pathlib import Path

from planted_identity import Identity
from planted_xml import signed
from twelvelead.demo.quantise import counts
from twelvelead.demo.simulate import Simulated
from unit.mortara_files import mortara_xml
from unit.schiller_files import EXAM, Elements, schiller_xml

MORTARA_PER_MV = 400
SCHILLER_UV = 5.0


def write_mortara_xml(path: Path, ecg: Simulated, statements: tuple[str, ...], who: Identity) -> None:
    content = mortara_xml(
        counts(ecg.signal_mv, 1000 / MORTARA_PER_MV),
        people=_mortara_people(who),
        statements=signed(statements, who),
        reason=who.note,
        declared={"UNITS_PER_MV": str(MORTARA_PER_MV), "SAMPLE_FREQ": f"{ecg.sampling_rate_hz:g}"},
        average_beat=False,
    )
    path.write_bytes(content)


def _mortara_people(who: Identity) -> dict[str, dict[str, str]]:
    return {
        "ECG": {"ROOM": who.room, "COMMENT": who.note, "TECHNICIAN": who.technician},
        "SUBJECT": {
            "LAST_NAME": who.family_name,
            "FIRST_NAME": who.given_name,
            "MIDDLE_NAME": who.second_name,
            "ID": who.patient_id,
            "SECOND_ID": who.second_id,
            "DOB": who.birth_dates["digits"],
            "DOB_XML": who.birth_dates["iso"],
            "GENDER": "Female",
            "RACE": who.race,
            "ADDRESS": f"{who.street}, {who.postal_code} {who.city}",
            "PHONE": who.phone,
            "COMMENT": who.note,
        },
        "SOURCE": {
            "MANUFACTURER": "Mortara Instrument, Inc.",
            "MODEL": "ELI250",
            "ACQUIRING_DEVICE_SERIAL_NUMBER": who.device_serial,
            "ACQUIRING_DEVICE_SITE_NAME": who.hospital,
            "INSTITUTION": who.hospital,
            "DEPARTMENT": who.department,
            "ROOM": who.room,
            "TECHNICIAN": who.technician,
        },
        "ORDER": {
            "ACCESSION": who.accession_number,
            "VISIT": who.visit,
            "PHYSICIAN": who.physician,
            "REF": who.referring_physician,
        },
    }


def write_schiller_xml(path: Path, ecg: Simulated, statements: tuple[str, ...], who: Identity) -> None:
    """The statements stand in textdata, which is not read: nothing tells whether machine or physician wrote it."""
    content = schiller_xml(
        counts(ecg.signal_mv, SCHILLER_UV),
        patient=_schiller_patient(who),
        exam=EXAM | _schiller_exam(who),
        textdata=tuple(("INTERPRETATION", line) for line in signed(statements, who)),
        declared={"unitperbit": f"{SCHILLER_UV:g}", "rate": f"{ecg.sampling_rate_hz:g}"},
        average_beats=False,
    )
    path.write_bytes(content)


def _schiller_patient(who: Identity) -> Elements:
    return {
        "id": who.patient_id,
        "patientid": who.patient_id,
        "secondid": who.second_id,
        "lastname": who.family_name,
        "firstname": who.given_name,
        "middlename": who.second_name,
        "birthdate": who.birth_dates["points"],
        "race": who.race,
        "street": who.street,
        "city": who.city,
        "zip": who.postal_code,
        "phone": who.phone,
        "email": who.mail,
    }


def _schiller_exam(who: Identity) -> Elements:
    return {
        "job_id": who.accession_number,
        "idu": {
            "aquiring_user": {"id": who.technician, "name": who.technician},
            "aquiring_department": {"id": who.room, "name": who.department},
            "aquiring_institute": {"id": who.hospital, "name": who.hospital},
            "referring_user": {"id": who.referring_physician, "name": who.referring_physician},
            "analyzing_user": {"id": who.physician, "name": who.physician},
        },
        "aquiringdevice": {
            "hardware": {"vendor": "Schiller AG", "type": who.device_serial, "model": "AT-102"},
            "software": {"version": "1.0"},
        },
        "hospital": who.hospital,
        "department": who.department,
        "room": who.room,
        "physician": who.physician,
        "referringphysician": who.referring_physician,
        "technician": who.technician,
        "accessionnumber": who.accession_number,
        "visit": who.visit,
        "remark": who.note,
    }
