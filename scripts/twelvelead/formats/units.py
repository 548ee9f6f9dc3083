"""Units of voltage as files write them."""

# Keys are casefolded, which makes the same letter of both micro signs (U+00B5 and U+03BC).
MILLIVOLTS = {"nv": 1e-6, "uv": 1e-3, "\u03bcv": 1e-3, "mv": 1.0, "v": 1e3}
UNIT_SYMBOLS = {"nv": "nV", "uv": "uV", "\u03bcv": "uV", "mv": "mV", "v": "V"}
# UCUM tells cases apart: its MV is a megavolt. Files have either micro sign for its u.
UCUM_MILLIVOLTS = {code: MILLIVOLTS[code.casefold()] for code in ("nV", "uV", "\u00b5V", "\u03bcV", "mV", "V")}
