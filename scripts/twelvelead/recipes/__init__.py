"""Recipes turn a recording into the tensor that a family of models was trained on."""

# Seconds of signal, from the start, that each recipe needs.
DURATION_S = {"deepecg": 10.0, "openecg": 10.0}
