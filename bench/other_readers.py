"""How else a file of each format is read: an independent package, or a plain parse where no package reads the format.

Each returns the samples as (leads, samples), in the units that the package has them in. What is called plain reads a
well-formed file of this one shape and checks nothing.
"""

import base64
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import edfio
import h5py
import numpy as np
import pandas as pd
import pydicom
import scipy.io
import sierraecg
import wfdb

_AECG = "{urn:hl7-org:v3}"
_SEQUENCE_SET = ("component", "series", "component", "sequenceSet")


def muse(path: Path) -> np.ndarray:
    waveforms = ElementTree.parse(path).getroot().iter("Waveform")
    rhythm = next(waveform for waveform in waveforms if waveform.findtext("WaveformType") == "Rhythm")
    leads = [base64.b64decode(lead.findtext("WaveFormData")) for lead in rhythm.iter("LeadData")]
    return np.stack([np.frombuffer(lead, "<i2") for lead in leads])


def cardiosoft(path: Path) -> np.ndarray:
    leads = ElementTree.parse(path).getroot().iterfind("StripData/WaveformData")
    return np.array([[float(number) for number in lead.text.split(",")] for lead in leads])


def aecg(path: Path) -> np.ndarray:
    rhythm = ElementTree.parse(path).getroot().find("/".join(_AECG + tag for tag in _SEQUENCE_SET))
    return np.array([[int(number) for number in digits.text.split()] for digits in rhythm.iter(f"{_AECG}digits")])


def philips(path: Path) -> np.ndarray:
    return np.stack([lead.samples for lead in sierraecg.read_file(str(path)).leads])


def dicom(path: Path) -> np.ndarray:
    return pydicom.dcmread(path).waveform_array(0).T


def edf(path: Path) -> np.ndarray:
    return np.stack([signal.digital for signal in edfio.read_edf(path).signals])


def wfdb_record(path: Path) -> np.ndarray:
    return wfdb.rdrecord(str(path.with_suffix("")), physical=False).d_signal.T


def matlab(path: Path) -> np.ndarray:
    return scipy.io.loadmat(path)["feats"]


def hdf5(path: Path) -> np.ndarray:
    file_name, _, exam_id = path.name.partition("#")
    with h5py.File(path.with_name(file_name)) as file:
        return file["tracings"][np.flatnonzero(file["exam_id"][()] == int(exam_id))[0]].T


def csv(path: Path) -> np.ndarray:
    dialect = {"sep": ";", "decimal": ",", "encoding": "latin-1"} if "semicolon" in path.name else {}
    return pd.read_csv(path, **dialect).select_dtypes("number").to_numpy().T


def parquet(path: Path) -> np.ndarray:
    return pd.read_parquet(path).select_dtypes("number").to_numpy().T


# format -> (what reads it, how)
OTHERS: dict[str, tuple[str, Callable[[Path], np.ndarray]]] = {
    "muse_xml": ("plain xml.etree, base64", muse),
    "cardiosoft_xml": ("plain xml.etree, split", cardiosoft),
    "hl7_aecg": ("plain xml.etree, split", aecg),
    "philips_xml": ("sierraecg", philips),
    "dicom": ("pydicom", dicom),
    "edf": ("edfio", edf),
    "wfdb": ("wfdb", wfdb_record),
    "code15_mat": ("scipy", matlab),
    "code15_hdf5": ("plain h5py", hdf5),
    "csv_samples": ("pandas", csv),
    "parquet_samples": ("pandas", parquet),
    "npy": ("numpy", np.load),
}
