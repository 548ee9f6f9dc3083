"""Tables of samples, CSV (comma, semicolon or tab) and Parquet: a column for each lead, a row for each sample.

Columns are known by their names: leads ("V1", "Lead aVR", "ECG II"), with a unit where there is one ("I_mV", "I [uV]"),
and the time ("time", "t_ms"). Other columns are never read.
"""

import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from twelvelead.ecg import Recording
from twelvelead.errors import SignalError, UnreadableFile
from twelvelead.formats.content import MAX_FILE_BYTES
from twelvelead.formats.leads import HIGHEST_RATE_HZ, LOWEST_RATE_HZ, as_recording_samples, stack
from twelvelead.formats.sample_columns import MILLIVOLTS, UNIT_SYMBOLS, Columns, find_columns, header
from twelvelead.formats.sample_times import uniform_rate_hz

FIRST_ROW = 2  # row 1 of a spreadsheet is the header
# Names of twelve leads and of what else a recorder exports; what is longer is no header.
LONGEST_HEADER_BYTES = 16 * 1024
# Those of the largest file that is read, at 16 bit; Parquet packs a repeated value into nothing.
MOST_VALUES = MAX_FILE_BYTES // 2
_ASSUMED_UNITS = "assumed mV"
# Text may hold a comma between words ("a, b").
_DECIMAL_COMMA = re.compile(rb",\d")
# How Arrow's messages begin; rows are counted from 1 below the header.
_BAD_CELL = re.compile(r"In CSV column #(\d+): Row #(\d+): CSV conversion error")
_BAD_ROW = re.compile(r"CSV parse error: Row #(\d+): Expected (\d+) columns, got (\d+)")


def read_csv_samples(content: bytes) -> Recording:
    """The leads of a text table as float32, in the units that the column names give, assumed to be mV without.

    The sampling rate is the time column's (sample_times), None without one.
    Raises UnsupportedFormat without two leads in the header; UnreadableFile for a cell of a lead that is no finite
    number, with its row and column, for rows of another length than the header and for a time column that gives no
    rate.
    """
    names, delimiter, start = header(content[:LONGEST_HEADER_BYTES])
    columns = find_columns(names)
    first_rows = content[start : start + LONGEST_HEADER_BYTES]
    decimal_point = "," if delimiter != "," and _DECIMAL_COMMA.search(first_rows) else "."
    table = _csv_table(memoryview(content)[start:], columns, len(names), delimiter, decimal_point)
    samples_of = {lead: table.column(str(at)).to_numpy() for lead, at in columns.column_of.items()}
    rate_hz = None
    if columns.time is not None:
        text = pc.ascii_trim_whitespace(table.column(str(columns.time)))
        if decimal_point == ",":
            text = pc.replace_substring(text, ",", ".")
        rate_hz = _rate_hz(_as_times(text), columns.time_unit_s)
    return _recording("csv_samples", columns, samples_of, rate_hz)


def read_parquet_samples(content: bytes) -> Recording:
    """As read_csv_samples, of a Parquet file; integers stay integers, times may be of a time stamp's type.

    Raises UnreadableFile, too, for a file of more than MOST_VALUES values and for a damaged one.
    """
    try:
        file = pq.ParquetFile(pa.BufferReader(content))
        names, row_count = file.schema_arrow.names, file.metadata.num_rows
        columns = find_columns(names)
        if not 0 <= row_count * (len(columns.column_of) + 1) <= MOST_VALUES:
            raise UnreadableFile(f"Parquet table of {row_count} rows; expected those of a resting ECG")
        samples_of = {lead: _parquet_samples(file, lead, at) for lead, at in columns.column_of.items()}
        rate_hz = None
        if columns.time is not None:
            if not _is_time(file.schema_arrow.field(columns.time).type):
                raise _no_rate()
            rate_hz = _rate_hz(_parquet_column(file, columns.time), columns.time_unit_s)
    except SignalError:
        raise
    except (pa.ArrowException, OSError, ValueError):  # whose messages quote names and cells
        raise UnreadableFile("Parquet file is broken; it is damaged or truncated, write it again") from None
    return _recording("parquet_samples", columns, samples_of, rate_hz)


def _csv_table(rows: memoryview, columns: Columns, column_count: int, delimiter: str, decimal_point: str) -> pa.Table:
    """The columns wanted, named by position: leads as float32, the time as text."""
    types = {str(at): pa.float32() for at in columns.column_of.values()}
    if columns.time is not None:
        types[str(columns.time)] = pa.string()
    try:
        return pyarrow.csv.read_csv(
            pa.BufferReader(rows),
            read_options=pyarrow.csv.ReadOptions(
                use_threads=False, column_names=[str(at) for at in range(column_count)]
            ),
            parse_options=pyarrow.csv.ParseOptions(delimiter=delimiter),
            convert_options=pyarrow.csv.ConvertOptions(
                include_columns=list(types), column_types=types, null_values=[], decimal_point=decimal_point
            ),
        )
    except pa.ArrowInvalid as error:
        raise _table_error(str(error), columns, rows) from None


def _table_error(message: str, columns: Columns, rows: memoryview) -> UnreadableFile:
    """What is wrong with a text table, without what stands in it, which the parser's message goes on to quote."""
    if match := _BAD_CELL.match(message):
        lead_of = {at: lead for lead, at in columns.column_of.items()}
        return _bad_cell(lead_of.get(int(match[1]), "time"), int(match[2]) - 1, "empty or no number")
    if match := _BAD_ROW.match(message):
        return UnreadableFile(
            f"row {int(match[1]) - 1 + FIRST_ROW} has {match[3]} cells, the header {match[2]}; "
            "the file is truncated or damaged, export it again"
        )
    if not bytes(rows[:LONGEST_HEADER_BYTES]).strip():
        return UnreadableFile("a table without rows; expected a row for each sample")
    return UnreadableFile("text table cannot be read; it is damaged, export it again")


def _parquet_samples(file: pq.ParquetFile, lead: str, at: int) -> np.ndarray:
    # Asked before reading: a text that is stored once and repeated in every row takes gigabytes.
    if not _is_number(file.schema_arrow.field(at).type):
        raise UnreadableFile(f"column {lead} holds no numbers but another type; expected a number in every row")
    # Empty cells become NaN.
    return as_recording_samples(_parquet_column(file, at).to_numpy())


def _parquet_column(file: pq.ParquetFile, at: int) -> pa.ChunkedArray:
    return file.read(columns=[file.schema_arrow.names[at]], use_threads=False).column(0)


def _is_number(kind: pa.DataType) -> bool:
    return pa.types.is_integer(kind) or pa.types.is_floating(kind)


def _is_time(kind: pa.DataType) -> bool:
    return _is_number(kind) or pa.types.is_timestamp(kind) or pa.types.is_duration(kind)


def _recording(name: str, columns: Columns, samples_of: dict[str, np.ndarray], rate_hz: float | None) -> Recording:
    leads, samples = stack(samples_of)
    samples = as_recording_samples(samples)
    if samples.dtype.kind == "f" and not (is_finite := np.isfinite(samples)).all():
        sample = int(np.argmin(is_finite.all(axis=0)))
        raise _bad_cell(leads[int(np.argmin(is_finite[:, sample]))], sample, "empty, NaN or infinite")
    units = [columns.unit_of[lead] for lead in leads]
    return Recording(
        format=name,
        leads=leads,
        samples=samples,
        gain_mv=np.array([MILLIVOLTS.get(unit, 1.0) for unit in units]),
        sampling_rate_hz=rate_hz,
        units=", ".join(dict.fromkeys(UNIT_SYMBOLS.get(unit, _ASSUMED_UNITS) for unit in units)),
    )


def _bad_cell(lead: str, sample: int, problem: str) -> UnreadableFile:
    return UnreadableFile(f"row {sample + FIRST_ROW}, column {lead}: {problem}; expected a number in every row")


def _as_times(text: pa.ChunkedArray) -> pa.ChunkedArray:
    """Text as numbers or as ISO 8601 times, where all of it is one of them."""
    for kind in (pa.float64(), pa.timestamp("ns"), pa.timestamp("ns", "UTC")):
        try:
            return text.cast(kind)
        except pa.ArrowInvalid:
            continue
    return text


def _rate_hz(times: pa.ChunkedArray, unit_s: float) -> float | None:
    """The rate of samples at these times, None for fewer than two; raises UnreadableFile where they give none.

    Without a rate a recording is taken to last 10 s, which one with a gap or of 30 s does not.
    """
    kind = times.type
    if len(times) < 2:
        return None
    if not _is_time(kind):
        raise _no_rate()
    if not _is_number(kind):
        in_ns = pa.timestamp("ns", kind.tz) if pa.types.is_timestamp(kind) else pa.duration("ns")
        times, unit_s = times.cast(in_ns).cast(pa.int64()), 1e-9
    rate_hz = uniform_rate_hz(times.to_numpy(), unit_s)
    if rate_hz is None:
        raise _no_rate()
    if not LOWEST_RATE_HZ <= rate_hz <= HIGHEST_RATE_HZ:
        raise UnreadableFile(
            f"the time column gives {rate_hz:g} Hz; expected 100 to 4000 Hz or so, "
            "name it time_s or time_ms by what it counts"
        )
    return rate_hz


def _no_rate() -> UnreadableFile:
    return UnreadableFile(
        "the time column is no times in equal steps; expected seconds (time_s) or milliseconds (time_ms) without gaps, "
        "or no time column where the rows last 10 s"
    )
