"""A model on the prepared shards of a chunk: loaded once, fed in blocks, predictions written as Parquet."""

import queue
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from twelvelead.atomic import replacing
from twelvelead.errors import ConfigError, ModelError
from twelvelead.models.devices import leased_device
from twelvelead.models.weights import read_record, verified_path, weights_sha256
from twelvelead.tensors import prepared_rows

BLOCK = 256  # rows of a tensor handed to a model at once, 30 MB of recipes deepecg and ecgfm
READ_AHEAD = 2  # blocks
Block = tuple[list[tuple[str, int]], np.ndarray]  # (ecg_id, window) of n rows, signals (n, leads, samples)


@contextmanager
def leased_model(
    weights: str | Path, converted: str | None, settings: Mapping, threads: int, device: str, on_gpu: bool
) -> Iterator[tuple[Any, str]]:
    """A model and the device it is on, which no other job computes on until the context ends.

    weights  file of the record of its weights; converted, settings and threads as for load_model
    device and on_gpu as for leased_device, which waits for a GPU where all are taken
    Raises ModelError and ConfigError as load_model does.
    """
    with leased_device(device, on_gpu) as leased:
        yield load_model(settings, read_record(weights), converted, leased, threads), leased


def load_model(settings: Mapping, weights: Mapping, converted: str | None, device: str, threads: int):
    """The model of a record of verified weights, compared with the record again.

    settings   as registry.family_settings gives them, with trust_local_weights
    weights    as models.weights.record returns it
    converted  the checkpoint as models.converted_checkpoint.convert wrote it, for families that need it
    Raises ModelError for weights that are not those of the record, ConfigError for settings, which name the model.
    """
    family = import_module(f"twelvelead.models.{weights['family']}")
    pinned = {"sha256": weights_sha256(weights)} if weights["pinned_by"] != "nobody" else {}
    exact = {"precision": "float32"} if device == "cpu" and "precision" in settings else {}
    try:
        path = converted or verified_path(weights)
        return family.load(path, device, {**settings, **pinned, **exact, "threads": threads})
    except (ConfigError, ModelError) as error:
        raise type(error)(f"model `{weights['model']}`: {error}") from error


def predict_chunk(model, tensors: Sequence[str], statuses: Sequence[str], destination: str | Path) -> int:
    """Writes ecg_id and a float32 probability per model output for every prepared row; returns the number of rows."""
    schema = pa.schema([("ecg_id", pa.string()), *((output, pa.float32()) for output in model.outputs)])
    rows = 0
    with replacing(destination) as temporary, pq.ParquetWriter(temporary, schema) as writer:
        for block, signals in read_ahead(blocks(tensors, statuses, BLOCK), READ_AHEAD):
            ids = pa.array([ecg_id for ecg_id, _ in block])
            columns = [ids, *(pa.array(column) for column in model.predict(signals).T)]
            writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=schema))
            rows += len(block)
    return rows


def blocks(tensors: Sequence[str], statuses: Sequence[str], size: int) -> Iterator[Block]:
    """The prepared rows of all shards in order, in blocks of `size`, the last one smaller.

    Blocks reach over shards: a model works in batches, and a shard may be a single file.
    """
    rows: list[tuple[str, int]] = []
    parts: list[np.ndarray] = []
    for tensor, status in zip(tensors, statuses, strict=True):
        of_shard = prepared_rows(status)
        signals, start = None, 0
        while taken := list(islice(of_shard, size - len(rows))):
            if signals is None:  # only now: an empty array cannot be memory-mapped
                signals = np.load(tensor, mmap_mode="r")
            parts.append(np.array(signals[start : start + len(taken)]))
            rows += taken
            start += len(taken)
            if len(rows) == size:
                yield rows, np.concatenate(parts)
                rows, parts = [], []
    if rows:
        yield rows, np.concatenate(parts)


def read_ahead(items: Iterator[Block], depth: int) -> Iterator[Block]:
    """The same items, up to `depth` of them made by another thread while the caller works on an earlier one."""
    ready: queue.Queue = queue.Queue(maxsize=depth)
    stopped = threading.Event()
    end = object()

    def put(item: object) -> None:
        while not stopped.is_set():
            try:
                ready.put(item, timeout=0.1)
                break
            except queue.Full:
                continue

    def make() -> None:
        try:
            for item in items:
                put(item)
                if stopped.is_set():
                    return
            put(end)
        except BaseException as error:  # raised again where the items are used
            put(error)

    maker = threading.Thread(target=make, daemon=True)
    maker.start()
    try:
        while (item := ready.get()) is not end:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        stopped.set()
        maker.join()
