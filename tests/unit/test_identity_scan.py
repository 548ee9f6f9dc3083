"""The scan for planted strings finds them wherever a run could hide them."""

import base64
import gzip
import io
import json
import zipfile
import zlib

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from identity_scan import Wanted
from planted_identity import PLANTED

NAME = PLANTED.family_name
ACCENTED = PLANTED.second_name
WANTED = Wanted(PLANTED.strings())


def parquet(table: pa.Table, **options) -> bytes:
    stream = io.BytesIO()
    pq.write_table(table, stream, **options)
    return stream.getvalue()


def npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def zipped(name: str, content: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return stream.getvalue()


MANY = pa.table({"text": ["Sinus rhythm"] * 5000 + [f"of {NAME}"]})
CONTAINERS = {
    "csv": pd.DataFrame({"patient": [f"{NAME}, {PLANTED.given_name}"]}).to_csv().encode(),
    "parquet with zstd": parquet(MANY, compression="zstd", write_statistics=False),
    "parquet with a dictionary": parquet(MANY, compression="lz4", use_dictionary=True, write_statistics=False),
    "parquet's binary column": parquet(pa.table({"samples": [NAME.encode()]}), compression="gzip"),
    "parquet's list column": parquet(pa.table({"statements": [["a", NAME]]}), compression="snappy"),
    "parquet's metadata": parquet(pa.table({"a": [1]}).replace_schema_metadata({"of": NAME}), compression="zstd"),
    "npy of text": npy(np.array([NAME])),
    "npy of bytes": npy(np.array([NAME.encode()])),
    "svg": f"<svg><title>{NAME.upper()}</title></svg>".encode(),
    "zip": zipped("a.csv", f"x,{NAME}".encode()),
    "name within a zip": zipped(f"{NAME}.csv", b""),
    "gzip": gzip.compress(NAME.encode()),
    "base64 in a page": b"<img src='data:image/svg+xml;base64," + base64.b64encode(f"<!-- {NAME} -->".encode()) + b"'>",
    "compressed base64 in a page": b"<script>'" + base64.b64encode(gzip.compress(NAME.encode())) + b"'</script>",
    "deflated base64": base64.b64encode(zlib.compress(NAME.encode() * 3)),
    "zip in base64": base64.b64encode(zipped("a", NAME.encode())),
}


@pytest.mark.parametrize("content", CONTAINERS.values(), ids=CONTAINERS)
def test_a_name_is_found_in_every_container(tmp_path, content):
    (tmp_path / "other").write_bytes(b"Sinus rhythm")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").write_bytes(content)
    found = WANTED.below(tmp_path)
    assert found.keys() == {"folder/file"}
    assert NAME in found["folder/file"]


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("change", [str, str.lower, str.upper])
@pytest.mark.parametrize("string", [NAME, ACCENTED])
def test_in_any_encoding_and_case(string, change, encoding):
    assert WANTED.among(b"\x07" + change(string).encode(encoding) + b"\x07") == {string}


@pytest.mark.parametrize("escaped", [json.dumps(ACCENTED), "&#214;tzk&#252;la", "%C3%96tzk%C3%BCla"])
def test_escaped(escaped):
    assert WANTED.among(f"<{escaped}>".encode()) == {ACCENTED}


def test_every_spelling_of_the_birth_date():
    for spelled in PLANTED.birth_dates.values():
        assert WANTED.among(f"born {spelled}.".encode()) == {spelled}


def test_names_of_files_folders_and_links(tmp_path):
    # Snakemake names its metadata by the base64 of a path.
    encoded = base64.urlsafe_b64encode(f"results/{PLANTED.room}.csv".encode()).decode()
    (tmp_path / f"ecg_{NAME}.npy").write_bytes(b"")
    (tmp_path / f"of {PLANTED.patient_id}").mkdir()
    (tmp_path / encoded).write_bytes(b"")
    (tmp_path / "link").symlink_to(f"/nowhere/{PLANTED.note}")
    assert WANTED.below(tmp_path) == {
        f"ecg_{NAME}.npy": {NAME},
        f"of {PLANTED.patient_id}": {PLANTED.patient_id},
        encoded: {PLANTED.room},
        "link": {PLANTED.note},
    }


def test_nothing_is_found_where_nothing_is(tmp_path):
    (tmp_path / "report.html").write_text("<p>Normal sinus rhythm, 1931 ECGs</p>")
    (tmp_path / "noise.npy").write_bytes(npy(np.random.default_rng(0).normal(size=(12, 5000))))
    assert WANTED.below(tmp_path) == {}
