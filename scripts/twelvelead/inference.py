"""A model on the prepared shards of a chunk: loaded once, fed in blocks, predictions written as Parquet."""

import hashlib
from collections.abc import Mapping, Sequence
from importlib import import_module, resources
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from twelvelead.atomic import replacing
from twelvelead.errors import ModelError
from twelvelead.tensors import prepared_ids

BLOCK = 64  # recordings handed to a model at once


def weights_of(entry: Mapping) -> Path:
    """The weights file of a model that a package ships. Raises ModelError when it is not the expected one."""
    if "package" not in entry["source"]:
        raise ModelError(f"a model of family {entry['family']} needs `source: {{package: ..., file: ...}}`")
    path = Path(str(resources.files(entry["source"]["package"]).joinpath(entry["source"]["file"])))
    if not path.is_file():
        raise ModelError(
            f"{entry['source']['package']} ships no {entry['source']['file']}; run make setup to get the pinned version"
        )
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if entry.get("sha256", found) != found:
        raise ModelError(
            f"{entry['source']['file']} of package {entry['source']['package']} has sha256 {found}, expected "
            f"{entry['sha256']}; run make setup to get the pinned version"
        )
    return path


def predict_chunk(
    entry: Mapping, tensors: Sequence[str], statuses: Sequence[str], destination: str, device: str, threads: int
) -> int:
    """Writes ecg_id and a float32 probability per model output for every prepared row; returns the number of rows."""
    family = import_module(f"twelvelead.models.{entry['family']}")
    model = family.load(weights_of(entry), device, {**entry["settings"], "threads": threads})
    schema = pa.schema([("ecg_id", pa.string()), *((output, pa.float32()) for output in model.outputs)])
    rows = 0
    with replacing(destination) as temporary, pq.ParquetWriter(temporary, schema) as writer:
        for tensor, status in zip(tensors, statuses, strict=True):
            ids = prepared_ids(status)
            if not ids:  # an empty array cannot be memory-mapped
                continue
            signals = np.load(tensor, mmap_mode="r")
            for start in range(0, len(ids), BLOCK):
                block = model.predict(np.asarray(signals[start : start + BLOCK]))
                columns = [pa.array(ids[start : start + BLOCK]), *(pa.array(column) for column in block.T)]
                writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=schema))
            rows += len(ids)
    return rows
