"""Words that sentences of the page share."""


def plural(count: int, noun: str) -> str:
    """ "1 ECG", "2,203 ECGs"."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
