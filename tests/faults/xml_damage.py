"""Damage of XML: fields that samples are scaled by, elements, base64, encodings."""

import random
import re

from faults.damage import once
from faults.text_damage import HOSTILE_NAMES, HOSTILE_NUMBERS
from faults.xml_bombs import BOMBS
from faults.xml_text import DECLARATION, ELEMENT, ROOT, xml

# Elements and attributes that rates, gains, lengths and lead names are read from, in all XML formats together.
_FIELDS = (
    # MUSE
    *("SampleBase", "SampleExponent", "LeadAmplitudeUnitsPerBit", "LeadAmplitudeUnits", "LeadSampleCountTotal"),
    *("LeadID", "LeadSampleSize", "WaveformType", "LeadByteCountTotal", "WaveFormData"),
    # CardioSoft
    *("SampleRate", "Resolution", "ChannelSampleCountTotal", "LeadOrder", "lead", "units", "WaveformData"),
    # Philips
    *("samplingrate", "resolution", "samplespersecond", "samplespersec", "signalresolution", "durationperchannel"),
    *("numberofleads", "leadlabels", "dataencoding", "compressflag", "compressmethod", "compression", "bitspersample"),
    *("signaloffset", "signalsigned", "documenttype", "documentversion", "acquisitiontype", "leadset"),
    # HL7 aECG
    *("increment", "scale", "origin", "digits", "code", "value", "unit", "codeSystem", "type"),
    # Mortara, Schiller and others
    *("SAMPLE_FREQ", "UNITS_PER_MV", "DURATION", "NAME", "DATA", "BITS", "FORMAT", "ENCODING", "SIGNED", "OFFSET"),
    *("samplecount", "unitperbit", "datastype", "channel", "data", "COMMASEPARATE"),
)
_FIELD = re.compile(
    r"(?P<attribute>(?<![\w:.-])(?:" + "|".join(_FIELDS) + r")\s*=\s*(?P<quote>[\"'])(?P<value>[^\"'<]*)(?P=quote))"
    r"|(?P<element><(?:[\w.-]+:)?(?:" + "|".join(_FIELDS) + r")(?=[\s>])[^>]*>(?P<text>[^<]{0,200})</)",
    re.IGNORECASE,
)
_HOSTILE_WORDS = (
    "MICROVOLTS",
    "mV",
    "uV",
    "Pa",
    "Median",
    "Hex",
    "Base64",
    "XLI",
    "Plain",
    "none",
    "TRUE",
    "nul\u0142",
)
_ANY_ATTRIBUTE = re.compile(r"(?<=[\s])[\w:.-]+=(?P<quote>[\"'])(?P<value>[^\"'<]{0,200})(?P=quote)")
_ANY_TEXT = re.compile(r"<[\w:.-]+(?:\s[^<>]*)?>(?P<value>[^<]{0,200})</")
_BASE64 = re.compile(r">(?P<text>\s*[A-Za-z0-9+/=\r\n\t ]{200,})<")


@xml
def value_in_cdata(text: str, rng: random.Random) -> str | None:
    match = _some(_ANY_TEXT, text, rng)
    return match and text[: match.start("value")] + f"<![CDATA[{match['value']}]]>" + text[match.end("value") :]


@xml
def field_made_hostile(text: str, rng: random.Random) -> str | None:
    """A rate, gain, length, unit or lead name: 0, negative, NaN, 2 GB, words of other vendors."""
    match = _some(_FIELD, text, rng)
    if match is None:
        return None
    group = "value" if match["attribute"] else "text"
    return text[: match.start(group)] + _hostile_value(rng) + text[match.end(group) :]


@xml
def field_made_hostile_everywhere(text: str, rng: random.Random) -> str | None:
    match = _some(_FIELD, text, rng)
    if match is None:
        return None
    start, end = (place - match.start() for place in match.span("value" if match["attribute"] else "text"))
    return text.replace(match[0], match[0][:start] + _hostile_value(rng) + match[0][end:])


def _hostile_value(rng: random.Random) -> str:
    value = rng.choice((*HOSTILE_NUMBERS, *_HOSTILE_WORDS, *HOSTILE_NAMES[:12]))
    return value.replace("&", "&amp;").replace("<", "&lt;")


def _some(pattern: re.Pattern, text: str, rng: random.Random) -> re.Match | None:
    """The first match behind a random place, or else the first of all."""
    return pattern.search(text, rng.randrange(max(1, len(text)))) or pattern.search(text)


@xml
def attribute_made_hostile(text: str, rng: random.Random) -> str | None:
    match = _some(_ANY_ATTRIBUTE, text, rng)
    return match and text[: match.start("value")] + _hostile_value(rng) + text[match.end("value") :]


@xml
def value_made_hostile(text: str, rng: random.Random) -> str | None:
    match = _some(_ANY_TEXT, text, rng)
    return match and text[: match.start("value")] + _hostile_value(rng) + text[match.end("value") :]


@xml
def attribute_deleted(text: str, rng: random.Random) -> str | None:
    match = _some(_ANY_ATTRIBUTE, text, rng)
    return match and text[: match.start()] + text[match.end() :]


@xml
def element_deleted(text: str, rng: random.Random) -> str | None:
    span = _element(text, rng)
    return span and text[: span[0]] + text[span[1] :]


@xml
def element_duplicated(text: str, rng: random.Random) -> str | None:
    span = _element(text, rng)
    return span and text[: span[1]] + text[span[0] : span[1]] * rng.choice((1, 1, 100)) + text[span[1] :]


@xml
def elements_swapped(text: str, rng: random.Random) -> str | None:
    first, second = _element(text, rng), _element(text, rng)
    if first is None or second is None:
        return None
    (a, b), (c, d) = sorted((first, second))
    return None if c < b else text[:a] + text[c:d] + text[b:c] + text[a:b] + text[d:]


def _element(text: str, rng: random.Random) -> tuple[int, int] | None:
    """Where a random element starts and ends; elements within others of their own name end too early, as damage may."""
    starts = list(ELEMENT.finditer(text))
    if len(starts) < 2:
        return None
    start = rng.choice(starts[1:])
    closing = text.find(f"</{start['tag']}>", start.end())
    end = start.end() if start[0].endswith("/>") or closing < 0 else closing + len(start["tag"]) + 3
    return start.start(), end


@xml
def tag_renamed(text: str, rng: random.Random) -> str | None:
    names = sorted({match["tag"] for match in ELEMENT.finditer(text)})
    if not names:
        return None
    name = rng.choice(names)
    other = rng.choice((name.upper(), name.lower(), f"n:{name}", name + "x", rng.choice(names)))
    return re.sub(rf"(</?){re.escape(name)}(?=[\s/>])", rf"\g<1>{other}", text)


@xml
def base64_damaged(text: str, rng: random.Random) -> str | None:
    match = _some(_BASE64, text, rng)
    if match is None:
        return None
    stored = match["text"]
    at = rng.randrange(len(stored))
    damaged = rng.choice(
        (
            stored[:at] + "!" + stored[at + 1 :],
            stored[:at] + stored[at + 1 :],
            stored[:at] + "=" + stored[at:],
            stored[:at],
            stored.rstrip().rstrip("="),
            stored.replace("+", "-").replace("/", "_"),
            stored[:at] + "\n \t" * 1000 + stored[at:],
            stored + stored,
            "A" * 40_000_000,
            "A" * len(stored),
            "====",
            "",
            stored[:at] + "\u0410" + stored[at + 1 :],
        )
    )
    return text[: match.start("text")] + damaged + text[match.end("text") :]


@xml
def encoding_declared_wrong(text: str, rng: random.Random) -> str | None:
    encodings = (
        "UTF-16",
        "UTF-8",
        "UTF-32",
        "IBM037",
        "UTF-7",
        "SHIFT_JIS",
        "ASCII",
        "x-nothing",
        "",
        "HZ-GB-2312",
        "UCS-4",
    )
    declared = f'<?xml version="1.0" encoding="{rng.choice(encodings)}"?>'
    return declared + DECLARATION.sub("", text, count=1).lstrip()


@xml
def recoded(text: str, rng: random.Random) -> str | None:
    """The same document in another encoding, declared or not, with its mark or without."""
    encoding = rng.choice(("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig", "cp037", "utf-7"))
    declared = rng.choice(("", f'<?xml version="1.0" encoding="{encoding}"?>'))
    body = DECLARATION.sub("", text, count=1).lstrip("\ufeff\xef\xbb\xbf \r\n")
    return (declared + body).encode(encoding, "xmlcharrefreplace").decode("latin-1")


@xml
def namespace_changed(text: str, rng: random.Random) -> str | None:
    root = ROOT.search(text)
    if root is None:
        return None
    namespace = rng.choice(
        (' xmlns="urn:other"', ' xmlns:a="b" xmlns:a="c"', ' xmlns="urn:hl7-org:v3"', ' xmlns:xml="x"')
    )
    bare = re.sub(r"\sxmlns(?::\w+)?=\"[^\"]*\"", "", root[0])
    return text[: root.start()] + bare[:-1] + namespace + ">" + text[root.end() :]


@once
@xml
def two_roots(text: str, rng: random.Random) -> str | None:
    return text + DECLARATION.sub("", text, count=1)


XML = (
    *BOMBS,
    value_in_cdata,
    field_made_hostile,
    field_made_hostile_everywhere,
    attribute_made_hostile,
    value_made_hostile,
    attribute_deleted,
    element_deleted,
    element_duplicated,
    elements_swapped,
    tag_renamed,
    base64_damaged,
    encoding_declared_wrong,
    recoded,
    namespace_changed,
    two_roots,
)
