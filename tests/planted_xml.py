"""One ECG in every XML format, with an identity in all elements that name a patient, staff, a place or a device."""

import base64
from pathlib import Path

import numpy as np

from planted_identity import Identity
from twelvelead.demo.quantise import counts
from twelvelead.demo.simulate import Simulated
from twelvelead.demo.write_cardiosoft import write_cardiosoft
from twelvelead.demo.write_muse import write_muse
from unit import aecg_files, philips_files
from unit.vendor_files import TWELVE_LEADS

PHILIPS_UV, AECG_UV = 5.0, 2.5


def element(name: str, *content: str) -> str:
    return f"<{name}>{''.join(content)}</{name}>"


def elements(**texts: str) -> str:
    return "".join(element(name, text) for name, text in texts.items())


def signed(statements: tuple[str, ...], who: Identity) -> tuple[str, ...]:
    """The statements and the line with a name that devices put behind them."""
    return (*statements, f"Confirmed by {who.physician}, {who.given_name} on {who.birth_dates['slashes']}")


def write_muse_xml(path: Path, ecg: Simulated, statements: tuple[str, ...], who: Identity) -> None:
    write_muse(path, ecg, signed(statements, who))
    text = path.read_text("latin-1")
    start, end = text.index("<PatientDemographics>"), text.index("<TestDemographics>")
    text = text[:start] + _muse_patient(who) + _muse_order(who) + text[end:]
    text = text.replace("</TestDemographics>", _muse_test(who) + "</TestDemographics>")
    path.write_text(text, "latin-1")


def write_muse_xml_utf16(path: Path, ecg: Simulated, statements: tuple[str, ...], who: Identity) -> None:
    write_muse_xml(path, ecg, statements, who)
    text = path.read_text("latin-1").replace('encoding="ISO-8859-1"', 'encoding="UTF-16"')
    path.write_bytes(text.encode("utf-16"))


def _muse_patient(who: Identity) -> str:
    patient = elements(
        PatientID=who.patient_id,
        PatientAltID=who.second_id,
        DateofBirth=who.birth_dates["muse"],
        Gender="FEMALE",
        Race=who.race,
        PatientLastName=who.family_name,
        PatientFirstName=who.given_name,
        PatientMiddleName=who.second_name,
        AddressLine1=who.street,
        City=who.city,
        ZipCode=who.postal_code,
        PhoneNumber=who.phone,
        SSN=who.insurance_id,
    )
    return element("PatientDemographics", patient)


def _muse_order(who: Identity) -> str:
    order = elements(
        HISAccountNumber=who.visit,
        HISOrderNumber=who.accession_number,
        AdmittingMDLastName=who.referring_physician,
        OrderingMDLastName=who.physician,
        ReasonForTest=who.note,
        Location=who.department,
        Room=who.room,
    )
    return element("Order", order)


def _muse_test(who: Identity) -> str:
    return elements(
        LocationName=who.department,
        RoomID=who.room,
        SiteName=who.hospital,
        AcquisitionDevice="MAC55",
        AcquisitionDeviceSerial=who.device_serial,
        AcquisitionTechLastName=who.technician,
        EditorLastName=who.physician,
        OverreaderLastName=who.physician,
        OverreaderFirstName=who.given_name,
        ReferringMDLastName=who.referring_physician,
        AccountNumber=who.visit,
        SecondaryID=who.second_id,
        TestReason=who.note,
    )


def write_cardiosoft_xml(path: Path, ecg: Simulated, statements: tuple[str, ...], who: Identity) -> None:
    write_cardiosoft(path, ecg, signed(statements, who))
    text = path.read_text("latin-1")
    start, end = text.index("<PatientInfo>"), text.index("<Interpretation>")
    born = element("BirthDateTime", elements(Day="23", Month="7", Year="1931", Text=who.birth_dates["points"]))
    name = elements(GivenName=who.given_name, MiddleName=who.second_name, FamilyName=who.family_name)
    patient = elements(PID=who.patient_id, AlternatePID=who.second_id, Race=who.race, Comment=who.note)
    address = elements(Street=who.street, City=who.city, PostalCode=who.postal_code, Telephone=who.phone)
    visit = elements(VisitNumber=who.visit, Room=who.room, Ward=who.department, OrderNumber=who.accession_number)
    text = text[:start] + element("PatientInfo", patient, name, born, address, visit) + text[end:]
    staff = elements(
        DeviceSN=who.device_serial,
        Institution=who.hospital,
        TechnicianName=who.technician,
        AttendingMD=who.physician,
        ReferringMD=who.referring_physician,
    )
    path.write_text(text.replace("</ClinicalInfo>", staff + "</ClinicalInfo>"), "latin-1")


def _philips(path: Path, statements: tuple[str, ...], who: Identity, content: bytes) -> None:
    """Version 1.04 has the patient beside the acquisition, and names of staff in several blocks."""
    name = elements(lastname=who.family_name, firstname=who.given_name, middlename=who.second_name)
    general = elements(patientid=who.patient_id, MRN=who.second_id, uniquepatientid=who.insurance_id) + element(
        "name", name
    )
    age = element("age", elements(dateofbirth=who.birth_dates["iso"], years="93"))
    address = elements(address1=who.street, city=who.city, postalcode=who.postal_code, phone=who.phone)
    patient = element("patient", element("generalpatientdata", general, age, address, elements(race=who.race)))
    order = elements(orderingclinicianname=who.physician, ordernumber=who.accession_number, visitid=who.visit)
    acquirer = elements(
        operatorid=who.technician,
        departmentname=who.department,
        institutionname=who.hospital,
        room=who.room,
        referringclinician=who.referring_physician,
    )
    lines = "".join(element("statement", elements(leftstatement=text, rightstatement="")) for text in statements)
    signature = elements(mdsignatureline=f"Confirmed by: {who.physician}", comment=who.note)
    last = element("statement", elements(leftstatement="Confirmed by", rightstatement=who.physician))
    text = content.decode("utf-8")
    text = text.replace("<interpretations></interpretations>", element("interpretations", "<interpretation>"))
    text = text.replace("<interpretation></interpretations>", "<interpretation></interpretation></interpretations>")
    text = text.replace("</interpretation>", f"{signature}{lines}{last}</interpretation>")
    text = text.replace("</dataacquisition>", element("acquirer", acquirer) + "</dataacquisition>" + patient)
    text = text.replace("<dataacquisition>", element("orderinfo", order) + "<dataacquisition>")
    text = text.replace('machineid="SN1"', f'machineid="{who.device_serial}"')
    path.write_text(text.replace('machineid="0001"', f'machineid="{who.device_serial}"'), "utf-8")


def write_philips_xli(path: Path, ecg: Simulated, statements: tuple[str, ...], who: Identity) -> None:
    _philips(path, statements, who, philips_files.made_104(counts(ecg.signal_mv, PHILIPS_UV)))


def write_philips_103(path: Path, ecg: Simulated, statements: tuple[str, ...], who: Identity) -> None:
    """With the calibration mark that cardiographs append."""
    stored = counts(ecg.signal_mv, PHILIPS_UV)
    mark = np.tile(np.concatenate((np.zeros(50), np.full(100, 200), np.zeros(50))), (12, 1)).astype(np.int16)
    _philips(path, statements, who, philips_files.made_103(np.concatenate((stored, mark), axis=1)))


def write_philips_plain(path: Path, ecg: Simulated, statements: tuple[str, ...], who: Identity) -> None:
    stored = counts(ecg.signal_mv, PHILIPS_UV)
    attributes = philips_files.attributes_104(stored.shape[1], compression=None)
    text = base64.encodebytes(stored.astype("<i2").tobytes()).decode()
    _philips(path, statements, who, philips_files.philips_xml(text, attributes))


def write_aecg(path: Path, ecg: Simulated, statements: tuple[str, ...], who: Identity) -> None:
    name = element("name", elements(family=who.family_name, given=f"{who.given_name} {who.second_name}"))
    address = element("addr", elements(streetAddressLine=who.street, city=who.city, postalCode=who.postal_code))
    person = element(
        "subjectDemographicPerson",
        name + address,
        f'<birthTime value="{who.birth_dates["digits"]}"/><telecom value="tel:{who.phone}"/>',
        elements(raceCode=who.race),
    )
    ids = f'<id root="1.2.3" extension="{who.patient_id}"/><id root="1.2.4" extension="{who.second_id}"/>'
    subject = element(
        "componentOf", element("subjectAssignment", element("subject", element("trialSubject", ids, person)))
    )
    investigator = element("trialInvestigator", element("investigatorPerson", elements(name=who.physician)))
    site = element("trialSite", element("location", elements(name=who.hospital, addr=who.room)), investigator)
    trial = element("componentOf", element("clinicalTrial", elements(title=who.department), element("location", site)))
    technician = elements(secondaryPerformer=element("seriesPerformer", elements(name=who.technician)))
    device = (
        f'<author><seriesAuthor><manufacturedSeriesDevice><id extension="{who.device_serial}"/>'
        "<manufacturerModelName>ELI250</manufacturerModelName></manufacturedSeriesDevice><manufacturerOrganization>"
        "<name>Mortara Instrument, Inc.</name></manufacturerOrganization></seriesAuthor></author>"
    )
    comments = [aecg_files.annotation("MDC_ECG_INTERPRETATION_COMMENT", f"{who.note} {who.referring_physician}")]
    texts = [aecg_files.annotation("MDC_ECG_INTERPRETATION_STATEMENT", text) for text in signed(statements, who)]
    stored = counts(ecg.signal_mv, AECG_UV)
    content = aecg_files.aecg(
        aecg_files.series(
            aecg_files.sequence_set(aecg_files.rows(stored, TWELVE_LEADS)),
            before=technician + device,
            after=aecg_files.annotation_set(*texts, *comments),
        ),
        before=f'<id root="2.16.1" extension="{who.accession_number}"/><text>{who.visit}</text>{subject}{trial}',
    )
    path.write_bytes(content)
