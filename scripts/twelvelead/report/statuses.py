"""The words for what can become of a file and of its truth, in the order of recordings.csv."""

from twelvelead.table import NOT_SELECTED

SIGNAL_STATUSES = {
    "ok": "read and usable",
    NOT_SELECTED: "not in the batch's subset",
    "missing": "the file is not there",
    "unreadable": "the file is broken",
    "unsupported": "no reader for this content",
    "too_short": "too short for every model",
    "lead_missing": "a lead is absent and cannot be derived",
    "not_finite": "the signal holds NaN or infinity",
    "flat": "every lead is constant",
    "poor_quality": "has a flag that the settings exclude",
    "duplicate": "the same ECG as an earlier row",
    "refused": "the settings do not allow it",
}
TRUTH_STATUSES = {
    "ok": "has its truth",
    "missing": "no truth: predictions only",
    "conflicting": "rows disagree about it",
    "invalid": "the truth is no value the task knows",
    NOT_SELECTED: "not in the batch's subset",
}
