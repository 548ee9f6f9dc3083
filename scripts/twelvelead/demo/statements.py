"""Statements as an interpreting electrocardiograph prints them, in English and French."""

import numpy as np

from twelvelead.demo.simulate import Simulated

LANGUAGES = ("en", "fr")

# What a machine that errs takes a rhythm for; the pairs are the confusions that readers of machine statements know.
MISTAKEN_FOR = {
    "sinus": "atrial_fibrillation",
    "atrial_fibrillation": "sinus",
    "first_degree_av_block": "sinus",
    "left_bundle_branch_block": "ventricular_paced",
    "right_bundle_branch_block": "sinus",
    "ventricular_paced": "left_bundle_branch_block",
    "premature_ventricular_complexes": "atrial_fibrillation",
}

_SINUS = {
    "en": ("Sinus bradycardia", "Normal sinus rhythm", "Sinus tachycardia"),
    "fr": ("Bradycardie sinusale", "Rythme sinusal normal", "Tachycardie sinusale"),
}
_FIBRILLATION = {
    "en": (
        "Atrial fibrillation with slow ventricular response",
        "Atrial fibrillation",
        "Atrial fibrillation with rapid ventricular response",
    ),
    "fr": (
        "Fibrillation auriculaire avec réponse ventriculaire lente",
        "Fibrillation auriculaire",
        "Fibrillation auriculaire avec réponse ventriculaire rapide",
    ),
}
_PRINCIPAL = {
    "first_degree_av_block": {"en": "1st degree AV block", "fr": "Bloc AV du 1er degré"},
    "left_bundle_branch_block": {"en": "Left bundle branch block", "fr": "Bloc de branche gauche"},
    "right_bundle_branch_block": {"en": "Right bundle branch block", "fr": "Bloc de branche droit"},
    "ventricular_paced": {
        "en": "Ventricular-paced rhythm",
        "fr": "Rythme électro-entraîné ventriculaire",
    },
}
_ECTOPY = {
    "en": {
        "occasional": "Sinus rhythm with occasional premature ventricular complexes",
        "frequent": "Sinus rhythm with frequent premature ventricular complexes",
    },
    "fr": {
        "occasional": "Rythme sinusal avec extrasystoles ventriculaires occasionnelles",
        "frequent": "Rythme sinusal avec extrasystoles ventriculaires fréquentes",
    },
}
# Hedged: what the machine could not exclude, or calls possible. The simulated hearts have none of it.
_HEDGED = {
    "en": (
        "Possible left atrial enlargement",
        "Cannot rule out anterior infarct, age undetermined",
        "Nonspecific T wave abnormality",
        "Possible inferior infarct, age undetermined",
    ),
    "fr": (
        "Possible hypertrophie auriculaire gauche",
        "Infarctus antérieur, d'âge indéterminé, ne peut être exclu",
        "Anomalie non spécifique de l'onde T",
        "Possible infarctus inférieur, d'âge indéterminé",
    ),
}
_CONCLUSION = {
    "normal": {"en": "Normal ECG", "fr": "ECG normal"},
    "otherwise normal": {"en": "Otherwise normal ECG", "fr": "ECG par ailleurs normal"},
    "borderline": {"en": "Borderline ECG", "fr": "ECG à la limite de la normale"},
    "abnormal": {"en": "Abnormal ECG", "fr": "ECG anormal"},
}


def machine_statements(
    simulated: Simulated, language: str, rng: np.random.Generator, *, mistaken: bool = False, hedging: float = 0.15
) -> tuple[str, ...]:
    """The statements a machine makes of `simulated`, rhythm first and conclusion last.

    language  "en" or "fr"
    mistaken  the machine takes the rhythm for another, MISTAKEN_FOR
    hedging   probability of one hedged side statement
    """
    rhythm = MISTAKEN_FOR[simulated.rhythm] if mistaken else simulated.rhythm
    statements = _rhythm_statements(rhythm, simulated, language)
    hedged = rng.random() < hedging
    if hedged:
        statements.append(_HEDGED[language][rng.integers(len(_HEDGED[language]))])
    return (*statements, _CONCLUSION[_conclusion(rhythm, simulated.heart_rate_bpm, hedged)][language])


def _rhythm_statements(rhythm: str, simulated: Simulated, language: str) -> list[str]:
    rate_bpm = simulated.heart_rate_bpm
    if rhythm == "atrial_fibrillation":
        return [_FIBRILLATION[language][_rate_class(rate_bpm, slow_bpm=60, fast_bpm=110)]]
    if rhythm == "ventricular_paced":
        return [_PRINCIPAL[rhythm][language]]
    if rhythm == "premature_ventricular_complexes":
        # Three in ten seconds are called frequent here; devices draw this line differently.
        return [_ECTOPY[language]["frequent" if simulated.ectopic.sum() >= 3 else "occasional"]]
    sinus = _SINUS[language][_rate_class(rate_bpm, slow_bpm=60, fast_bpm=100)]
    return [sinus] if rhythm == "sinus" else [sinus, _PRINCIPAL[rhythm][language]]


def _rate_class(rate_bpm: float, slow_bpm: float, fast_bpm: float) -> int:
    """0 slow, 1 neither, 2 fast."""
    return 1 + int(rate_bpm > fast_bpm) - int(rate_bpm < slow_bpm)


def _conclusion(rhythm: str, rate_bpm: float, hedged: bool) -> str:
    if rhythm == "first_degree_av_block" and not hedged:
        return "otherwise normal"
    if rhythm != "sinus":
        return "abnormal"
    if hedged:
        return "borderline"
    return "normal" if 60 <= rate_bpm <= 100 else "otherwise normal"
