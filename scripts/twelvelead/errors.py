"""The errors a user can meet. Every message says what was found, what was expected and what to do."""


class TwelveleadError(Exception):
    """Base of every error that is the input's or the configuration's, not the program's."""


class ConfigError(TwelveleadError):
    """A key of the configuration, a model or a task is wrong."""


class TableError(TwelveleadError):
    """The table of labels cannot be used as it is."""


class CalibrationError(TwelveleadError):
    """A calibration cannot be computed or does not fit the settings it is used with."""


class ModelError(TwelveleadError):
    """A model cannot be loaded or run."""


class SignalError(TwelveleadError):
    """One recording cannot be used; `status` says why in the words of recordings.csv."""

    status = "unreadable"

    def __init__(self, message: str, status: str | None = None):
        super().__init__(message)
        if status is not None:
            self.status = status


class UnreadableFile(SignalError):
    """The file is of a known format, but broken: truncated, malformed, inconsistent."""

    status = "unreadable"


class UnsupportedFormat(SignalError):
    """The content is of no format that a reader here knows."""

    status = "unsupported"


class LeadMissing(SignalError):
    """A standard lead is absent and cannot be derived from the leads that are there."""

    status = "lead_missing"


class TooShort(SignalError):
    """The recording is shorter than the recipe needs."""

    status = "too_short"
