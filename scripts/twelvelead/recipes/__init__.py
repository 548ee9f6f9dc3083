"""Recipes turn a recording into the tensor that a family of models was trained on."""

# Seconds of signal, from the start, that each recipe needs.
DURATION_S = {"deepecg": 10.0, "openecg": 10.0, "ecgfm": 5.0}
# Recipes that make a row of every window of a recording; the others make one row of its first seconds.
WINDOWED = frozenset({"ecgfm"})
