"""Tables of samples, written here with csv, pandas and pyarrow, and what only looks like one."""

import tracemalloc

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from twelvelead.errors import LeadMissing, SignalError, UnreadableFile, UnsupportedFormat
from twelvelead.formats.sample_columns import is_sample_table
from twelvelead.formats.sample_tables import read_csv_samples, read_parquet_samples
from twelvelead.formats.sample_times import uniform_rate_hz
from twelvelead.formats.sniffing import sniff
from unit.sample_files import csv_text, frame, parquet
from unit.vendor_files import TWELVE_LEADS, counts

LONGEST_MESSAGE = 250
FLOATS = st.floats(-1e6, 1e6, width=32)


def signal_mv(samples: int = 40) -> np.ndarray:
    """(12, samples) float32."""
    return np.random.default_rng(0).normal(size=(12, samples)).astype(np.float32)


def outcome_of(content: bytes, reader=read_csv_samples):
    try:
        return reader(content)
    except SignalError as error:
        return error


@settings(max_examples=40, deadline=None)
@given(
    signal=st.integers(1, 30).flatmap(lambda length: hnp.arrays(np.float32, (length, 12), elements=FLOATS)),
    order=st.permutations(TWELVE_LEADS),
    delimiter=st.sampled_from(",;\t"),
    line_end=st.sampled_from(["\n", "\r\n", "\r"]),
    begin=st.sampled_from([b"", b"\xef\xbb\xbf", b"# "]),
)
def test_round_trip_of_text(signal, order, delimiter, line_end, begin):
    content = begin + csv_text(order, signal.tolist(), delimiter, line_end)
    assert is_sample_table(content[:16384])
    recording = read_csv_samples(content)
    assert recording.leads == tuple(order)
    assert recording.samples.dtype == np.float32
    np.testing.assert_array_equal(recording.samples, signal.T)


@settings(max_examples=40, deadline=None)
@given(
    signal=st.integers(1, 30).flatmap(
        lambda length: hnp.arrays(st.sampled_from(["f4", "f8", "f2", "i1", "u1", "i2", "u2", "i4"]), (12, length))
    ),
    compression=st.sampled_from(["none", "snappy", "zstd", "gzip"]),
)
def test_round_trip_of_parquet(signal, compression):
    with np.errstate(over="ignore"):
        expected = signal.astype(np.float32) if signal.dtype.kind == "f" else signal
    outcome = outcome_of(parquet(frame(signal), compression=compression), read_parquet_samples)
    if not np.isfinite(expected).all():
        # pandas writes NaN as a null, and infinity as it is.
        assert outcome.status in ("not_finite", "unreadable")
        assert outcome.status == "not_finite" or np.isnan(expected).any()
        return
    assert outcome.leads == TWELVE_LEADS
    assert outcome.samples.dtype in (np.int16, np.int32, np.float32)
    np.testing.assert_array_equal(outcome.samples, expected)


def test_fields():
    text = read_csv_samples(csv_text(TWELVE_LEADS, counts(12).T))
    binary = read_parquet_samples(parquet(frame(counts(12))))
    assert text.format == "csv_samples"
    assert binary.format == "parquet_samples"
    assert binary.samples.dtype == np.int16
    for recording in (text, binary):
        np.testing.assert_array_equal(recording.samples, counts(12))
        assert recording.leads == TWELVE_LEADS
        assert recording.units == "assumed mV"
        assert recording.sampling_rate_hz is None
        np.testing.assert_array_equal(recording.gain_mv, np.ones(12))
        assert recording.offset_mv is None
        assert not recording.deepecg_reads


@pytest.mark.parametrize(
    ("names", "gain_mv", "units"),
    [
        (("I_mV", "II_mV"), (1, 1), "mV"),
        (("I [uV]", "II [uV]"), (1e-3, 1e-3), "uV"),
        (("I (\u00b5V)", "Lead II (\u03bcV)"), (1e-3, 1e-3), "uV"),
        (("ECG I/nV", "ecg_ii_nv"), (1e-6, 1e-6), "nV"),
        (("I V", "II(V)"), (1e3, 1e3), "V"),
        (("i_uv", "MDC_ECG_LEAD_II mV"), (1e-3, 1), "uV, mV"),
        (("lead i", "LEAD_II"), (1, 1), "assumed mV"),
    ],
)
def test_units_of_column_names(names, gain_mv, units):
    rows = counts(2).T.tolist()
    for encoding in ("utf-8", "latin-1"):
        if "\u03bc" in names[1] and encoding == "latin-1":
            continue
        recording = read_csv_samples(csv_text(names, rows).decode().encode(encoding))
        assert recording.leads == ("I", "II")
        np.testing.assert_allclose(recording.gain_mv, gain_mv, rtol=1e-12)
        assert recording.units == units
    table = pd.DataFrame(dict(zip(names, counts(2), strict=True)))
    assert read_parquet_samples(parquet(table)).units == units


def test_other_columns_are_not_read():
    names = ("patient", "I", "note", "II", "pacer", "RR")
    rows = [("Mustermann", 1.5, "moved, twice", -2, "x", ""), ("", "1e-2", 'say "a"', "0", "\xe9", "?")]
    recording = read_csv_samples(csv_text(names, rows).decode().encode("latin-1"))
    np.testing.assert_array_equal(recording.samples, np.float32([[1.5, 0.01], [-2, 0]]))
    nested = pa.table({"note": ["a"], "nested": [[1]], "I": [1], "II": [2], "group": [{"V1": 3}]})
    np.testing.assert_array_equal(read_parquet_samples(parquet(nested)).samples, [[1], [2]])


def test_decimal_commas_of_semicolon_files():
    recording = read_csv_samples(b"t_ms;I_mV;II_mV\r\n0;0,125;-1,5\r\n2,5;1;2\r\n5,0;3;,5\r\n")
    np.testing.assert_array_equal(recording.samples, np.float32([[0.125, 1, 3], [-1.5, 2, 0.5]]))
    assert recording.sampling_rate_hz == 400
    np.testing.assert_array_equal(read_csv_samples(b"I\tII\n0,5\t-1,5\n").samples, np.float32([[0.5], [-1.5]]))


def test_commas_between_words_are_no_decimal_commas():
    for note in (b"moved, twice", b"a,1", b"1,5", b"12,5 mm", b'"x;,5"'):
        for delimiter in (b";", b"\t"):
            rows = [[b"I", b"note", b"II"], [b"0.5", note, b"-1.5"]]
            content = b"\n".join(delimiter.join(row) for row in rows)
            np.testing.assert_array_equal(read_csv_samples(content).samples, [[0.5], [-1.5]])


@pytest.mark.parametrize("number", ["0,5", '"0,5"', ' +0,5"', "5,0e-1", ",5", "0,50"])
def test_decimal_commas_in_every_notation(number):
    content = f"note;I;II\na.1;1;2\nb;{number.strip(chr(34))};3\n".encode()
    np.testing.assert_array_equal(read_csv_samples(content).samples, [[1, 0.5], [2, 3]])


@pytest.mark.parametrize(
    ("name", "step"),
    [("time", 0.002), ("TIME_S", 0.002), ("t", 0.002), ("t_ms", 2), ("Time [ms]", 2), ("time (s)", 0.002)]
    + [("timestamp", 0.002), ("timestamp_ms", 2), ("time_sec", 0.002), ("t ms", 2)]
    + [("time_us", 2000), ("t [\u00b5s]", 2000), ("time_ns", 2_000_000)]
    + [("Zeit_ms", 2), ("temps", 0.002), ("Tiempo (s)", 0.002), ("tempo/ms", 2), ("tid", 0.002), ("Tijd [ms]", 2)]
    + [("seconds", 0.002), ("sec", 0.002), ("ms", 2), ("Sekunden", 0.002), ("(ms)", 2), ("milliseconds", 2)]
    + [
        ("elapsed", 0.002),
        ("elapsed_ms", 2),
        ("Elapsed Time (s)", 0.002),
        ("sample_time", 0.002),
        ("SampleTime", 0.002),
    ]
    + [("time in ms", 2), ("sample_ms", 2), ("Time Stamp", 0.002), ("relative time [s]", 0.002)],
)
def test_rate_of_a_time_column(name, step):
    times = [round(7 + index * step, 4) for index in range(40)]
    rows = np.column_stack([times, counts(12).T]).tolist()
    assert read_csv_samples(csv_text((name, *TWELVE_LEADS), rows)).sampling_rate_hz == 500
    assert read_parquet_samples(parquet(frame(counts(12), **{name: times}))).sampling_rate_hz == 500


OTHER_NAMES = ["Mustermann", "time_h", "times", "t0", "time zone", "date", "index", "", "a.b", "S", "in"]


@pytest.mark.parametrize("name", OTHER_NAMES)
def test_an_unknown_column_that_looks_like_a_time_is_refused(name):
    """Without it 7 s of rows would be taken for 10 s."""
    for step in (0.002, 2, 1 / 3000):
        times = np.arange(40) * step + 7
        rows = [(1, *row, time) for row, time in zip(counts(12).T, times, strict=True)]
        of_csv = outcome_of(csv_text(("note", *TWELVE_LEADS, name), rows))
        table = frame(counts(12)).assign(**{name: times})
        of_parquet = outcome_of(parquet(table), read_parquet_samples)
        for outcome, number in ((of_csv, 14), (of_parquet, 13)):
            assert isinstance(outcome, UnreadableFile)
            assert f"column {number} looks like a time but its name is not known; name it time_s" in str(outcome)
            assert "Mustermann" not in str(outcome)


def test_unknown_times_of_every_notation_are_refused():
    rows = [(f"{index * 0.002:.3f}".replace(".", ","), *row) for index, row in enumerate(counts(12).T)]
    stamps = pd.date_range("2020-02-29T23:59:59.999", periods=40, freq="4ms")
    of_stamps = [(time, *row) for time, row in zip(stamps.strftime("%Y-%m-%d %H:%M:%S.%f"), counts(12).T, strict=True)]
    for outcome in (
        outcome_of(csv_text(("x-axis", *TWELVE_LEADS), rows, ";")),
        outcome_of(csv_text(("x-axis", *TWELVE_LEADS), of_stamps)),
        outcome_of(parquet(frame(counts(12), clock=stamps)), read_parquet_samples),
        outcome_of(parquet(frame(counts(12)).set_index(np.arange(40) / 500)), read_parquet_samples),
    ):
        assert "looks like a time" in str(outcome)


def test_only_the_first_rows_are_looked_at():
    """A gap or a word further down does not make a time something else."""
    times = [*np.delete(np.arange(9_000) / 500, 7_777), "end"]
    rows = [(time, *range(12)) for time in times]
    assert "column 1 looks like a time" in str(outcome_of(csv_text(("clock", *TWELVE_LEADS), rows)))


@pytest.mark.parametrize("name", OTHER_NAMES)
@pytest.mark.parametrize(
    "numbers",
    [
        np.arange(40),
        np.arange(1, 41),
        np.arange(500.0, 540.0),
        np.arange(40)[::-1],
        np.full(40, 72),
        np.arange(40) // 20,
        np.arange(40) ** 2,
        np.sin(np.arange(40)),
        np.where(np.arange(40) > 20, np.nan, np.arange(40) * 0.002),
        np.full(40, "moved"),
        np.full(40, "2020-02-29"),
        np.full(40, np.datetime64("0001-01-01", "s")),
    ],
)
def test_counters_and_other_numbers_are_ignored(name, numbers):
    rows = [(number, *row) for number, row in zip(numbers.tolist(), counts(12).T, strict=True)]
    assert read_csv_samples(csv_text((name, *TWELVE_LEADS), rows)).sampling_rate_hz is None
    table = frame(counts(12)).assign(**{name: numbers})
    assert read_parquet_samples(parquet(table)).sampling_rate_hz is None


def test_beside_a_known_time_other_numbers_may_rise():
    rows = [(index * 0.002, *row, index * 3) for index, row in enumerate(counts(12).T)]
    assert read_csv_samples(csv_text(("time", *TWELVE_LEADS, "clock"), rows)).sampling_rate_hz == 500


@pytest.mark.parametrize(
    ("name", "shown"),
    [("VG", "VG"), ("VG_mV", "VG"), ("VG [uV]", "VG"), ("C6", "C6"), ("V3R", "V3R"), ("v 6", "v 6"), ("V_6", "V_6")]
    + [("V7", "V7"), ("aLV", "aLV"), ("-aVR", "-aVR"), ("ll", "ll"), ("X", "X"), ("V-6", "V-6")],
)
def test_an_absent_lead_and_what_may_be_meant_for_it(name, shown):
    unit = name[2:] if name.startswith("VG") else ""
    leads = [lead + unit for lead in TWELVE_LEADS[:-1]]
    of_csv = outcome_of(csv_text((*leads, name), counts(12).T))
    table = pd.DataFrame(dict(zip((*leads, name), counts(12), strict=True)))
    for outcome in (of_csv, outcome_of(parquet(table), read_parquet_samples)):
        assert isinstance(outcome, LeadMissing)
        assert str(outcome).startswith("no lead V6; found I, II, III")
        assert f"; not known as a lead: {shown}; rename" in str(outcome)


@pytest.mark.parametrize(
    "name", ["Meier", "Eva", "Ida", "Li", "Ava", "Val", "Mustermann", "RR", "\u0399", "V6 of Mustermann", ""]
)
def test_an_absent_lead_beside_names_of_persons(name):
    """The decoder then says which lead is absent, and the name is in no message."""
    assert read_csv_samples(csv_text((*TWELVE_LEADS[:-1], name), counts(12).T)).leads == TWELVE_LEADS[:-1]


def test_five_unknown_columns_are_named_at_most():
    content = csv_text(("I", "II", *(f"V{number}" for number in range(10, 30))), [range(22)])
    assert "not known as a lead: V10, V11, V12, V13, V14; rename" in str(outcome_of(content))


@pytest.mark.parametrize("name", ["aLV", "-aVR", "V3R"])
def test_unknown_columns_beside_all_leads_that_are_needed(name):
    names = ["I", "II", name, *TWELVE_LEADS[6:]]
    assert read_csv_samples(csv_text(names, counts(9).T)).leads == ("I", "II", *TWELVE_LEADS[6:])


def test_times_of_day_as_time_stamps():
    stamps = pd.date_range("2020-02-29T23:59:59.999", periods=40, freq="4ms")
    for times in (stamps, stamps.tz_localize("Europe/Berlin"), stamps.astype("datetime64[us]"), stamps - stamps[0]):
        assert read_parquet_samples(parquet(frame(counts(12), time=times))).sampling_rate_hz == 250
    for text in ("%Y-%m-%dT%H:%M:%S.%f", "%Y-%m-%d %H:%M:%S.%f", "%Y-%m-%dT%H:%M:%S.%fZ"):
        rows = [(time, *row) for time, row in zip(stamps.strftime(text), counts(12).T, strict=True)]
        assert read_csv_samples(csv_text(("time", *TWELVE_LEADS), rows)).sampling_rate_hz == 250


@pytest.mark.parametrize("times", [["12:00:01", "12:00:02"], ["", "0.002"], ["a", "b"], [0, 0], [1, 0], ["nan", 1]])
def test_times_that_give_no_rate_are_refused(times):
    """Without a rate the rows would be taken to last 10 s, whatever the times say."""
    rows = [(time, 1, 2) for time in times]
    text = pa.table({"time": pa.array([str(time) for time in times]), "I": [1, 2], "II": [3, 4]})
    nulls = pa.table({"time": pa.array([0.0, None]), "I": [1, 2], "II": [3, 4]})
    of_csv = outcome_of(csv_text(("time", "I", "II"), rows))
    for outcome in (of_csv, *(outcome_of(parquet(table), read_parquet_samples) for table in (text, nulls))):
        assert isinstance(outcome, UnreadableFile)
        assert "the time column is no times in equal steps" in str(outcome)


def test_a_gap_in_thirty_seconds_is_not_taken_for_ten_seconds():
    times = np.delete(np.arange(15_000) / 500, 777)
    rows = [(f"{time:.3f}", 1, 2) for time in times]
    assert "no times in equal steps" in str(outcome_of(csv_text(("time_s", "I", "II"), rows)))


def test_a_single_time_says_nothing():
    assert read_csv_samples(b"time,I,II\n0,1,2\n").sampling_rate_hz is None


def test_a_time_column_that_counts_something_else():
    rows = [(index, 1, 2) for index in range(9)]
    with pytest.raises(UnreadableFile, match="time column gives 1 Hz; .* name it time_s or time_ms"):
        read_csv_samples(csv_text(("time", "I", "II"), rows))


@settings(max_examples=100, deadline=None)
@given(
    rate_hz=st.integers(50, 5000),
    seconds=st.integers(3, 12),
    decimals=st.integers(3, 9),
    start=st.sampled_from([0, 12.5, 1.7e9]),
)
def test_rounded_times_give_the_exact_rate(rate_hz, seconds, decimals, start):
    times = np.round(start + np.arange(rate_hz * seconds) / rate_hz, decimals)
    found = uniform_rate_hz(times, 1.0)
    # Where steps are hardly longer than the last decimal, a rate may be doubtful, but never wrong.
    is_clear = 10**decimals > 1.6 * rate_hz
    assert found == rate_hz if is_clear else found in (None, rate_hz)


@pytest.mark.parametrize("rate_hz", [100, 128.5, 250, 257.25, 360, 500, 976.5625, 1000])
@pytest.mark.parametrize("kind", ["<f8", "<f4"])
def test_times_in_floats_give_the_exact_rate(rate_hz, kind):
    times = np.arange(5000) / rate_hz
    assert uniform_rate_hz(times.astype(kind), 1.0) == pytest.approx(rate_hz, rel=0 if kind == "<f8" else 1e-6)
    assert uniform_rate_hz(np.cumsum(np.full(5000, 1 / rate_hz)), 1.0) == rate_hz


@settings(max_examples=60, deadline=None)
@given(
    rate_hz=st.sampled_from([100, 128, 250, 256, 360, 500, 1000]),
    gap_at=st.integers(1, 998),
    decimals=st.sampled_from([3, 4, 6]),
)
def test_a_missing_sample_is_no_uniform_step(rate_hz, gap_at, decimals):
    times = np.round(np.delete(np.arange(1000), gap_at) / rate_hz, decimals)
    assert uniform_rate_hz(times, 1.0) is None


@pytest.mark.parametrize("rate_hz", [100, 125, 128, 200, 240, 250, 256, 257, 300, 360, 400, 500, 1000])
def test_ten_seconds_in_whole_milliseconds(rate_hz):
    times = np.round(np.arange(10 * rate_hz) * 1000 / rate_hz).astype(np.int64)
    assert uniform_rate_hz(times, 1e-3) == rate_hz


@pytest.mark.parametrize("times", [[], [1.0], [0, np.inf], [-1.7e308, 1.7e308], [0, 5e-324]])
def test_times_at_the_limits_of_floats(times):
    assert uniform_rate_hz(np.array(times, dtype=float), 1.0) in (None, np.inf)


@pytest.mark.parametrize(
    "head",
    [
        b"77_classes_ecg_file_name,ecg_machine_diagnosis\na.xml,AF\n",
        b"file_name,I\na.xml,1\n",
        b"file_name,1dAVb,RBBB,LBBB,SB,ST,AF\na,0,0,0,0,0,0\n",
        b"1,2,3\n4,5,6\n",
        b"I,II,III",
        b"",
        b"\n\nI,II\n",
        b"Dear reader, I, as always\n",
        b"V1,Lead V1,V1_mV\n1,2,3\n",
        b"\0" * 100 + b"\nI,II\n",
        b"\xff\xfe" + "I,II\n1,2\n".encode("utf-16-le"),
    ],
)
def test_what_is_no_table_of_samples(head):
    assert not is_sample_table(head)
    with pytest.raises((UnsupportedFormat, UnreadableFile)):
        read_csv_samples(head)


@pytest.mark.parametrize(
    ("head", "likeness"),
    [
        (
            b"id,age,sex\nMustermann,50,F\n",
            "a table of text; a table of samples needs a header line that names the leads",
        ),
        (b"1;2;3\r\n4;5;6\r\n", "a table of text; a table of samples"),
        (b"\n1\t2\n\n3\t4\n", "a table of text; a table of samples"),
        (b"I_mm,II_mm\n1,2\n", "a table of text; a table of samples"),
        (b"# comment\nI,II\n1,2\n", "a table of text; a table of samples"),
        (b"\xef\xbb\xbfsep=;\r\nI;II\r\n1;2\r\n", "a table of text; a table of samples"),
        ("I,II\n1,2\n".encode("utf-16"), "a table of text in UTF-16; save it as CSV in UTF-8"),
        (b"PK\x03\x04", "a ZIP archive, NPZ or XLSX; unpack it"),
        (b"BZh91AY&SY", "a bzip2 archive; unpack it"),
        (b"\xfd7zXZ\0", "an xz archive; unpack it"),
        (b"7z\xbc\xaf\x27\x1c", "a 7z archive; unpack it"),
        (b"Rar!\x1a\x07\0", "a RAR archive; unpack it"),
        (b"%PDF-1.7\na,b\nc,d\n", "PDF; export the ECG itself, not its printout"),
        (b"\xff\xd8\xff\xe0", "a JPEG picture; export the ECG itself, not its printout"),
        (b"\x89PNG\r\n\x1a\n", "a PNG picture; export the ECG itself"),
        (b"II*\0", "a TIFF picture; export the ECG itself"),
        (b"MM\0*", "a TIFF picture; export the ECG itself"),
        (b"{\\rtf1", "an RTF document; export the ECG itself"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Office file; save its sheet as CSV"),
    ],
)
def test_what_looks_like_another_table_or_document(head, likeness, tmp_path):
    with pytest.raises(UnsupportedFormat) as raised:
        sniff(head, tmp_path / "ecg.csv")
    assert str(raised.value).startswith(f"looks like {likeness}")
    assert len(str(raised.value)) < LONGEST_MESSAGE
    assert "Mustermann" not in str(raised.value)


@pytest.mark.parametrize(
    "head", [b"Dear reader, I\nwrite\n", b"a,b\n", b"a,b\nc,d,e\n", b"a,\0b\nc,\0d\n", b"abc\ndef\n"]
)
def test_what_looks_like_no_table(head, tmp_path):
    with pytest.raises(UnsupportedFormat, match="no known ECG format"):
        sniff(head, tmp_path / "ecg.csv")


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        (b"I,II\n1,2\n3,Mustermann\n", UnreadableFile, "row 3, column II: empty or no number; expected a number"),
        (b"I,II\n1,2\n,4\n", UnreadableFile, "row 3, column I: empty or no number"),
        (b"I,II\n1,2\n3,nan\n", SignalError, "row 3, column II: NaN or infinite"),
        (b"I,II\n-inf,2\n3,4\n", SignalError, "row 2, column I: NaN or infinite"),
        (b"I,II\n1e39,2\n", SignalError, "row 2, column I: NaN or infinite"),
        (b"I,II\n1_0,2\n", UnreadableFile, "row 2, column I: empty or no number"),
        (b"I,II\nNA,NULL\n", UnreadableFile, "row 2, column I: empty or no number"),
        (b"I,II\n1,2\n3\n", UnreadableFile, "row 3 has 1 cells, the header 2"),
        (b"I,II\n1,2,3\n", UnreadableFile, "row 2 has 3 cells, the header 2"),
        (b"I,II\n" + b"1,2\n" * 600_000 + b"1,x\n", UnreadableFile, "row 600002, column II"),
        (b"time,I,II\n\xff\xfe,1,2\n", UnreadableFile, "row 2, column time"),
        (b"I,II\n", UnreadableFile, "without rows"),
        (b"I,II\n\n\n", UnreadableFile, "no samples"),
        (b"I,ECG I,II\n1,2,3\n", UnreadableFile, "lead I occurs twice"),
        (b"I_mV,II,V1\n1,2,3\n", UnreadableFile, "column of lead II, V1 has no unit, others have"),
        (b"I [Mustermann],II [mV]\n1,2\n", UnreadableFile, "column of lead I has a unit that is no voltage"),
        (b"I (ADC),II (ADC)\n1,2\n", UnreadableFile, "column of lead I has a unit that is no voltage"),
        (b"Mustermann,I\n1,2\n", UnsupportedFormat, "1 columns named as leads; expected columns I, II"),
    ],
)
def test_broken_text_is_named(content, error, message):
    with pytest.raises(error, match=message) as raised:
        read_csv_samples(content)
    assert type(raised.value) is error
    assert raised.value.status == ("not_finite" if error is SignalError else error.status)
    assert len(str(raised.value)) < LONGEST_MESSAGE
    assert "\n" not in str(raised.value)
    assert "Mustermann" not in str(raised.value)


@pytest.mark.parametrize(
    ("table", "error", "message"),
    [
        ({"I": [1.0, None], "II": [1.0, 2.0]}, UnreadableFile, "row 3, column I: empty or no number"),
        ({"I": [1, 2], "II": [None, 2]}, UnreadableFile, "row 2, column II: empty or no number"),
        ({"I": [1.0, 2.0], "II": [1.0, np.nan]}, SignalError, "row 3, column II: NaN or infinite"),
        ({"I": [1.0, 2.0], "II": [1e300, 2.0]}, SignalError, "row 2, column II: NaN or infinite"),
        ({"I": ["Mustermann"], "II": [1]}, UnreadableFile, "column I holds no numbers"),
        ({"I": [[1, 2]], "II": [[1, 2]]}, UnreadableFile, "column I holds no numbers"),
        ({"I": [True], "II": [False]}, UnreadableFile, "column I holds no numbers"),
        ({"I": pa.array([], pa.float32()), "II": pa.array([], pa.float32())}, UnreadableFile, "no samples"),
        ({"file_name": ["Mustermann"], "AF": [1]}, UnsupportedFormat, "0 columns named as leads"),
        ({"time": [1, 2], "I": [1, 2], "II": [1, 2]}, UnreadableFile, "time column gives 1 Hz"),
        ({"I_mV": [1], "II (Mustermann)": [1]}, UnreadableFile, "column of lead II has a unit that is no voltage"),
    ],
)
def test_broken_parquet_is_named(table, error, message):
    with pytest.raises(error, match=message) as raised:
        read_parquet_samples(parquet(pa.table(table)))
    assert type(raised.value) is error
    assert raised.value.status == ("not_finite" if error is SignalError else error.status)
    assert len(str(raised.value)) < LONGEST_MESSAGE
    assert "Mustermann" not in str(raised.value)


def test_three_leads_are_read_and_left_to_the_decoder():
    assert read_csv_samples(b"I,II,V5\n1,2,3\n").leads == ("I", "II", "V5")


def test_rows_that_parquet_packs_into_nothing_are_not_unpacked():
    zeros = pa.array(np.zeros(2**24, dtype=np.float32))
    content = parquet(pa.table({"I": zeros, "II": zeros}), compression="zstd")
    assert len(content) < 2**20
    before = pa.total_allocated_bytes()
    tracemalloc.start()
    try:
        with pytest.raises(UnreadableFile, match="16777216 rows"):
            read_parquet_samples(content)
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()
    assert pa.total_allocated_bytes() - before < 2**20


@pytest.mark.parametrize("name", ["time", "I"])
def test_a_text_that_every_row_repeats_is_not_unpacked(name):
    text = pa.DictionaryArray.from_arrays(pa.array(np.zeros(10_000, dtype=np.int32)), pa.array(["x" * 10_000]))
    zeros = pa.array(np.zeros(10_000, dtype=np.float32))
    content = parquet(pa.table({"I": zeros, "II": zeros} | {name: text}), store_schema=False)
    before = pa.default_memory_pool()
    pool = pa.proxy_memory_pool(before)
    pa.set_memory_pool(pool)
    try:
        with pytest.raises(UnreadableFile, match="no times in equal steps|column I holds no numbers"):
            read_parquet_samples(content)
    finally:
        pa.set_memory_pool(before)
    assert pool.max_memory() < 2**20


def test_truncated_at_every_place():
    content = parquet(frame(signal_mv(3)))
    assert read_parquet_samples(content).samples.shape == (12, 3)
    for kept in range(0, len(content), 7):
        assert isinstance(outcome_of(content[:kept], read_parquet_samples), SignalError)
    text = csv_text(("time", *TWELVE_LEADS), np.column_stack([np.arange(5) / 500, signal_mv(5).T]).tolist())
    for kept in range(len(text)):
        outcome = outcome_of(text[:kept])
        # A row that ends within its last number cannot be told from a whole one.
        assert isinstance(outcome, SignalError) or outcome.samples.shape[1] == text[:kept].strip().count(b"\n")


@pytest.mark.parametrize("reader", [read_csv_samples, read_parquet_samples])
@settings(max_examples=150, deadline=None)
@given(
    flips=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=6),
    kept=st.floats(0.5, 1),
)
def test_damage_only_raises_signal_errors(reader, flips, kept):
    times = np.arange(40) / 500
    if reader is read_csv_samples:
        damaged = bytearray(csv_text(("time", *TWELVE_LEADS), np.column_stack([times, counts(12).T]).tolist()))
    else:
        damaged = bytearray(parquet(frame(signal_mv(), time=times)))
    for where, value in flips:
        damaged[int(where * (len(damaged) - 1))] = value
    outcome = outcome_of(bytes(damaged[: int(kept * len(damaged)) if kept > 0.75 else len(damaged)]), reader)
    if isinstance(outcome, SignalError):
        assert "\n" not in str(outcome)
    else:
        assert outcome.samples.shape[0] == len(outcome.leads) == len(outcome.gain_mv)
        assert outcome.samples.size > 0
        assert np.isfinite(outcome.samples).all()
