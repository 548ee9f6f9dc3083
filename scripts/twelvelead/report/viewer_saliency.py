"""What the viewer shows of where models looked, from their tables of saliency."""

from collections.abc import Mapping, Sequence

from twelvelead.records import Record
from twelvelead.report.viewer import ViewerSaliency
from twelvelead.saliency import along_time, find_saliency


def saliency_of_ecgs(
    tables: Sequence[tuple[str, str]], records: Mapping[str, Record]
) -> dict[str, tuple[ViewerSaliency, ...]]:
    """ecg_id -> saliency of every model that has some of it, for the ECGs of `records` with a signal.

    tables  (title of a model, path of its saliency.parquet), in the order to show them
    """
    recordings = {key: record.recording for key, record in records.items() if record.recording is not None}
    found = {key: [] for key in recordings}
    for title, path in tables:
        for key, windows in find_saliency(path, recordings).items():
            n_samples, rate_hz = recordings[key].samples.shape[1], recordings[key].sampling_rate_hz
            found[key].append(ViewerSaliency(title, *along_time(windows, n_samples, rate_hz)))
    return {key: tuple(of_models) for key, of_models in found.items()}
