"""Records of a shard -> prepared tensors, with no more than a block of recordings in memory."""

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path

import numpy as np

from twelvelead import __version__
from twelvelead.atomic import replacing
from twelvelead.ecg import twelve_leads
from twelvelead.errors import CalibrationError, SignalError
from twelvelead.quality import IMPLAUSIBLE_MV, largest_swing_mv
from twelvelead.recipes import WINDOWED, deepecg
from twelvelead.recipes.calibration import Calibration
from twelvelead.recipes.ordered_sum import HashOrderedSum, PartialSum
from twelvelead.recipes.resampling import to_rate
from twelvelead.records import Record, read_records
from twelvelead.shards import ecg_hash
from twelvelead.tensors import RowStatus, TensorWriter, write_statuses

BLOCK = 64  # recordings; 8 MB of signal
FEW_FOR_A_BATCH_SCALE = 200  # below this DeepECG's factor follows the batch's composition more than its gain
SPECTRUM_SHAPE = (12, deepecg.N_BINS)


@dataclass(frozen=True)
class DeepecgSettings:
    """How recipe deepecg reads a recording; part of a calibration, since one made otherwise does not fit."""

    units: str
    scale: str
    resampling: str

    @property
    def reproduces_deepecg(self) -> bool:
        """Whether the batch is treated exactly as DeepECG treats it, flat recordings included."""
        return self.units == "raw" and self.scale == "batch"

    def is_prepared(self, record: Record) -> bool:
        return record.status == "ok" or (self.reproduces_deepecg and record.status == "flat")

    def calibrates(self, record: Record) -> bool:
        """DeepECG's factor is computed from the files its own readers take; ours from every usable recording.

        One whose units are doubtful would drown all others in the mean, so that it is left out.
        """
        if not self.is_prepared(record):
            return False
        if self.reproduces_deepecg:
            return record.recording.deepecg_reads
        return self.units == "raw" or largest_swing_mv(record.recording) <= IMPLAUSIBLE_MV

    def signal(self, record: Record) -> np.ndarray:
        """(12, 2500) float32, mV unless units are raw. Raises TooShort or LeadMissing."""
        leads = twelve_leads(record.recording, self.units)
        return to_rate(leads, record.recording.sampling_rate_hz, deepecg.SAMPLING_RATE_HZ, method=self.resampling)


def spectrum_of_records(
    records: str, destination: str, settings: DeepecgSettings, quality_excludes: Collection[str] = ()
) -> int:
    """Writes the sum of the shard's magnitude spectra; returns the number of recordings in it.

    quality_excludes  here and below names of signal_quality.FLAGS; a recording with one of them has no part
    The sum is over the hash order's tree, so that it does not depend on how the batch is cut into shards.
    """
    total = HashOrderedSum(SPECTRUM_SHAPE)
    for block in _blocks(read_records(records, quality_excludes), settings.calibrates, settings.signal):
        if not block.rows:
            continue
        for row, magnitude in zip(block.rows, deepecg.magnitude_spectrum(block.signals), strict=True):
            total.push(ecg_hash(row.ecg_id), magnitude)
    partial = total.partial() or PartialSum(0, 0, 0, total.total())
    with replacing(destination) as temporary, open(temporary, "wb") as file:
        # Hashes as uint64: they do not fit numpy's default integer.
        hashes = np.array([partial.lowest, partial.highest], dtype=np.uint64)
        np.savez(file, hashes=hashes, n=partial.n, array=partial.array)
    return partial.n


def calibration_of_spectra(spectra: list[str], settings: DeepecgSettings) -> Calibration:
    """The batch's calibration from its shards' sums; one that changes nothing when no recording is usable."""
    total = HashOrderedSum(SPECTRUM_SHAPE)
    for path in spectra:  # shards come in the order of their hashes, so that one is in memory at a time
        partial = _read_partial(path)
        if partial is not None:
            total.push_partial(partial)
    if total.n == 0:
        nothing = ((),) * 12
        return Calibration(
            1.0,
            **asdict(settings),
            n=0,
            regions=(),
            ranges=nothing,
            crossings=nothing,
            average_power=0.0,
            version=__version__,
        )
    return deepecg.calibrate(total.total(), total.n, settings.scale, settings.units, settings.resampling)


def _read_partial(path: str) -> PartialSum | None:
    with np.load(path) as stored:
        n = int(stored["n"])
        lowest, highest = (int(value) for value in stored["hashes"])
        return PartialSum(lowest, highest, n, stored["array"]) if n else None


def frozen_calibration(path: str, settings: DeepecgSettings) -> Calibration:
    """An earlier calibration, if it was made with the same settings; CalibrationError otherwise."""
    calibration = Calibration.from_json(path)
    if calibration.n == 0:
        raise CalibrationError(f"{path}: was made of no recording; use the calibration of a batch that has some")
    calibration.check(asdict(settings))
    return calibration


def clean_records(
    records: str,
    tensor: str,
    statuses: str,
    calibration: Calibration,
    settings: DeepecgSettings,
    quality_excludes: Collection[str] = (),
) -> int:
    """Writes the cleaned signals (n, 12, 2500) of a shard and what became of each file; returns n."""
    outcome = []
    with _tensor(tensor, (12, deepecg.N_SAMPLES)) as writer:
        for block in _blocks(read_records(records, quality_excludes), settings.is_prepared, settings.signal):
            if block.rows:
                writer.append(deepecg.clean(block.signals, calibration))
            outcome += block.rows + block.refused
    write_statuses(statuses, outcome)
    return sum(row.rows for row in outcome)


def prepare_records(
    records: str, tensor: str, statuses: str, recipe: str, quality_excludes: Collection[str] = ()
) -> int:
    """Writes the tensor of a recipe that needs no calibration and what became of each file; returns its rows.

    Of a recipe in recipes.WINDOWED they are windows, all of a recording's one after another in order of time.
    """
    module = import_module(f"twelvelead.recipes.{recipe}")

    def prepared(record: Record) -> np.ndarray:
        signal = module.prepare(twelve_leads(record.recording), record.recording.sampling_rate_hz)
        return signal if recipe in WINDOWED else signal[np.newaxis]

    with _tensor(tensor, module.SHAPE) as writer:
        found = read_records(records, quality_excludes)
        outcome = [_append_prepared(writer, record, prepared) for record in found]
    write_statuses(statuses, outcome)
    return sum(row.rows for row in outcome)


def _append_prepared(writer: TensorWriter, record: Record, prepared: Callable[[Record], np.ndarray]) -> RowStatus:
    # A recording of a day has 2 GB of windows: they must go before the next recording's are made.
    try:
        if record.status != "ok":
            raise SignalError(record.message, record.status)
        rows = prepared(record)
    except SignalError as error:
        return RowStatus(record.ecg_id, error.status, str(error))
    writer.append(rows)
    return RowStatus(record.ecg_id, "ok", rows=len(rows))


@dataclass(frozen=True)
class _Block:
    rows: list[RowStatus]  # of the signals, in order
    signals: np.ndarray
    refused: list[RowStatus]


def _blocks(
    records: Iterable[Record], usable: Callable[[Record], bool], signal: Callable[[Record], np.ndarray]
) -> Iterator[_Block]:
    """Signals of the usable records, BLOCK at a time; records that are not, or that the recipe refuses, come along."""
    rows, signals, refused = [], [], []
    for record in records:
        try:
            if not usable(record):
                raise SignalError(record.message, record.status)
            signals.append(signal(record))
            rows.append(RowStatus(record.ecg_id, "ok"))
        except SignalError as error:
            refused.append(RowStatus(record.ecg_id, error.status, str(error)))
        if len(signals) == BLOCK:
            yield _Block(rows, np.stack(signals), refused)
            rows, signals, refused = [], [], []
    yield _Block(rows, np.stack(signals) if signals else np.empty((0,)), refused)


@contextmanager
def _tensor(path: str, shape: tuple[int, ...]) -> Iterator[TensorWriter]:
    with replacing(Path(path)) as temporary:
        writer = TensorWriter(temporary, shape)
        try:
            yield writer
        finally:
            writer.close()
