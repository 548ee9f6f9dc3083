"""HL7 aECG made for tests, from the HL7 aECG Implementation Guide (final, 21 March 2005)."""

import numpy as np

from unit.vendor_files import TWELVE_LEADS, counts

NAMESPACE = ' xmlns="urn:hl7-org:v3" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
PERSON = "<author><assignedEntity><assignedAuthorType><assignedPerson/></assignedAuthorType></assignedEntity></author>"


def lead_code(lead: str) -> str:
    return f"MDC_ECG_LEAD_{lead.upper()}"


def rows(signal: np.ndarray, names: tuple[str, ...] = TWELVE_LEADS, separator: str = " ") -> dict[str, str]:
    """MDC lead code -> digits."""
    return {lead_code(name): separator.join(map(str, row)) for name, row in zip(names, signal, strict=True)}


def time_sequence(
    increment: str = 'value="0.002" unit="s"', code: str = "TIME_ABSOLUTE", kind: str = "GLIST_TS"
) -> str:
    return (
        f'<component><sequence><code code="{code}" codeSystem="2.16.840.1.113883.5.4"/>'
        f'<value xsi:type="{kind}"><head value="20021122091000.000"/><increment {increment}/></value>'
        "</sequence></component>"
    )


def lead_sequence(
    code: str, digits: str, scale: str = 'value="2.5" unit="uV"', origin: str = 'value="0" unit="uV"'
) -> str:
    return (
        f'<component><sequence><code code="{code}" codeSystem="2.16.840.1.113883.6.24"/><value xsi:type="SLIST_PQ">'
        f"<origin {origin}/><scale {scale}/><digits>{digits}</digits></value></sequence></component>"
    )


def sequence_set(digits_of: dict[str, str], time: str | None = None, **quantities: str) -> str:
    leads = "".join(lead_sequence(code, digits, **quantities) for code, digits in digits_of.items())
    return f"<component><sequenceSet>{time_sequence() if time is None else time}{leads}</sequenceSet></component>"


def series(*sets: str, code: str | None = "RHYTHM", before: str = "", after: str = "") -> str:
    code_element = "" if code is None else f'<code code="{code}" codeSystem="2.16.840.1.113883.5.4"/>'
    return f"<component><series>{code_element}{before}{''.join(sets)}{after}</series></component>"


def aecg(*all_series: str, before: str = "", namespace: str = NAMESPACE) -> bytes:
    root = f"<AnnotatedECG{namespace}>{before}{''.join(all_series)}</AnnotatedECG>"
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<!-- made for a test -->\n{root}'.encode()


def plain(signal: np.ndarray | None = None, **quantities: str) -> bytes:
    return aecg(series(sequence_set(rows(counts(12) if signal is None else signal), **quantities)))


def annotation(code: str, text: str = "", inner: str = "") -> str:
    value = f'<value xsi:type="ST">{text}</value>' if text else ""
    return f'<component><annotation><code code="{code}"/>{value}{inner}</annotation></component>'


def annotation_set(*annotations: str, author: str = "") -> str:
    return f"<subjectOf><annotationSet>{author}{''.join(annotations)}</annotationSet></subjectOf>"
