"""Rhythm from the openecg package: its single-lead codec, one window a lead, and its detector of pacemaker spikes.

The codec is a softmax over six rhythms at every sample. Its class "paced" is left out because its model card calls it
unreliable, "sinus" because a sinus rhythm with a block is sinus too, which one of six exclusive classes cannot say, and
"ventricular" because the card says that it was not tested on hospital recordings.
"""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from importlib import resources
from pathlib import Path

import numpy as np
import onnxruntime
from openecg import detect_pacings, detect_qrs, rank_normalize

from twelvelead.errors import ConfigError, ModelError
from twelvelead.models import FAMILIES
from twelvelead.models.settings import weights_file
from twelvelead.recipes.openecg import LEADS, N_SAMPLES, SAMPLING_RATE_HZ

DEFAULT_CODEC = "codec_v6"
# Order of the codec's rhythm logits (models/codec_v6_MODEL_CARD.md of openecg 0.11.0).
RHYTHMS = ("sinus", "avb", "paced", "afib", "bbb", "ventricular")
CODEC_OUTPUTS = ("afib", "avb", "bbb")
OUTPUTS = FAMILIES["openecg"].outputs  # the codec's, and "paced" from the spikes
QRS_POSITION = LEADS.index("II")

# A spike belongs to a QRS complex from 300 ms before it (the package's window, wide enough for atrial pacing) ...
SPIKE_BEFORE_QRS_MS = 300
# ... to 10 ms after, because detect_qrs takes a large spike for the R peak. Of 40 sinus recordings of PTB-XL, with
# spikes of 1.3 mV added 60 ms ahead of the R peaks, all then reached a fraction of 0.5; with the package's window,
# which ends 5 ms before the QRS complex, 6 did.
SPIKE_AFTER_QRS_MS = 10


class RhythmModel:
    """The codec in one ONNX session; a session may be used by several threads at once."""

    outputs = OUTPUTS

    def __init__(self, session: onnxruntime.InferenceSession, threads: int):
        self._session = session
        self._threads = threads

    def predict(self, batch: np.ndarray) -> np.ndarray:
        """(n, 4) float32 probabilities in the order of `outputs`, for (n, leads, 5000) signals in mV at 500 Hz.

        A recording's bytes depend neither on the others in the batch nor on the number of threads. A recording with
        a value that is not finite gets NaN. Raises ModelError for another shape.
        """
        expected = (len(LEADS), N_SAMPLES)
        if batch.ndim != 3 or batch.shape[1:] != expected:
            raise ModelError(
                f"batch of shape {batch.shape}, expected (n, {expected[0]}, {expected[1]}) for leads "
                f"{', '.join(LEADS)}; prepare it with recipe openecg"
            )
        if self._threads == 1:
            rows = [self._predict_one(signal_mv) for signal_mv in batch]
        else:
            with ThreadPoolExecutor(self._threads) as pool:
                rows = list(pool.map(self._predict_one, batch))
        return np.array(rows, dtype=np.float32).reshape(len(batch), len(OUTPUTS))

    def _predict_one(self, signal_mv: np.ndarray) -> np.ndarray:
        if not np.isfinite(signal_mv).all():
            return np.full(len(OUTPUTS), np.nan, dtype=np.float32)
        rhythm = softmax(self._mean_logits(signal_mv))
        of_codec = [rhythm[RHYTHMS.index(output)] for output in CODEC_OUTPUTS]
        return np.array([*of_codec, paced_fraction(signal_mv, QRS_POSITION)], dtype=np.float32)

    def _mean_logits(self, signal_mv: np.ndarray) -> np.ndarray:
        """(6,) float64: rhythm logits averaged over the samples of every lead."""
        # One window a call: the graph's outputs have a fixed batch of 1, whatever its input declares.
        windows = [np.asarray(rank_normalize(lead_mv), dtype=np.float32)[np.newaxis] for lead_mv in signal_mv]
        logits = [self._session.run(["rhythm_logits"], {"signal": window})[0] for window in windows]
        return np.concatenate(logits).mean(axis=(0, 1), dtype=np.float64)


def load(path: str | Path | None, device: str, settings: Mapping) -> RhythmModel:
    """The codec on the CPU, whatever `device` says: the pinned onnxruntime is the build for CPUs.

    path      an ONNX file with the codec's inputs and outputs; None for the one that the package ships
    settings  codec (default codec_v6), threads (default 1), each optional
    Raises ConfigError for settings, ModelError for a file that is not there or not the codec.
    """
    threads = settings.get("threads", 1)
    if isinstance(threads, bool) or not isinstance(threads, int) or threads < 1:
        raise ConfigError(
            f"settings of an openecg model: threads is {threads!r}, expected a whole number of at least 1"
        )
    weights = bundled_weights(settings.get("codec", DEFAULT_CODEC)) if path is None else weights_file(path, ".onnx")
    return RhythmModel(_session(weights), threads)


def bundled_weights(codec: str) -> Path:
    """The int8 ONNX file of a codec that the package ships. Raises ConfigError when it ships no such codec."""
    folder = Path(str(resources.files("openecg").joinpath("models")))
    shipped = {file.name.removesuffix("_int8.onnx"): file for file in sorted(folder.glob("codec_*_int8.onnx"))}
    if codec not in shipped:
        raise ConfigError(f"settings of an openecg model: codec is {codec!r}, expected one of {', '.join(shipped)}")
    return shipped[codec]


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities of a vector of logits; they sum to 1."""
    exponentials = np.exp(logits - logits.max())
    return exponentials / exponentials.sum()


def paced_fraction(signal_mv: np.ndarray, qrs_lead: int) -> float:
    """Share of QRS complexes with a pacemaker spike shortly before them in any lead, 0 where there is no QRS complex.

    signal_mv  (leads, samples) in mV at 500 Hz
    qrs_lead   row of signal_mv in which QRS complexes are sought
    Spikes are found by openecg.detect_pacings at its default threshold. A recording without visible spikes, as in
    bipolar pacing, scores 0.
    """
    qrs = detect_qrs(signal_mv[qrs_lead], SAMPLING_RATE_HZ)
    if len(qrs) == 0:
        return 0.0
    earliest = qrs - SPIKE_BEFORE_QRS_MS * SAMPLING_RATE_HZ // 1000
    latest = qrs + SPIKE_AFTER_QRS_MS * SAMPLING_RATE_HZ // 1000
    preceded = np.zeros(len(qrs), dtype=bool)
    for lead_mv in signal_mv:
        spikes = detect_pacings(lead_mv, SAMPLING_RATE_HZ)[:, np.newaxis]
        preceded |= ((spikes >= earliest) & (spikes <= latest)).any(axis=0)
    return float(preceded.mean())


def _session(weights: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    # One thread an inference: the order of sums, and so the result's bytes, must not depend on the machine's cores.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    # Otherwise int8 products overflow on x86 processors without VNNI instructions, and results depend on the processor
    # (onnxruntime_session_options_config_keys.h). On one with AVX2 only, it moved mean logits of four recordings by up
    # to 0.012 and cost 6 % of time.
    options.add_session_config_entry("session.x64quantprecision", "1")
    try:
        session = onnxruntime.InferenceSession(str(weights), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's exceptions have no public base class
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ModelError(f"{weights}: onnxruntime cannot load it ({reason}); expected the codec's ONNX file") from error
    inputs = [entry.name for entry in session.get_inputs()]
    outputs = [entry.name for entry in session.get_outputs()]
    if inputs != ["signal"] or "rhythm_logits" not in outputs:
        raise ModelError(
            f"{weights}: inputs {', '.join(inputs)} and outputs {', '.join(outputs)}, "
            "expected signal and rhythm_logits; is it a codec of openecg?"
        )
    return session
