"""One realistic ECG in every file format that is read, with a planted identity wherever the format has room for one."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import planted_binary as binary
import planted_eli_sema as eli_sema
import planted_xml as xml
from planted_identity import PLANTED, Identity
from twelvelead.demo.simulate import Simulated, simulate

__all__ = ["PLANTED", "STATEMENTS", "VARIANTS", "Identity", "Variant", "simulated", "write_every_format"]

# The second is in no other text of a run, so that wherever it stands it came out of a file.
STATEMENTS = ("Normal sinus rhythm", "Nonspecific T wave abnormality in quokka leads")

Writer = Callable[[Path, Simulated, tuple[str, ...], Identity], None]


@dataclass(frozen=True)
class Variant:
    """A way to write an ECG: `format` as the readers name it, `member` as a table puts it behind the file's name."""

    format: str
    suffix: str
    write: Writer
    sampling_rate_hz: float = 500.0
    has_statements: bool = True
    holds_identity: bool = True
    member: str = ""


def _silent(format_name: str, suffix: str, write: Writer, **more) -> Variant:
    """Of a format that has no statements, or none that are read."""
    return Variant(format_name, suffix, write, has_statements=False, **more)


VARIANTS = {
    "muse_xml": Variant("muse_xml", ".xml", xml.write_muse_xml),
    "muse_xml_utf16": Variant("muse_xml", ".xml", xml.write_muse_xml_utf16),
    "cardiosoft_xml": Variant("cardiosoft_xml", ".xml", xml.write_cardiosoft_xml),
    "philips_xml_xli": Variant("philips_xml", ".xml", xml.write_philips_xli),
    "philips_xml_103": Variant("philips_xml", ".xml", xml.write_philips_103),
    "philips_xml_uncompressed": Variant("philips_xml", ".xml", xml.write_philips_plain),
    "hl7_aecg": Variant("hl7_aecg", ".xml", xml.write_aecg),
    "mortara_xml": Variant("mortara_xml", ".xml", eli_sema.write_mortara_xml),
    "schiller_xml": _silent("schiller_xml", ".xml", eli_sema.write_schiller_xml),
    "scp": Variant("scp", ".scp", binary.write_scp),
    "scp_plain": Variant("scp", ".scp", binary.write_scp_plain),
    "dicom": Variant("dicom", ".dcm", binary.write_dicom_file),
    "dicom_deflated": Variant("dicom", ".dcm", binary.write_dicom_deflated),
    "dicom_big_endian": Variant("dicom", ".dcm", binary.write_dicom_big_endian),
    "dicom_implicit": Variant("dicom", ".dcm", binary.write_dicom_implicit),
    "wfdb16": Variant("wfdb", ".hea", binary.write_wfdb16),
    "wfdb_mat": Variant("wfdb", ".hea", binary.write_wfdb_mat),
    "edf": _silent("edf", ".edf", binary.write_edf),
    "edf_plus": _silent("edf", ".edf", binary.write_edf_plus),
    "edf_plus_d": _silent("edf", ".edf", binary.write_edf_plus_d),
    "ishne": _silent("ishne", ".ecg", binary.write_ishne),
    "npy": _silent("npy", ".npy", binary.write_npy_file, holds_identity=False),
    "deepecg_base64": _silent("deepecg_base64", ".base64", binary.write_deepecg_base64, holds_identity=False),
    "mat_code15": _silent("code15_mat", ".mat", binary.write_code15_mat, sampling_rate_hz=400.0),
    "mat_code15_compressed": _silent("code15_mat", ".mat", binary.write_code15_mat_compressed, sampling_rate_hz=400.0),
    "hdf5_member": _silent(
        "code15_hdf5", ".hdf5", binary.write_hdf5, sampling_rate_hz=400.0, member=f"#{binary.MEMBER}"
    ),
    "csv": _silent("csv_samples", ".csv", binary.write_csv),
    "csv_semicolon": _silent("csv_samples", ".csv", binary.write_csv_semicolon),
    "parquet": _silent("parquet_samples", ".parquet", binary.write_parquet),
}


def simulated(seed: int = 0, sampling_rate_hz: float = 500.0, rhythm: str = "sinus") -> Simulated:
    """The ECG that is written: 10 s in twelve leads."""
    return simulate(
        rhythm, np.random.default_rng(seed), heart_rate_bpm=72.0, sampling_rate_hz=sampling_rate_hz, duration_s=10.0
    )


def write_every_format(
    folder: Path,
    identity: Identity = PLANTED,
    seed: int = 0,
    rhythm: str = "sinus",
    statements: tuple[str, ...] = STATEMENTS,
) -> dict[str, Path]:
    """Writes the same ECG as each of VARIANTS; {name of the variant: path as a table names it, `#member` included}.

    No file is called after the patient. A WFDB record's signal file lies beside its header.
    """
    folder.mkdir(parents=True, exist_ok=True)
    ecg_at = {rate_hz: simulated(seed, rate_hz, rhythm) for rate_hz in {v.sampling_rate_hz for v in VARIANTS.values()}}
    named = {}
    for name, variant in VARIANTS.items():
        path = folder / f"{name}{variant.suffix}"
        variant.write(path, ecg_at[variant.sampling_rate_hz], statements, identity)
        named[name] = path.with_name(f"{path.name}{variant.member}")
    return named
