"""Model families. A family is a module here with `load(path, device, settings)`; see models/openecg.py."""

FAMILIES = ("openecg",)
