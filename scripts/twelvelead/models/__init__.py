"""Model families: how weights are loaded and what the workflow has to know before it loads them.

A family of signals is a module here with `load(path, device, settings)`, which returns an object with `outputs` (names)
and `predict(batch) -> (n, outputs)`; see models/openecg.py. Adding one is such a module and a line below. A
family of windows has what window_inference.py asks for instead of `predict`; see models/ecgfm.py.
"""

import os
from dataclasses import dataclass

# Before anything imports onnxruntime, whose builds of 1.32 send usage data home: hospital data stays quiet.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")


@dataclass(frozen=True)
class Family:
    """reads: "signals", or "texts" for a labeler of machine statements.

    keys               what an entry of models.yaml may say beyond title, source, sha256, recipe, mapping and licence
    settings           keys of the entry's `settings`
    on_gpu             runs on a GPU where there is one
    is_code            its weights are a program, run only where somebody vouches for them
    converted          its weights are read by a reader that executes nothing, and converted once
    reduced_precision  its networks can run with fewer bits than float32 has, as setting `precision` says
    outputs            names of its outputs, where they are the same for every model of the family
    windowed           reads windows (recipes.WINDOWED), from which a recording's probabilities are aggregated
    """

    keys: tuple[str, ...]
    settings: tuple[str, ...] = ()
    reads: str = "signals"
    on_gpu: bool = True
    is_code: bool = False
    converted: bool = False
    reduced_precision: bool = False
    outputs: tuple[str, ...] = ()
    windowed: bool = False


FAMILIES = {
    "openecg": Family(keys=(), settings=("codec",), on_gpu=False, outputs=("afib", "avb", "bbb", "paced")),
    "onnx": Family(keys=("labels", "input_scale", "activation", "batch_size"), settings=("layout",), on_gpu=False),
    "torchscript": Family(keys=("labels", "input_scale", "activation", "batch_size"), is_code=True),
    "wcr": Family(keys=("labels", "output_order", "batch_size"), converted=True, reduced_precision=True),
    "ecgfm": Family(
        keys=("labels", "output_order", "batch_size"), converted=True, reduced_precision=True, windowed=True
    ),
    "bert": Family(keys=(), reads="texts"),
}
