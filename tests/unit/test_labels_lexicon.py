"""Machine statements in English and French against what a cardiologist takes them to say."""

import csv
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twelvelead.errors import ConfigError
from twelvelead.labels.lexicon import label_texts, load_lexicon
from twelvelead.labels.patterns import read_patterns

ROOT = Path(__file__).resolve().parents[2]
TABLES = ROOT / "config" / "labels"
SHARED = ROOT.parent / "shared"
PATTERNS = read_patterns(TABLES / "deepecg77.csv")
LEXICON = load_lexicon(TABLES / "lexicon_phrases.csv", TABLES / "lexicon_qualifiers.csv", PATTERNS)

NAMES = {
    "SIN": "Sinusal",
    "REG": "Regular",
    "MONO": "Monomorph",
    "POLY": "Polymorph",
    "QSV": "QS complex in V1-V2-V3",
    "LBBB": "Left bundle branch block",
    "RAVL": "RaVL > 11 mm",
    "SOK": "SV1 + RV5 or RV6 > 35 mm",
    "LAD": "Left axis deviation",
    "LVH": "Left ventricular hypertrophy",
    "BRADY": "Bradycardia",
    "AF": "Afib",
    "IRI": "Irregularly irregular",
    "RRI": "Regularly irregular",
    "AT": "Atrial tachycardia (>= 100 BPM)",
    "IVCD": "Nonspecific intraventricular conduction delay",
    "PVC": "Premature ventricular complex",
    "PAC": "Premature atrial complex",
    "RBBB": "Right bundle branch block",
    "VP": "Ventricular paced",
    "AP": "Atrial paced",
    "LVP": "LV pacing",
    "AVB1": "1st degree AV block",
    "M1": "2nd degree AV block - mobitz 1",
    "M2": "2nd degree AV block - mobitz 2",
    "AVB3": "Third Degree AV Block",
    "AFL": "Atrial flutter",
    "RSR": "rSR' in V1-V2",
    "LAFB": "Left anterior fascicular block",
    "LPFB": "Left posterior fascicular block",
    "RAD": "Right axis deviation",
    "RSA": "Right superior axis",
    "PERI": "Acute pericarditis",
    "LOWV": "Low voltage",
    "JUNC": "Junctional rhythm",
    "LAE": "Left atrial enlargement",
    "RAE": "Right atrial enlargement",
    "BAE": "Bi-atrial enlargement",
    "RVH": "Right ventricular hypertrophy",
    "DELTA": "Delta wave",
    "WPW": "Wolff-Parkinson-White (Pre-excitation syndrome)",
    "LQT": "Prolonged QT",
    "UW": "U wave",
    "SVT": "Supraventricular tachycardia",
    "DOWN": "ST downslopping",
    "UP": "ST upslopping",
    "RS": "R/S ratio in V1-V2 >1",
    "RV1": "RV1 + SV6 > 11 mm",
    "VT": "Ventricular tachycardia",
    "VR": "Ventricular Rhythm",
    "EAR": "Ectopic atrial rhythm (< 100 BPM)",
    "LEAD": "Lead misplacement",
    "AMI": "Acute MI",
    "EREP": "Early repolarization",
    "BRU": "Brugada",
    "NOQRS": "no_qrs",
    **{
        f"{finding}-{where[:3].upper()}": next(n for n in PATTERNS.names if n.startswith(f"{stem} ({where}"))
        for finding, stem in (("STE", "ST elevation"), ("STD", "ST depression"), ("TWI", "T wave inversion"))
        for where in ("inferior", "lateral", "anterior", "septal")
    },
    **{
        f"Q-{where[:3].upper()}": next(n for n in PATTERNS.names if n.startswith(f"Q wave ({where}"))
        for where in ("inferior", "lateral", "anterior", "septal", "posterior")
    },
    "STE-POS": "ST elevation (posterior - V7-V8-V9)",
}
ALL_STE = "STE-INF STE-LAT STE-ANT STE-SEP STE-POS"
ALL_TWI = "TWI-INF TWI-LAT TWI-ANT TWI-SEP"

# (text, exactly these are 1, at least these are 0, at least these are unknown)
CASES = [
    # rhythm
    ("Normal sinus rhythm", "SIN REG", "AF BRADY PVC LBBB IRI RSR DELTA", "MONO POLY UW DOWN UP RS"),
    ("NORMAL SINUS RHYTHM; NORMAL ECG", "SIN REG", "AF LVH AMI", ""),
    ("Sinus rhythm", "SIN", "AF", "REG"),
    ("Normal sinus rhythm with sinus arrhythmia", "SIN", "REG AF", ""),
    ("Sinus rhythm with marked sinus arrhythmia", "SIN", "REG", ""),
    ("Normal sinus rhythm; Sinus arrhythmia", "SIN", "REG", ""),
    ("Sinus bradycardia", "SIN BRADY", "AF JUNC", ""),
    ("Marked sinus bradycardia with 1st degree A-V block", "SIN BRADY AVB1", "M1 M2 AVB3", ""),
    ("Sinus tachycardia; Otherwise normal ECG", "SIN", "BRADY AT SVT", ""),
    ("Atrial fibrillation", "AF IRI", "SIN REG AFL", ""),
    ("Atrial fibrillation with rapid ventricular response", "AF IRI", "SIN BRADY", ""),
    ("Afib with slow ventricular response", "AF IRI BRADY", "SIN", ""),
    ("Atrial fibrillation with a competing junctional pacemaker", "AF", "SIN", "JUNC IRI"),
    ("Atrial flutter with variable A-V block", "AFL", "AF SIN REG M1 M2 AVB3", "IRI"),
    ("Atrial flutter with 2:1 A-V conduction", "AFL", "AF M1 M2", ""),
    ("Atrial flutter with 2 to 1 block", "AFL", "M1 M2", ""),
    ("Afib/flut and V-paced complexes", "VP", "SIN", "AF AFL"),
    ("Supraventricular tachycardia", "SVT", "VT SIN", "AT"),
    ("Ectopic atrial tachycardia", "AT", "SIN VT", "SVT"),
    ("Multifocal atrial tachycardia", "AT IRI", "REG SIN", ""),
    ("Ectopic atrial rhythm", "EAR", "SIN AT", ""),
    ("Unusual P axis, possible ectopic atrial rhythm", "", "AF", "EAR SIN"),
    ("Junctional rhythm", "JUNC", "SIN AF", ""),
    ("Junctional bradycardia", "JUNC BRADY", "SIN", ""),
    ("Ventricular tachycardia", "VT", "SVT SIN", ""),
    ("Wide QRS tachycardia", "", "PVC", "VT SVT"),
    ("Wide QRS tachycardia  most likely sustained ventricular tachycardia", "", "", "VT"),
    ("Idioventricular rhythm", "VR", "VT", ""),
    ("Polymorphic ventricular tachycardia", "VT POLY", "MONO", ""),
    ("Undetermined rhythm", "", "LBBB", "SIN AF AFL JUNC REG"),
    ("No QRS complexes found, no ECG analysis possible", "NOQRS", "", "SIN AF LVH Q-INF"),
    # ectopy
    ("Sinus rhythm with occasional Premature ventricular complexes", "SIN PVC", "PAC AF", "REG"),
    ("Ventricular premature complex", "PVC", "PAC", ""),
    ("Sinus rhythm with PAC(s)", "SIN PAC", "PVC", ""),
    ("Premature supraventricular complexes", "PAC", "PVC", ""),
    ("with premature ventricular or aberrantly conducted complexes", "", "AF", "PVC PAC"),
    ("Premature ventricular complexes in a pattern of bigeminy", "PVC RRI", "PAC REG", ""),
    ("Premature ectopic complexes", "", "VT", "PVC PAC"),
    ("Multiform ventricular premature complexes", "PVC POLY", "MONO PAC", ""),
    ("Multiple premature complexes, vent & supraven", "PVC PAC", "", ""),
    # pacing
    ("Electronic ventricular pacemaker", "VP", "AP LVP AF", "SIN"),
    ("Ventricular-paced rhythm", "VP", "AP", ""),
    ("AV dual-paced rhythm", "AP VP", "LVP SIN", ""),
    ("Atrial-sensed ventricular-paced rhythm", "VP", "AP", "SIN"),
    ("Electronic atrial pacemaker", "AP", "VP", ""),
    ("Ventricular-paced rhythm; Biventricular pacemaker detected", "VP LVP", "AP", ""),
    ("Electronic pacemaker", "", "LVP", "VP AP"),
    ("Ventricular-paced rhythm; No further analysis attempted due to paced rhythm", "VP", "", "LVH LBBB Q-INF"),
    # AV conduction
    ("Prolonged PR interval", "AVB1", "M1", ""),
    ("Borderline first degree A-V block", "", "M1", "AVB1"),
    ("2nd degree AV block, Mobitz I (Wenckebach)", "M1 RRI", "M2 AVB3 REG", ""),
    ("Sinus rhythm with 2nd degree A-V block (Mobitz II)", "SIN M2", "M1 AVB3", ""),
    ("2nd degree AV block", "", "AVB1 AVB3", "M1 M2"),
    ("2nd degree SA block Mobitz I", "", "M1 M2 REG", ""),
    ("Complete heart block", "AVB3", "AVB1 M1 M2", ""),
    ("AV block, complete (third degree)", "AVB3", "M1", ""),
    # ventricular conduction
    ("Left bundle branch block", "LBBB", "RBBB IVCD", "QSV"),
    ("LBBB", "LBBB", "RBBB", ""),
    ("Incomplete left bundle branch block", "", "LBBB RBBB", ""),
    ("Incomplete right bundle branch block", "RSR", "RBBB LBBB", ""),
    ("RBBB and left anterior fascicular block", "RBBB LAFB LAD", "LBBB LPFB", ""),
    ("RBBB and LAFB; *** Bifascicular block ***", "RBBB LAFB LAD", "LPFB LBBB", ""),
    ("Left posterior fascicular block", "LPFB RAD", "LAFB LAD", ""),
    ("Nonspecific intraventricular conduction delay", "IVCD", "LBBB RBBB", ""),
    ("Non-specific intra-ventricular conduction block", "IVCD", "LBBB", ""),
    ("QRSd >115mS, not LBBB/RBBB", "", "LBBB RBBB", ""),
    ("RSR' pattern in V1", "RSR", "RBBB", ""),
    ("rSr'(V1) - probable normal variant", "RSR", "RBBB", ""),
    ("RSR' or QR pattern in V1 suggests right ventricular conduction delay", "", "RBBB", "RSR"),
    ("Wolff-Parkinson-White", "WPW DELTA", "LBBB", ""),
    ("Ventricular pre-excitation, WPW pattern type A", "WPW DELTA", "", ""),
    ("Brugada pattern type 1", "BRU", "RBBB", ""),
    # axis and chambers
    ("Left axis deviation", "LAD", "RAD RSA LAFB", ""),
    ("Left axis deviation - possible left anterior fascicular block", "LAD", "RAD", "LAFB"),
    ("Leftward axis", "", "RAD", "LAD"),
    ("Right axis deviation", "RAD", "LAD", ""),
    ("Right superior axis deviation", "RSA", "LAD", "RAD"),
    ("Northwest axis", "RSA", "LAD", ""),
    ("Left ventricular hypertrophy", "LVH", "RVH", "SOK RAVL"),
    ("Voltage criteria for left ventricular hypertrophy; Abnormal ECG", "LVH", "RVH", ""),
    ("Minimal voltage criteria for LVH, may be normal variant", "", "RVH", "LVH"),
    ("Left ventricular hypertrophy ( R in aVL , Sokolow-Lyon )", "LVH RAVL SOK", "RVH", ""),
    ("LVH with secondary repolarization abnormality", "LVH", "RVH TWI-INF", "TWI-LAT STD-LAT DOWN"),
    ("Right ventricular hypertrophy", "RVH", "LVH", "RS RV1"),
    ("Left atrial enlargement", "LAE", "RAE BAE", ""),
    ("Biatrial enlargement", "BAE LAE RAE", "LVH", ""),
    ("Possible Left atrial enlargement", "", "RAE", "LAE"),
    ("Low voltage QRS; Borderline ECG", "LOWV", "LVH", ""),
    ("Low voltage, extremity and precordial leads", "LOWV", "", ""),
    ("Prolonged QT", "LQT", "LVH", "UW"),
    ("Borderline prolonged QT interval", "", "LVH", "LQT"),
    # infarction
    ("Inferior infarct, age undetermined", "Q-INF", "AMI Q-LAT STE-INF", ""),
    ("Inferior infarct (cited on or before 07-JUN-2019)", "Q-INF", "AMI", ""),
    ("Anteroseptal infarct", "Q-SEP Q-ANT", "Q-INF AMI", "QSV"),
    ("Anterior infarct, old", "Q-ANT", "AMI", ""),
    ("Cannot rule out Anterior infarct , age undetermined", "", "AMI Q-INF", "Q-ANT"),
    ("Inferior infarct, age undetermined, cannot be ruled out", "", "Q-LAT", "Q-INF"),
    ("Inferior-posterior infarct", "Q-INF Q-POS", "Q-ANT", ""),
    ("Inferior infarct, acute (LCx); >>> Acute MI <<<", "AMI", "Q-ANT STE-ANT LAD", "STE-INF Q-INF"),
    ("Anterior infarct, acute (LAD)", "AMI", "LAD STE-INF", "STE-ANT Q-ANT"),
    ("** ** ACUTE MI / STEMI ** **", "AMI", "LVH", ALL_STE),
    ("Q waves in II, III and aVF", "Q-INF", "Q-LAT", ""),
    ("QS pattern in V1-V3", "QSV Q-SEP", "Q-INF", ""),
    # ST and T
    ("ST elevation, consider anterior injury or acute infarct", "STE-ANT", "STE-INF EREP", "AMI"),
    ("ST elevation consider inferior injury or acute infarct", "STE-INF", "STE-ANT", "AMI"),
    ("ST elevation, consider acute infarct; Abnormal ECG", "", "LVH", "AMI " + ALL_STE),
    ("ST elevation, consider early repolarization, pericarditis, or injury", "", "Q-INF", "EREP PERI AMI " + ALL_STE),
    ("ST elevation in aVR", "", ALL_STE, ""),
    ("Inferolateral injury pattern", "STE-INF STE-LAT", "STE-ANT", "AMI"),
    ("Marked ST abnormality, possible inferior subendocardial injury", "STD-INF", "STE-INF AMI", ""),
    ("Minimal ST depression, lateral leads", "", "STD-INF", "STD-LAT"),
    ("ST depression in V1-V4", "STD-SEP STD-ANT", "STD-LAT", ""),
    ("T wave abnormality, consider inferior ischemia", "TWI-INF", "TWI-LAT STD-INF AMI", ""),
    ("T wave inversion in lateral leads", "TWI-LAT", "TWI-INF", ""),
    ("T wave inversion in V1-V3", "TWI-SEP TWI-ANT", "TWI-LAT", ""),
    ("T wave inversion in leads V5 and V6", "TWI-LAT", "TWI-ANT", ""),
    ("T wave inversion", "", "LVH", ALL_TWI),
    ("ST & T wave abnormality, consider lateral ischemia", "", "TWI-INF", "TWI-LAT STD-LAT"),
    ("Nonspecific ST and T wave abnormality", "", ALL_TWI + " STD-INF", ""),
    ("Anterior/inferior T changes may be due to myocardial ischemia", "", "LVH", "TWI-ANT TWI-INF"),
    ("Repol abnrm suggests ischemia, anterolateral", "", "TWI-INF", "TWI-ANT TWI-LAT"),
    ("Acute pericarditis", "PERI", "AMI EREP", ""),
    ("Early repolarization, normal variant", "EREP", "PERI", ""),
    ("ST elev, probable normal early repol pattern", "", "PERI", "EREP"),
    ("Prominent U waves", "UW", "LQT", ""),
    # the recording
    ("*** Suspect arm lead reversal, interpretation assumes no reversal", "LEAD", "LVH", ""),
    ("Possible limb lead reversal", "", "LVH", "LEAD"),
    ("Arm leads reversed", "LEAD", "", ""),
    # negation, uncertainty, the past
    ("No ST elevation or T wave inversion", "", ALL_STE + " " + ALL_TWI, ""),
    ("No evidence of acute MI", "", "AMI", ""),
    ("No acute changes, sinus rhythm", "SIN", "", ""),
    ("Sinus rhythm without ST elevation, with PVCs", "SIN PVC", ALL_STE, ""),
    ("No left bundle branch block but left axis deviation", "LAD", "LBBB", ""),
    ("Possible ectopic atrial rhythm with 1st degree AV block", "AVB1", "", "EAR"),
    ("Possible left atrial enlargement, left axis deviation", "LAD", "", "LAE"),
    ("Possible left atrial enlargement and left axis deviation", "", "", "LAE LAD"),
    ("Sinus rhythm Possible Left atrial enlargement Left axis deviation", "SIN LAD", "", "LAE"),
    ("Atrial flutter is no longer present", "", "AFL", ""),
    ("Possible atrial flutter is no longer present", "", "AFL", ""),
    ("Sinus rhythm and premature ventricular complexes are no longer present", "", "SIN PVC", ""),
    ("When compared with ECG of 12-JAN-2010 10:15, Atrial fibrillation has replaced Sinus rhythm", "AF IRI", "SIN", ""),
    ("Atrial fibrillation has been replaced by sinus rhythm", "SIN", "AF IRI", ""),
    ("T wave inversion no longer evident in Lateral leads", "", "TWI-LAT", ""),
    ("T wave inversion now evident in Inferior leads", "TWI-INF", "TWI-LAT", ""),
    ("ST no longer elevated in Anterior leads", "", "STE-ANT", ""),
    ("ST elevation has replaced ST depression in Inferior leads", "STE-INF", "STD-INF", ""),
    ("Inverted T waves have replaced nonspecific T wave abnormality in Anterior leads", "TWI-ANT", "TWI-INF", ""),
    ("Acute MI ruled out", "", "AMI", ""),
    ("Inferior infarct?", "", "Q-LAT", "Q-INF"),
    ("History of atrial fibrillation; Normal sinus rhythm", "SIN", "", "AF"),
    ("Sinus rhythm, not atrial fibrillation", "SIN", "AF", ""),
    ("Rule out acute MI", "", "LVH", "AMI"),
    ("Left bundle branch block is now present", "LBBB", "RBBB", ""),
    ("ST elevation in inferior leads is no longer present", "", ALL_STE, ""),
    ("Possible Inferior infarct , age undetermined, Possible Lateral infarct", "", "Q-ANT", "Q-INF Q-LAT"),
    ("Incomplete left bundle branch block has replaced Left bundle branch block", "", "LBBB", ""),
    ("QTc prolonged, PR interval is prolonged", "LQT AVB1", "", ""),
    ("Acute inferior STEMI", "AMI STE-INF", "STE-ANT Q-ANT", "Q-INF"),
    ("Anterior Q waves, possibly due to LVH", "Q-ANT", "Q-INF", "LVH"),
    ("Third degree AV block with ventricular escape rhythm", "AVB3 VR", "M2", ""),
    # French
    ("Rythme sinusal normal", "SIN REG", "AF", ""),
    ("Rythme sinusal normal; ECG normal", "SIN REG", "AF LVH", ""),
    ("Rythme sinusal avec arythmie sinusale", "SIN", "REG", ""),
    ("Bradycardie sinusale", "SIN BRADY", "AF", ""),
    ("Tachycardie sinusale; Tracé anormal", "SIN", "BRADY", ""),
    ("Fibrillation auriculaire", "AF IRI", "SIN", ""),
    ("FA avec réponse ventriculaire rapide", "AF IRI", "SIN", ""),
    ("Flutter auriculaire avec bloc AV variable", "AFL", "AF M1", ""),
    ("Bloc AV du 1er degré", "AVB1", "M1", ""),
    ("Bloc auriculo-ventriculaire du premier degré", "AVB1", "AVB3", ""),
    ("BAV 1", "AVB1", "M1", ""),
    ("BAV du 2ème degré Mobitz I", "M1 RRI", "M2", ""),
    ("Bloc AV complet", "AVB3", "AVB1", ""),
    ("Bloc de branche gauche complet", "LBBB", "RBBB", ""),
    ("BBG", "LBBB", "RBBB", ""),
    ("BBD incomplet", "RSR", "RBBB", ""),
    ("Bloc incomplet de la branche droite", "RSR", "RBBB", ""),
    ("Hémibloc antérieur gauche", "LAFB LAD", "LPFB", ""),
    ("Hémibloc gauche antérieur", "LAFB LAD", "", ""),
    ("Hémibloc postérieur gauche", "LPFB RAD", "LAFB", ""),
    ("Extrasystoles ventriculaires", "PVC", "PAC", ""),
    ("Rythme sinusal avec ESV", "SIN PVC", "", ""),
    ("Extrasystoles supraventriculaires", "PAC", "PVC", ""),
    ("Extrasystoles auriculaires isolées", "PAC", "", ""),
    ("Rythme électro-entraîné", "", "LVP", "VP AP"),
    ("Stimulateur ventriculaire", "VP", "AP", ""),
    ("Hypertrophie ventriculaire gauche", "LVH", "RVH", ""),
    ("Hypertrophie auriculaire gauche", "LAE", "RAE", ""),
    ("Infarctus inférieur d'âge indéterminé", "Q-INF", "AMI", ""),
    ("Infarctus antéro-septal ne peut être exclu", "", "AMI", "Q-SEP Q-ANT"),
    ("Infarctus inférieur possible, d’âge indéterminé", "", "Q-LAT", "Q-INF"),
    ("Possible infarctus inférieur", "", "Q-LAT", "Q-INF"),
    ("BBD et HVG probable", "RBBB", "", "LVH"),
    ("Infarctus du myocarde aigu", "AMI", "LVH", ALL_STE),
    ("Sus-décalage du segment ST en V1-V3", "STE-SEP STE-ANT", "STE-INF", ""),
    ("Sus-décalage du segment ST", "", "LVH", ALL_STE),
    ("Sous-décalage du ST en inférieur", "STD-INF", "STD-LAT", ""),
    ("Ondes T inversées en latéral", "TWI-LAT", "TWI-INF", ""),
    ("Ondes T négatives en DII, DIII, aVF", "TWI-INF", "TWI-LAT", ""),
    ("QT allongé", "LQT", "", ""),
    ("Bas voltage", "LOWV", "", ""),
    ("Déviation axiale gauche", "LAD", "RAD", ""),
    ("Pas de sus-décalage du segment ST", "", ALL_STE, ""),
    ("Absence d'onde Q", "", "Q-INF Q-ANT", ""),
    ("Le bloc de branche gauche n'est plus présent", "", "LBBB", ""),
    ("Fibrillation auriculaire a remplacé Rythme sinusal", "AF IRI", "SIN", ""),
    ("Hypertrophie ventriculaire gauche mais pas d'ischémie", "LVH", "STD-LAT", ""),
    ("Élévation du ST, envisager une lésion antérieure ou un infarctus aigu", "STE-ANT", "STE-INF", "AMI"),
    ("Retard de conduction intraventriculaire non spécifique", "IVCD", "LBBB", ""),
    ("Repolarisation précoce", "EREP", "PERI", ""),
    ("Péricardite aiguë", "PERI", "AMI", ""),
    ("Inversion des électrodes", "LEAD", "", ""),
    ("Pas de bloc de branche ni hypertrophie ventriculaire gauche", "", "LBBB RBBB LVH", ""),
    ("Rythme sinusal, BAV du 1er degré, pas d'ischémie, HVG possible.", "SIN AVB1", "TWI-INF", "LVH"),
    ("Fibrillation auriculaire remplacée par un rythme sinusal", "SIN", "AF", ""),
    ("Infarctus inférieur, probablement ancien", "Q-INF", "AMI", ""),
    ("Bloc AV du second degré, type 1 (Wenckebach)", "M1 RRI", "M2", ""),
    ("Anomalies non spécifiques de l'onde T", "", ALL_TWI, ""),
]
STATEMENTS = [text for text, *_ in CASES if ";" not in text]
# Statements of GE 12SL, Philips DXL and Mortara VERITAS that say nothing about the 77 or are named in passing above.
OTHER_KNOWN = """Abnormal ECG|Borderline ECG|Otherwise normal ECG|No significant change was found|Tracé anormal
ECG limite|Pediatric ECG analysis|Poor data quality, interpretation may be adversely affected|No previous ECGs available
When compared with ECG of 12-JAN-2010|Vent. rate has increased BY 30 BPM|QT has shortened|PR interval has increased
Significant changes have occurred|Masked by fascicular block|Aberrant conduction|With retrograde conduction
With sinus pause|With ventricular escape complexes|Fusion complexes|Pulmonary disease pattern|Or digitalis effect
With QRS widening|T wave amplitude has decreased in Lateral leads|Questionable change in QRS axis|Unconfirmed diagnosis
Non-specific change in ST segment in Inferior leads|Nonspecific T wave abnormality no longer evident in Anterior leads
Poor R wave progression|Lateral ST-T changes are nonspecific|ST junctional depression is nonspecific|Short PR interval
Age not entered, assumed to be 50 years old for purpose of ECG interpretation|Aucun changement significatif
Current undetermined rhythm precludes rhythm comparison, needs review|Sinus/atrial capture|With AV dissociation"""


def label(text: str, uncertain: str = "unknown") -> np.ndarray:
    return label_texts([text], LEXICON, uncertain).values[0]


def of(values: np.ndarray, key: str) -> float:
    return values[PATTERNS.names.index(NAMES[key])]


@pytest.mark.parametrize(("text", "ones", "zeros", "unknowns"), CASES, ids=[text for text, *_ in CASES])
def test_statement_says_what_a_cardiologist_reads(text, ones, zeros, unknowns):
    values = label(text)
    assert {PATTERNS.names[i] for i in np.flatnonzero(values == 1)} == {NAMES[key] for key in ones.split()}
    assert [key for key in zeros.split() if of(values, key) != 0] == []
    assert [key for key in unknowns.split() if not np.isnan(of(values, key))] == []


@pytest.mark.parametrize("text", OTHER_KNOWN.replace("\n", "|").split("|"))
def test_statements_without_a_pattern_are_known_all_the_same(text):
    assert not label_texts([text], LEXICON).unknown_statements


def test_empty_and_wholly_unknown_texts_are_unknown_throughout():
    labels = label_texts(["", None, float("nan"), "zorblax", "Abnormal ECG", "Confirmed by DOE, JANE"], LEXICON)
    assert np.isnan(labels.values).all()
    assert (labels.n_texts, labels.n_empty, labels.n_recognised, labels.n_unrecognised) == (6, 3, 0, 3)


def test_labels_have_one_row_a_text_in_order():
    texts = ["Atrial fibrillation", "", "Sinus rhythm", "Atrial fibrillation"]
    values = label_texts(texts, LEXICON).values
    assert values.shape == (4, 77)
    assert values.dtype == np.float32
    np.testing.assert_array_equal(values[0], values[3])
    assert of(values[2], "SIN") == 1
    assert label_texts([], LEXICON).values.shape == (0, 77)


@pytest.mark.parametrize(("uncertain", "expected"), [("unknown", np.nan), ("positive", 1.0), ("negative", 0.0)])
@pytest.mark.parametrize("text", ["Possible inferior infarct", "Infarctus inférieur ne peut être exclu"])
def test_uncertain_is_configurable(text, uncertain, expected):
    np.testing.assert_equal(of(label(text, uncertain), "Q-INF"), np.float32(expected))


def test_unknown_value_of_uncertain_names_the_choices():
    with pytest.raises(ConfigError, match="expected one of unknown, positive, negative"):
        label_texts(["Sinus rhythm"], LEXICON, "maybe")


def test_patterns_without_phrases_are_never_known():
    never = {PATTERNS.names[i] for i in np.flatnonzero(~LEXICON.can_be_known)}
    assert never == {"R complex in V5-V6", "qRS in V5-V6-I, aVL", "QRS complex negative in III"}
    values = label_texts(STATEMENTS, LEXICON).values
    assert np.isnan(values[:, ~LEXICON.can_be_known]).all()


def test_both_languages_state_what_devices_state():
    stated = {language: set() for language in ("en", "fr")}
    for phrase in LEXICON.phrases:
        everywhere = ("inferior", "lateral", "anterior", "septal", "posterior")
        stated[phrase.language] |= set(phrase.stated.at(everywhere)) | set(phrase.implied.at(everywhere))
    only_english = {PATTERNS.names[i] for i in stated["en"] - stated["fr"]}
    assert stated["fr"] <= stated["en"]
    # Criteria that 12SL prints in English behind its LVH and RVH statements.
    assert only_english == {NAMES["RAVL"], NAMES["RV1"]}


def test_unknown_statements_are_counted_with_multiplicity_and_without_figures():
    texts = ["Sinus rhythm; zorblax syndrome", "Zorblax  SYNDROME", "Sinus rhythm, odd frobnication"]
    labels = label_texts([*texts, "Patient 12345678 " + "x" * 200], LEXICON)
    assert labels.unknown_statements["zorblax syndrome"] == 2
    assert labels.unknown_statements["odd frobnication"] == 1
    long = next(statement for statement in labels.unknown_statements if statement.startswith("patient"))
    assert len(long) == 80
    assert long.startswith("patient ######## ")


def test_the_name_of_who_confirmed_is_never_kept():
    text = "Normal sinus rhythm. Confirmed by DOE, M.D., JANE (1008) on 2/9/2015 11:10:33 AM\nConfirmé par Dupont"
    assert not label_texts([text], LEXICON).unknown_statements


def test_measurements_behind_a_statement_are_no_unknown_statements():
    assert not label_texts(["Normal sinus rhythm, rate 72"], LEXICON).unknown_statements


@pytest.mark.parametrize(
    "mangled",
    [
        "Déviation axiale gauche".encode().decode("latin-1"),
        "Déviation axiale gauche".encode("latin-1").decode("utf-8", errors="replace"),
        "D?viation axiale gauche",
        unicodedata.normalize("NFD", "Déviation axiale gauche"),
        "DEVIATION AXIALE GAUCHE",
        "Dviation axiale gauche",
    ],
)
def test_accents_may_be_lost_or_mangled(mangled):
    assert of(label(mangled), "LAD") == 1


@pytest.mark.parametrize("apostrophe", ["'", "’", "`", " "])
def test_apostrophes_of_any_kind(apostrophe):
    assert of(label(f"Infarctus inférieur d{apostrophe}âge indéterminé"), "Q-INF") == 1


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(STATEMENTS), min_size=1, max_size=5), st.randoms(use_true_random=False))
def test_the_order_of_statements_does_not_matter(statements, random):
    shuffled = random.sample(statements, len(statements))
    np.testing.assert_array_equal(label("; ".join(statements)), label("\n".join(shuffled)))


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(STATEMENTS))
def test_case_accents_and_blanks_do_not_matter(statement):
    plain = "".join(c for c in unicodedata.normalize("NFKD", statement) if not unicodedata.combining(c))
    expected = label(statement)
    for variant in (statement.upper(), statement.lower(), plain, "  " + statement.replace(" ", "  ") + " . "):
        np.testing.assert_array_equal(label(variant), expected)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(STATEMENTS), st.sampled_from(["; ", "\n", " | "]), st.booleans())
def test_an_unknown_statement_changes_nothing(statement, separator, first):
    parts = ["zorblax frobnicated", statement] if first else [statement, "zorblax frobnicated"]
    np.testing.assert_array_equal(label(separator.join(parts)), label(statement))


def single_phrases(language: str) -> list[str]:
    """Findings that state something outright, as they stand in the table, with a territory in the {leads} slot."""
    territory = {"en": "inferior", "fr": "inférieur"}[language]
    return [
        phrase.text.replace("{leads}", territory)
        for phrase in LEXICON.phrases
        if phrase.is_finding and phrase.language == language and phrase.stated.at(("inferior",))
    ]


@pytest.mark.parametrize(
    ("language", "before", "expected"),
    [("en", "No ", 0), ("fr", "Absence de ", 0), ("en", "Possible ", np.nan), ("fr", "Suspicion de ", np.nan)],
)
def test_every_phrase_of_the_table_is_negated_and_doubted(language, before, expected):
    failures = []
    for phrase in single_phrases(language):
        stated = np.flatnonzero(label(phrase) == 1)
        qualified = label(before + phrase)[stated]
        # What only follows from the phrase may become unknown instead of 0; nothing may stay 1.
        kept = (qualified == 1).any()
        if kept or not any(np.array_equal(value, expected, equal_nan=True) for value in qualified):
            failures.append((phrase, qualified))
    assert failures == []


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=120))
def test_any_text_gets_labels(text):
    values = label(text)
    assert np.isin(values[~np.isnan(values)], (0, 1)).all()


@pytest.mark.parametrize(
    ("table", "column"),
    [("preprocess/inputs/manifest.csv", "diagnosis"), ("analysis/input.csv", "ecg_machine_diagnosis")],
)
def test_every_statement_of_the_reference_tables_is_recognised(table, column):
    path = SHARED / "golden" / table
    if not path.exists():
        pytest.skip(f"{path.name} of the reference runs is not here")
    with open(path, encoding="utf-8", newline="") as handle:
        texts = [row[column] for row in csv.DictReader(handle)]
    labels = label_texts(texts, LEXICON)
    assert labels.unknown_statements == {}
    assert labels.n_recognised + labels.n_empty == labels.n_texts > 0


PHRASE_HEADER = "phrase,language,kind,patterns,implied_patterns,open_patterns,absent_patterns,comment\n"
QUALIFIER_HEADER = "words,language,kind,position,means,comment\n"


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("sinus rhythm,en,finding,Sinusall,,,,\n", r"line 2, patterns: no pattern 'Sinusall'; did you mean 'Sinusal'"),
        ("sinus rhythm,en,finding,,,,,\nSinus  Rhythms,en,finding,,,,,\n", "line 3: 'Sinus  Rhythms' reads the same"),
        ("sinus rhythm,de,finding,,,,,\n", "line 2: language is 'de', expected one of en, fr"),
        ("sinus rhythm,en,fact,,,,,\n", "line 2: kind is 'fact'"),
        ("...,en,finding,,,,,\n", "line 2: no words"),
        ("normal,en,remark,Sinusal,,,,\n", "line 2: a remark says nothing about patterns"),
        ("infarct,en,finding,Q wave ({leads}),,,,\n", "line 2: a pattern has {leads}, the phrase 'infarct' has not"),
        ("{leads} x,en,finding,Zorblax ({leads}),,,,\n", "no pattern begins with 'Zorblax"),
        ("st up,en,finding,ST elevation (*,,,,\n", "can only be left open"),
        ("sinus rhythm,en,finding,Sinusal\n", "line 2: the number of cells differs"),
    ],
)
def test_a_wrong_row_is_named(tmp_path, rows, message):
    (tmp_path / "phrases.csv").write_text(PHRASE_HEADER + rows, encoding="utf-8")
    (tmp_path / "qualifiers.csv").write_text(QUALIFIER_HEADER, encoding="utf-8")
    with pytest.raises(ConfigError, match=message.replace("(", r"\(").replace("{", r"\{")):
        load_lexicon(tmp_path / "phrases.csv", tmp_path / "qualifiers.csv", PATTERNS)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("no,en,negated,around,,\n", "line 2: position is 'around', expected one of before, after, either"),
        ("no,en,denied,before,,\n", "line 2: kind is 'denied'"),
        ("upper,en,territory,,apical,\n", "line 2: means is 'apical'"),
        ("high lateral,en,territory,,lateral,\n", "line 2: 'high lateral' is not one word"),
        ("ekg,en,spelling,,ecg,\nEKG,en,spelling,,ecg,\n", "line 3: 'EKG' already has a spelling"),
    ],
)
def test_a_wrong_qualifier_row_is_named(tmp_path, rows, message):
    (tmp_path / "phrases.csv").write_text(PHRASE_HEADER, encoding="utf-8")
    (tmp_path / "qualifiers.csv").write_text(QUALIFIER_HEADER + rows, encoding="utf-8")
    with pytest.raises(ConfigError, match=message):
        load_lexicon(tmp_path / "phrases.csv", tmp_path / "qualifiers.csv", PATTERNS)


@pytest.mark.parametrize(
    ("text", "present", "absent"),
    [
        ("Normal", {"Sinusal"}, {"Afib", "1st degree AV block"}),
        ("I-AVB", {"1st degree AV block"}, {"Afib"}),
        ("STE", set(), {"Afib"}),
    ],
)
def test_abbreviations_of_data_sets_count_as_whole_statements(text, present, absent):
    values = label_texts([text], LEXICON).values[0]
    names = list(LEXICON.patterns.names)
    assert {name for name, value in zip(names, values, strict=True) if value == 1} >= present
    assert all(values[names.index(name)] == 0 for name in absent)


def test_normal_as_one_word_among_others_is_no_finding():
    values = label_texts(["Normal xyzzy"], LEXICON).values[0]
    assert np.isnan(values).all()
