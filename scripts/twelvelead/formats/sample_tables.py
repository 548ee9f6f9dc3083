"""Tables of samples, CSV (comma, semicolon or tab) and Parquet: a column for each lead, a row for each sample.

Columns are known by their names: leads ("V1", "Lead aVR", "ECG II"), with a unit where there is one ("I_mV", "I [uV]"),
and the time ("time", "t_ms"). Of other columns only the first numbers are looked at, and only where no time is named.
"""

import csv
import io
import re
from collections.abc import Callable
from itertools import islice

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from twelvelead.ecg import Recording
from twelvelead.errors import SignalError, UnreadableFile
from twelvelead.formats.content import MAX_FILE_BYTES
from twelvelead.formats.leads import HIGHEST_RATE_HZ, LOWEST_RATE_HZ, as_recording_samples, stack
from twelvelead.formats.sample_columns import Columns, find_columns, header
from twelvelead.formats.sample_times import looks_like_times, uniform_rate_hz
from twelvelead.formats.units import MILLIVOLTS, UNIT_SYMBOLS

FIRST_ROW = 2  # row 1 of a spreadsheet is the header
# Names of twelve leads and of what else a recorder exports; what is longer is no header.
LONGEST_HEADER_BYTES = 16 * 1024
# Those of the largest file that is read, at 16 bit; Parquet packs a repeated value into nothing.
MOST_VALUES = MAX_FILE_BYTES // 2
_ASSUMED_UNITS = "assumed mV"
# Enough to tell what a column holds.
_FIRST_ROWS = 500
_FIRST_BYTES = 64 * 1024
_DECIMAL_COMMA = re.compile(r"\s*[-+]?\d*,\d+(?:[eE][-+]?\d+)?\s*")
# How Arrow's messages begin; rows are counted from 1 below the header.
_BAD_CELL = re.compile(r"In CSV column #(\d+): Row #(\d+): CSV conversion error")
_BAD_ROW = re.compile(r"CSV parse error: Row #(\d+): Expected (\d+) columns, got (\d+)")


def read_csv_samples(content: bytes) -> Recording:
    """The leads of a text table as float32, in the units that the column names give, assumed to be mV without.

    The sampling rate is the time column's (sample_times), None without one.
    Raises UnsupportedFormat without two leads in the header; UnreadableFile for a cell of a lead that is no
    number, with its row and column, for rows of another length than the header, for a time column that gives no
    rate and for numbers that look like times under an unknown name; SignalError of status not_finite for NaN and
    infinity.
    """
    names, delimiter, start = header(content[:LONGEST_HEADER_BYTES])
    columns = find_columns(names)
    beginning, first_rows = content[start : start + _FIRST_BYTES + 1], []
    may_have_decimal_commas = delimiter != "," and b"," in beginning
    if may_have_decimal_commas or (columns.time is None and columns.others):
        first_rows = _first_rows(beginning, delimiter)
    decimal_point = "," if may_have_decimal_commas and _has_decimal_commas(first_rows, columns) else "."
    table = _csv_table(memoryview(content)[start:], columns, len(names), delimiter, decimal_point)
    samples_of = {lead: table.column(str(at)).to_numpy() for lead, at in columns.column_of.items()}
    rate_hz = None
    if columns.time is not None:
        rate_hz = _rate_hz(_as_times(table.column(str(columns.time)), decimal_point), columns.time_unit_s)
    else:
        _refuse_unknown_times(columns, lambda at: _first_times(first_rows, at))
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
        else:
            _refuse_unknown_times(columns, lambda at: _first_parquet_times(file, at))
    except SignalError:
        raise
    except (pa.ArrowException, OSError, ValueError):  # whose messages quote names and cells
        raise UnreadableFile("Parquet file is broken; it is damaged or truncated, write it again") from None
    return _recording("parquet_samples", columns, samples_of, rate_hz)


def _first_rows(rows: bytes, delimiter: str) -> list[list[str]]:
    """The cells of a text table's first rows; none where they cannot be told apart."""
    try:
        lines = io.StringIO(rows.decode("latin-1"), newline="")
        cells = list(islice(csv.reader(lines, delimiter=delimiter), _FIRST_ROWS))
    except csv.Error:
        return []
    is_cut = len(rows) > _FIRST_BYTES and len(cells) < _FIRST_ROWS
    return [row for row in (cells[:-1] if is_cut else cells) if row]


def _has_decimal_commas(first_rows: list[list[str]], columns: Columns) -> bool:
    """Whether a number has one; a text beside may hold any comma ("a,1")."""
    at_numbers = {*columns.column_of.values(), columns.time}
    return any(at in at_numbers and _DECIMAL_COMMA.fullmatch(cell) for row in first_rows for at, cell in enumerate(row))


def _first_times(first_rows: list[list[str]], at: int) -> pa.ChunkedArray:
    """The first cells of a column, as numbers (of any decimal point) or times where they are such."""
    cells = [row[at] if at < len(row) else "" for row in first_rows]
    return _as_times(pa.chunked_array([pa.array(cells, pa.string())]), ",")


def _first_parquet_times(file: pq.ParquetFile, at: int) -> pa.ChunkedArray | None:
    field = file.schema_arrow.field(at)
    # Asked before reading, as for leads.
    if not _is_time(field.type):
        return None
    batch = next(file.iter_batches(_FIRST_ROWS, columns=[field.name], use_threads=False), None)
    return None if batch is None else pa.chunked_array([batch.column(0)])


def _refuse_unknown_times(columns: Columns, first_times: Callable[[int], pa.ChunkedArray | None]) -> None:
    """Raises UnreadableFile where a column of another name looks like the time, which would tell another length."""
    for at in columns.others:
        times = first_times(at)
        if times is not None and _look_like_times(times):
            raise UnreadableFile(
                f"column {at + 1} looks like a time but its name is not known; name it time_s or time_ms, "
                "or leave it out where the rows last 10 s"
            )


def _look_like_times(column: pa.ChunkedArray) -> bool:
    if not _is_time(column.type) or column.null_count:
        return False
    try:
        return looks_like_times(_time_numbers(column))
    except pa.ArrowInvalid:  # a date of the year 1, which ns cannot count
        return False


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
    column = _parquet_column(file, at)
    if column.null_count:
        raise _bad_cell(lead, column.is_null().index(True).as_py(), "empty or no number")
    return as_recording_samples(column.to_numpy())


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
        bad = _bad_cell(leads[int(np.argmin(is_finite[:, sample]))], sample, "NaN or infinite")
        raise SignalError(str(bad), status="not_finite")
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


def _as_times(text: pa.ChunkedArray, decimal_point: str) -> pa.ChunkedArray:
    """Text as numbers or as ISO 8601 times, where all of it is one of them."""
    text = pc.ascii_trim_whitespace(text)
    if decimal_point == ",":
        text = pc.replace_substring(text, ",", ".")
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
    rate_hz = uniform_rate_hz(_time_numbers(times), unit_s if _is_number(kind) else 1e-9)
    if rate_hz is None:
        raise _no_rate()
    if not LOWEST_RATE_HZ <= rate_hz <= HIGHEST_RATE_HZ:
        raise UnreadableFile(
            f"the time column gives {rate_hz:g} Hz; expected 100 to 4000 Hz or so, "
            "name it time_s or time_ms by what it counts"
        )
    return rate_hz


def _time_numbers(times: pa.ChunkedArray) -> np.ndarray:
    """Numbers as they are, times of a time's type in ns."""
    kind = times.type
    if not _is_number(kind):
        in_ns = pa.timestamp("ns", kind.tz) if pa.types.is_timestamp(kind) else pa.duration("ns")
        times = times.cast(in_ns).cast(pa.int64())
    return times.to_numpy()


def _no_rate() -> UnreadableFile:
    return UnreadableFile(
        "the time column is no times in equal steps; expected seconds (time_s) or milliseconds (time_ms) without gaps, "
        "or no time column where the rows last 10 s"
    )
