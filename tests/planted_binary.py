"""One ECG in every format that is no XML, with an identity in all header fields the format has for one."""

import base64
import struct
from functools import partial
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pydicom
import scipy.io
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian

from planted_identity import Identity
from planted_xml import signed
from twelvelead.demo.quantise import counts
from twelvelead.demo.simulate import Simulated
from twelvelead.demo.write_arrays import write_wfdb
from twelvelead.demo.write_dicom import write_dicom
from twelvelead.ecg import LEADS
from unit import edf_files, ishne_files, sample_files, scp_files
from unit.vendor_files import wfdb_header

SCP_UV, EDF_UV, ISHNE_UV = 5.0, 0.1, 2.5
MEMBER = 4000001
_CODE15_SHAPE = (4096, 12)


def write_dicom_file(
    path: Path, ecg: Simulated, statements: tuple[str, ...], who: Identity, syntax: str | None = None
) -> None:
    write_dicom(path, ecg, signed(statements, who))
    dataset = pydicom.dcmread(path)
    dataset.PatientName = f"{who.family_name}^{who.given_name}^{who.second_name}"
    dataset.PatientID, dataset.OtherPatientIDs = who.patient_id, who.second_id
    dataset.PatientBirthDate, dataset.PatientBirthName = who.birth_dates["digits"], who.birth_name
    dataset.PatientAddress = f"{who.street}, {who.postal_code} {who.city}"
    dataset.PatientTelephoneNumbers, dataset.PatientComments = who.phone, f"{who.note} {who.mail}"
    dataset.EthnicGroup, dataset.AdmissionID = who.race, who.visit
    dataset.AccessionNumber, dataset.CurrentPatientLocation = who.accession_number, who.room
    dataset.InstitutionName, dataset.InstitutionalDepartmentName = who.hospital, who.department
    dataset.ReferringPhysicianName, dataset.NameOfPhysiciansReadingStudy = who.referring_physician, who.physician
    dataset.OperatorsName, dataset.DeviceSerialNumber = who.technician, who.device_serial
    dataset.StudyDescription = f"ECG {who.full_name}"
    dataset.IssuerOfPatientID = who.insurance_id
    private = dataset.private_block(0x0011, "TWELVELEAD TEST", create=True)
    private.add_new(0x01, "LO", who.full_name)
    if syntax is not None:
        dataset.file_meta.TransferSyntaxUID = syntax
        if syntax == ExplicitVRBigEndian:
            for group in dataset.WaveformSequence:
                group.WaveformData = np.frombuffer(group.WaveformData, "<i2").astype(">i2").tobytes()
    little = syntax != ExplicitVRBigEndian
    pydicom.dcmwrite(path, dataset, implicit_vr=syntax == ImplicitVRLittleEndian, little_endian=little)


write_dicom_deflated = partial(write_dicom_file, syntax=DeflatedExplicitVRLittleEndian)
write_dicom_big_endian = partial(write_dicom_file, syntax=ExplicitVRBigEndian)
write_dicom_implicit = partial(write_dicom_file, syntax=ImplicitVRLittleEndian)


def write_scp(path: Path, ecg: Simulated, statements: tuple[str, ...], who: Identity, *, plain: bool = False) -> None:
    """Identity in the tags of section 1 (EN 1064, 5.4.3); `plain` stores 16-bit samples without Huffman codes."""
    codes = tuple(scp_files.TWELVE_CODES[lead] for lead in LEADS)
    scp = scp_files.Scp(counts(ecg.signal_mv, SCP_UV), codes, int(1000 * SCP_UV))
    encode = scp_files.plain if plain else scp_files.coded
    leads = tuple(encode(lead, 2) for lead in scp.signal)
    texts = [text.encode("latin-1") + b"\0" for text in signed(statements, who)]
    bodies = {
        1: _scp_patient(who),
        3: scp_files.lead_section(scp),
        6: scp_files.signal_section(scp.unit_nv, scp.interval_us, 2, 0, leads),
        8: scp_files.statement_section(texts),
    }
    if not plain:
        bodies[2] = scp_files.DEFAULT_TABLE
    path.write_bytes(scp_files.record(bodies))


write_scp_plain = partial(write_scp, plain=True)


def _scp_patient(who: Identity) -> bytes:
    texts = {
        0: who.family_name,
        1: who.given_name,
        2: who.patient_id,
        3: who.birth_name,
        16: who.hospital,
        17: who.city,
        18: who.department,
        20: who.referring_physician,
        21: who.physician,
        22: who.technician,
        23: who.room,
        30: f"{who.note} {who.street} {who.birth_dates['points']}",
        31: who.accession_number,
    }
    tags = [(tag, text.encode("latin-1") + b"\0") for tag, text in texts.items()]
    tags.append((5, struct.pack("<HBB", who.birth_date.year, who.birth_date.month, who.birth_date.day)))
    serial = scp_files.device_tag().replace(b"SN-0815", who.device_serial.encode())
    tags.append((14, serial))
    return b"".join(struct.pack("<BH", tag, len(value)) + value for tag, value in tags) + b"\xff\0\0"


def _edf(path: Path, ecg: Simulated, who: Identity, kind: str, patient: str, recording: str) -> None:
    stored = counts(ecg.signal_mv, EDF_UV).reshape(12, 10, -1)
    signals = [edf_files.Signal(f"ECG {lead}", rows) for lead, rows in zip(LEADS, stored, strict=True)]
    if kind:
        texts = [f"+{second}\x14\x14\0+{second}\x14{who.note} {who.full_name}\x14\0".encode() for second in range(10)]
        signals.append(edf_files.annotations(texts, samples=60))
    path.write_bytes(edf_files.edf(signals, kind=kind, patient=patient[:80], recording=recording[:80]))


def write_edf(path: Path, ecg: Simulated, statements: tuple[str, ...], who: Identity) -> None:
    patient = f"{who.family_name}, {who.given_name} {who.patient_id} {who.birth_dates['points']} {who.postal_code}"
    _edf(path, ecg, who, "", patient, f"{who.hospital} {who.technician} {who.physician} {who.device_serial}")


def write_edf_plus(path: Path, ecg: Simulated, statements: tuple[str, ...], who: Identity, kind: str = "EDF+C") -> None:
    patient = f"{who.patient_id} F {who.birth_dates['edf']} {who.given_name}_{who.second_name}_{who.family_name}"
    recording = f"Startdate 02-MAR-2002 {who.accession_number} {who.technician} {who.device_serial} {who.department}"
    _edf(path, ecg, who, kind, patient, recording)


write_edf_plus_d = partial(write_edf_plus, kind="EDF+D")


def write_ishne(path: Path, ecg: Simulated, statements: tuple[str, ...], who: Identity) -> None:
    born = who.birth_date
    content = ishne_files.ishne(
        counts(ecg.signal_mv, ISHNE_UV),
        resolutions=[int(1000 * ISHNE_UV)] * 12,
        rate=round(ecg.sampling_rate_hz),
        first_name=who.given_name.encode(),
        last_name=who.family_name.encode(),
        patient_id=who.patient_id.encode(),
        birth=(born.day, born.month, born.year),
        recorder=f"digital {who.device_serial}".encode(),
        owner=f"{who.hospital} {who.department}".encode(),
        reserved=f"{who.second_name} {who.street} {who.phone}".encode("latin-1"),
        variable=f"Ordered by {who.physician}, {who.referring_physician}; {who.note}\0".encode(),
    )
    path.write_bytes(content)


def _wfdb_comments(who: Identity) -> str:
    described = {
        "Name": who.full_name,
        "Patient": who.patient_id,
        "MRN": who.second_id,
        "Birth date": who.birth_dates["iso"],
        "Address": f"{who.street}, {who.postal_code} {who.city}",
        "Phone": who.phone,
        "Hospital": f"{who.hospital} {who.department} {who.room}",
        "Physician": who.physician,
        "Referred by": who.referring_physician,
        "Technician": who.technician,
        "Device": who.device_serial,
        "Accession": who.accession_number,
        "Comment": who.note,
    }
    return "".join(f"# {name}: {text}\n" for name, text in described.items())


def write_wfdb16(path: Path, ecg: Simulated, statements: tuple[str, ...], who: Identity) -> None:
    write_wfdb(path, ecg, signed(statements, who))
    path.write_text(path.read_text("utf-8") + _wfdb_comments(who), "utf-8")


def write_wfdb_mat(path: Path, ecg: Simulated, statements: tuple[str, ...], who: Identity) -> None:
    """PhysioNet's challenges: the signals in a MATLAB file of level 4 behind 24 bytes of header."""
    stored = counts(ecg.signal_mv, 1.0)
    mat = path.with_suffix(".mat")
    scipy.io.savemat(mat, {"val": stored.astype(np.int16)}, format="4")
    comments = "".join(f"# Dx: {text}\n" for text in signed(statements, who)) + _wfdb_comments(who)
    header = wfdb_header(mat.name, stored.shape[1], comments=comments).replace(".mat 16 ", ".mat 16+24 ")
    path.write_text(header.replace("record ", f"{path.stem} ", 1), "utf-8")


def write_npy_file(path: Path, ecg: Simulated, statements: tuple[str, ...], who: Identity) -> None:
    np.save(path, ecg.signal_mv)


def write_deepecg_base64(path: Path, ecg: Simulated, statements: tuple[str, ...], who: Identity) -> None:
    path.write_bytes(base64.b64encode(ecg.signal_mv[:, ::2].T.astype("<f4").tobytes(order="C")))


def write_code15_mat(
    path: Path, ecg: Simulated, statements: tuple[str, ...], who: Identity, packed: bool = False
) -> None:
    variables = {
        "patient": {"name": who.full_name, "id": who.patient_id, "born": who.birth_dates["iso"]},
        "notes": f"{who.note} {who.physician} {who.hospital}",
        "feats": ecg.signal_mv,
        "curr_sample_rate": ecg.sampling_rate_hz,
        "org_sample_rate": ecg.sampling_rate_hz,
        "technician": who.technician,
    }
    scipy.io.savemat(path, variables, do_compression=packed)
    content = path.read_bytes()
    text = f"MATLAB 5.0 MAT-file, {who.family_name} {who.patient_id} {who.birth_dates['edf']} {who.device_serial}"
    path.write_bytes(text.encode().ljust(116)[:116] + content[116:])


write_code15_mat_compressed = partial(write_code15_mat, packed=True)


def write_hdf5(path: Path, ecg: Simulated, statements: tuple[str, ...], who: Identity) -> None:
    """A part of CODE-15 with one recording and the padding row; the signal is taken to be at 400 Hz."""
    tracings = np.zeros((2, *_CODE15_SHAPE), dtype=np.float32)
    kept = ecg.signal_mv.T[: _CODE15_SHAPE[0]]
    start = (_CODE15_SHAPE[0] - len(kept)) // 2
    tracings[0, start : start + len(kept)] = kept
    with h5py.File(path, "w") as file:
        stored = file.create_dataset("tracings", data=tracings, chunks=(1, *_CODE15_SHAPE), compression="gzip")
        file.create_dataset("exam_id", data=np.array([MEMBER, 0]))
        file.create_dataset("patient_id", data=[who.patient_id.encode(), b""])
        for name, text in {"name": who.full_name, "born": who.birth_dates["iso"], "hospital": who.hospital}.items():
            stored.attrs[name] = file.attrs[name] = text


def _named_columns(ecg: Simulated) -> dict[str, np.ndarray]:
    times = np.arange(ecg.signal_mv.shape[1]) / ecg.sampling_rate_hz
    leads = {f"{lead}_mV": row.round(4) for lead, row in zip(LEADS, ecg.signal_mv, strict=True)}
    return {"time_s": times.round(4), **leads}


def _planted_columns(who: Identity) -> dict[str, str]:
    return {
        "patient": who.full_name,
        f"id {who.second_id}": who.patient_id,
        "born": who.birth_dates["iso"],
        "technician": who.technician,
        "comment": f"{who.note} {who.street} {who.phone}",
    }


def write_csv(path: Path, ecg: Simulated, statements: tuple[str, ...], who: Identity) -> None:
    pd.DataFrame(_named_columns(ecg) | _planted_columns(who)).to_csv(path, index=False)


def write_csv_semicolon(path: Path, ecg: Simulated, statements: tuple[str, ...], who: Identity) -> None:
    pd.DataFrame(_planted_columns(who) | _named_columns(ecg), index=range(ecg.signal_mv.shape[1])).to_csv(
        path, index=False, sep=";", decimal=",", encoding="latin-1"
    )


def write_parquet(path: Path, ecg: Simulated, statements: tuple[str, ...], who: Identity) -> None:
    table = pa.Table.from_pandas(pd.DataFrame(_named_columns(ecg) | _planted_columns(who)), preserve_index=False)
    table = table.replace_schema_metadata({"patient": who.full_name, "born": who.birth_dates["iso"]})
    path.write_bytes(sample_files.parquet(table))
