"""From raw 12-lead ECG files to evaluated model predictions: the library behind the workflow."""

__version__ = "0.1.0"
