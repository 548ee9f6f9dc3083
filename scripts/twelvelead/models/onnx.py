"""Models saved as ONNX, as a user brings them: one input of 12 leads and 2500 samples, outputs in the first output."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnxruntime
from scipy.special import expit

from twelvelead.ecg import LEADS
from twelvelead.errors import ConfigError, ModelError
from twelvelead.models.batching import fixed_batches, nan_where_not_finite
from twelvelead.models.settings import (
    N_SAMPLES,
    InferenceSettings,
    check_outputs,
    check_signals,
    pinned_bytes,
    weights_file,
)

# Axes of the graph's input: n ECGs, l leads, t time.
LAYOUTS = {"nlt": (len(LEADS), N_SAMPLES), "ntl": (N_SAMPLES, len(LEADS))}


class OnnxModel:
    """A graph in one onnxruntime session."""

    def __init__(self, session: onnxruntime.InferenceSession, file: Path, layout: str, settings: InferenceSettings):
        self.outputs = settings.outputs
        self._session = session
        self._file = file
        self._layout = layout
        self._settings = settings
        of_graph = session.get_inputs()[0].shape[0]
        self._batch_size = of_graph if isinstance(of_graph, int) and of_graph > 0 else settings.batch_size

    def predict(self, batch: np.ndarray) -> np.ndarray:
        """(n, outputs) float32 for (n, 12, 2500) signals as the recipe leaves them, in DeepECG's order of leads.

        An ECG's bytes depend on nothing but batch_size, or the batch size that the graph fixes, which is used instead;
        `threads` blocks run at once. A signal with a value that is not finite gets NaN.
        Raises ModelError for another shape, for a model that fails or returns something else.
        """
        check_signals(batch)
        if len(batch) == 0:
            return np.empty((0, len(self.outputs)), dtype=np.float32)
        return nan_where_not_finite(self._predict, batch)

    def _predict(self, batch: np.ndarray) -> np.ndarray:
        return fixed_batches(self._run, batch, self._batch_size, self._settings.threads)

    def _run(self, block: np.ndarray) -> np.ndarray:
        signals = block.astype(np.float32) * np.float32(self._settings.input_scale)
        if self._layout == "ntl":
            signals = np.ascontiguousarray(signals.transpose(0, 2, 1))
        graph_input, graph_output = self._session.get_inputs()[0], self._session.get_outputs()[0]
        try:
            (returned,) = self._session.run([graph_output.name], {graph_input.name: signals})
        except Exception as error:  # onnxruntime's exceptions have no public base class
            raise ModelError(
                f"{self._file}: fails on input of shape {signals.shape} ({_first_line(error)}); does `layout` say how "
                "the model reads its input?"
            ) from error
        logits = check_outputs(np.asarray(returned, dtype=np.float32), len(block), self.outputs, self._file)
        return expit(logits) if self._settings.activation == "sigmoid" else logits


def load(path: str | Path, device: str, settings: Mapping) -> OnnxModel:
    """A graph from an .onnx file, or the only one in a folder, on the CPU.

    device    runs on the CPU whatever it says: the pinned onnxruntime is the build for CPUs
    settings  see InferenceSettings; layout: "nlt" (n, leads, time), the default, or "ntl"
    ONNX is a graph of known operators, not code, so a file without pinned hash is loaded; a pinned one must match.
    Raises ConfigError for settings, ModelError for a file that is not there, not the pinned one or not such a graph.
    """
    read = InferenceSettings.read(settings, "onnx")
    layout = settings.get("layout", "nlt")
    if layout not in LAYOUTS:
        raise ConfigError(
            f"settings of a model of family onnx: layout is {layout!r}, expected nlt (n, leads, time) or ntl"
        )
    file = weights_file(path, ".onnx")
    content, _ = pinned_bytes(file, read.sha256)
    session = _session(content, file)
    _check_input(session, file, layout)
    return OnnxModel(session, file, layout, read)


def _session(content: bytes, file: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    # One thread a block, as in twelvelead.models.batching: a session may be used by several threads at once.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.use_deterministic_compute = True
    # As for the openecg codec: int8 products must not depend on the processor.
    options.add_session_config_entry("session.x64quantprecision", "1")
    # Weights beside the graph's file would not be covered by its hash, and onnxruntime would take them from whatever
    # folder the process runs in. A path below a file does not exist, so it finds none.
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", f"{file}/none")
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's exceptions have no public base class
        raise ModelError(
            f"{file}: onnxruntime cannot load it ({_first_line(error)}); expected an ONNX model with its weights in "
            "the same file, export it again"
        ) from error


def _check_input(session: onnxruntime.InferenceSession, file: Path, layout: str) -> None:
    inputs = session.get_inputs()
    if len(inputs) != 1 or inputs[0].type != "tensor(float)":
        found = ", ".join(f"{entry.name} {entry.type}" for entry in inputs) or "none"
        raise ModelError(f"{file}: inputs are {found}, expected a single tensor(float); export the model that way")
    shape, expected = inputs[0].shape, LAYOUTS[layout]
    # An axis of free length has a name, or nothing, where a fixed one has a number; a graph may also leave all open.
    fits = len(shape) == 3 and all(
        not isinstance(axis, int) or axis == length for axis, length in zip(shape[1:], expected, strict=True)
    )
    if shape and not fits:
        raise ModelError(
            f"{file}: input {inputs[0].name} has shape {shape}, expected (n, {expected[0]}, {expected[1]}) with "
            f"layout {layout}; set `layout` to nlt or ntl, or export the model for 12 leads and {N_SAMPLES} samples"
        )


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
