"""Lead names, stored types and diagnostic statements."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from twelvelead.ecg import LEADS
from twelvelead.errors import LeadMissing, UnreadableFile
from twelvelead.formats.leads import as_recording_samples, stack, standard_lead
from twelvelead.formats.statements import clean_statements


@pytest.mark.parametrize("lead", LEADS)
@pytest.mark.parametrize("spelling", ["{}", " {} ", "Lead {}", "MDC_ECG_LEAD_{}", "lead_{}", "Lead {} (Einthoven)"])
def test_spellings_of_a_standard_lead(lead, spelling):
    for name in (lead, lead.upper(), lead.lower()):
        assert standard_lead(spelling.format(name)) == lead


@pytest.mark.parametrize("name", ["-aVR", "V3R", "V7", "X", "vx", "", "Lead", "MLII", "I-II", "aVR-", "V1 V2", "IV"])
def test_other_leads_are_no_standard_lead(name):
    assert standard_lead(name) is None


@pytest.mark.parametrize("name", ["aVR (inverted)", "V4 (right)", "V1 (posterior)", "-I (Einthoven)"])
def test_what_stands_in_brackets_may_make_it_another_lead(name):
    assert standard_lead(name) is None


def test_stack_names_the_shorter_lead():
    with pytest.raises(UnreadableFile, match=r"lead V2 \(3\) is shorter .*5 samples"):
        stack({"I": np.zeros(5), "V2": np.zeros(3)})
    with pytest.raises(UnreadableFile, match="no samples"):
        stack({"I": np.zeros(0)})
    with pytest.raises(LeadMissing):
        stack({})


@settings(max_examples=60, deadline=None)
@given(hnp.arrays(hnp.integer_dtypes() | hnp.unsigned_integer_dtypes(), (2, 3)))
def test_integers_keep_their_values_in_the_narrowest_type(samples):
    stored = as_recording_samples(samples)
    assert stored.dtype in (np.int16, np.int32, np.float32)
    if stored.dtype.kind == "i":
        assert [int(value) for value in stored.ravel()] == [int(value) for value in samples.ravel()]
    else:
        assert max(abs(int(value)) for value in samples.ravel()) >= 2**31
        np.testing.assert_allclose(stored, samples.astype(np.float64), rtol=1e-6)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text(max_size=30) | st.none(), max_size=6))
def test_statements_are_single_lines_without_empties(texts):
    for statement in clean_statements(texts):
        assert statement == " ".join(statement.split()) != ""


def test_lines_naming_a_person_are_dropped():
    texts = [
        "Sinus  rhythm\n",
        "Confirmed by MUSTERMANN, ERIKA (12) on 1/2/2020",
        "Electronically signed by: X",
        "Referred by: Dr. X",
        "Physician: X",
        "Reading MD: X",
        "Unconfirmed",
        "Read by hand",
        "** Reconfirmed by X",
        "Performed by X",
        "Confirmé par Dr X",
        "CONFIRM\u00c3\u0089E PAR X",
        "Relu par : X",
        "Médecin : X",
        "Nom: X",
    ]
    assert clean_statements(texts) == ("Sinus rhythm", "Unconfirmed")


@pytest.mark.parametrize(
    ("text", "statement"),
    [
        ("Atrial fibrillation - Confirmed by MUSTERMANN", "Atrial fibrillation"),
        ("Rythme sinusal, interprété par Dr MUSTERMANN", "Rythme sinusal"),
        ("*** Abnormal ECG ***", "*** Abnormal ECG ***"),
        ("ST elevation, unconfirmed", "ST elevation, unconfirmed"),
        ("Bloc AV 2 par 1", "Bloc AV 2 par 1"),
        ("Extrasystoles par salves", "Extrasystoles par salves"),
        ("Prolonged QT, read by eye", "Prolonged QT"),
        ("Normal ECG. Reviewed and confirmed by MUSTERMANN", "Normal ECG."),
        ("Reviewed and signed: MUSTERMANN", ""),
        ("Left bundle branch block, Dr. Mustermann", "Left bundle branch block"),
        ("Sinusrhythmus (bestätigt durch Dr Mustermann)", "Sinusrhythmus"),
        ("Normal ECG MD: MUSTERMANN", "Normal ECG"),
        ("Old infarct, patient name: MUSTERMANN", "Old infarct"),
        ("ST depression in dr. leads", "ST depression in dr. leads"),
        ("hypertrophie ventriculaire dr. V1-V3", "hypertrophie ventriculaire dr. V1-V3"),
        ("Normal ECG - Confirmed electronically by MUSTERMANN", "Normal ECG"),
        ("Electronically Signed On 12-3-2010 by MUSTERMANN", ""),
        ("Normal ECG, electronically signed by MUSTERMANN", "Normal ECG"),
        ("Confirm\u00e9 \u00e9lectroniquement par MUSTERMANN", ""),
        ("Sinusrhythmus, Dr. med. von Mustermann", "Sinusrhythmus"),
        ("Sinus rhythm Dr. \u00d6zmustermann", "Sinus rhythm"),
        ("Sinus rhythm, Prof. Mustermann", "Sinus rhythm"),
        ("Sinusrhythmus gez. Mustermann", "Sinusrhythmus"),
        ("BAV vu en DII, extrasystoles par salves", "BAV vu en DII, extrasystoles par salves"),
        ("Sinus rhythm\r\nConfirmed by: Dr MUSTERMANN", "Sinus rhythm"),
    ],
)
def test_a_signature_behind_a_statement_is_cut(text, statement):
    assert clean_statements([text]) == ((statement,) if statement else ())


def test_lines_of_one_text_are_statements_of_their_own():
    assert clean_statements(["Sinus rhythm\nLeft axis  deviation\r\n\nNormal ECG", None]) == (
        "Sinus rhythm",
        "Left axis deviation",
        "Normal ECG",
    )
