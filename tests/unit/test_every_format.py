"""The ECG that is written in every format: read back the same, with the identity in the files and nowhere else."""

import numpy as np
import pytest

from every_format import PLANTED, STATEMENTS, VARIANTS, simulated, write_every_format
from twelvelead.ecg import LEADS, twelve_leads
from twelvelead.formats import FORMAT_NAMES, file_and_member, read
from twelvelead.quality import signal_status

HALF_A_COUNT_MV = 0.0026  # of the coarsest format, 5 uV


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return write_every_format(tmp_path_factory.mktemp("every_format"))


def test_every_format_that_is_read_is_written(written):
    """A new reader needs a variant here, or its files are in no test of privacy and faults."""
    assert {read(path).format for path in written.values()} == set(FORMAT_NAMES)


@pytest.mark.parametrize("name", VARIANTS)
def test_the_ecg_comes_back(written, name):
    variant = VARIANTS[name]
    recording = read(written[name])
    assert recording.format == variant.format
    assert recording.leads == LEADS or set(recording.leads) >= {"I", "II", *LEADS[6:]}
    assert signal_status(recording) == ("ok", "")
    expected = simulated(sampling_rate_hz=variant.sampling_rate_hz).signal_mv
    if name == "deepecg_base64":
        expected = expected[:, ::2]
    found = twelve_leads(recording)
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() < 2 * HALF_A_COUNT_MV
    assert np.abs(found[[0, 1, *range(6, 12)]] - expected[[0, 1, *range(6, 12)]]).max() < HALF_A_COUNT_MV
    assert recording.statements == (STATEMENTS if variant.has_statements else ())


@pytest.mark.parametrize("name", [name for name, variant in VARIANTS.items() if variant.holds_identity])
def test_the_identity_is_in_the_file_and_not_in_the_recording(written, name):
    content = file_and_member(written[name])[0].read_bytes()
    recording = read(written[name])
    described = repr((recording.format, recording.leads, recording.units, recording.statements, recording.device))
    if name not in ("dicom_deflated", "mat_code15_compressed"):
        spelled = [text.encode(code) for text in PLANTED.strings() for code in ("utf-8", "latin-1", "utf-16-le")]
        assert sum(text in content for text in spelled) >= 3
    assert not [text for text in PLANTED.strings() if text.casefold() in described.casefold()]


def test_file_names_do_not_say_who_it_is(written):
    names = " ".join(str(path) for path in written.values()).casefold()
    assert not [text for text in PLANTED.strings() if text.casefold() in names]


def test_the_same_seed_gives_the_same_bytes(written, tmp_path):
    again = write_every_format(tmp_path)
    differing = [
        name
        for name, path in written.items()
        if file_and_member(path)[0].read_bytes() != file_and_member(again[name])[0].read_bytes()
    ]
    assert not differing
