"""Tables of samples made for tests with csv, pandas and pyarrow."""

import csv
import io

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from unit.vendor_files import TWELVE_LEADS


def csv_text(names, rows, delimiter: str = ",", line_end: str = "\n") -> bytes:
    stream = io.StringIO()
    writer = csv.writer(stream, delimiter=delimiter, lineterminator=line_end)
    writer.writerow(names)
    writer.writerows(rows)
    return stream.getvalue().encode()


def parquet(table: pd.DataFrame | pa.Table, **options) -> bytes:
    stream = io.BytesIO()
    pq.write_table(table if isinstance(table, pa.Table) else pa.Table.from_pandas(table), stream, **options)
    return stream.getvalue()


def frame(signal: np.ndarray, **columns) -> pd.DataFrame:
    return pd.DataFrame({**columns, **dict(zip(TWELVE_LEADS, signal, strict=False))})
