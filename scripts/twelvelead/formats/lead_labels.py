"""Lead names as signal labels and column names carry them, with the kind of signal or a unit beside."""

import re

from twelvelead.formats.leads import standard_lead

# The separator belongs to the prefix, a further sign to the name: "ECG -aVR" is EDF's label of another lead.
_KIND_OF_SIGNAL = re.compile(r"(?:ecg|ekg)(?:\s+-\s+|\s*[_:]\s*|-|\s+)(?P<name>.*)", re.IGNORECASE | re.DOTALL)


def lead_of_label(label: str) -> str | None:
    """The member of LEADS that a label means ("ECG I", "EKG-V1", "Lead aVR", "v2"); None where it is another signal."""
    label = label.strip()
    prefixed = _KIND_OF_SIGNAL.fullmatch(label)
    return standard_lead(label) or (standard_lead(prefixed["name"]) if prefixed else None)
