"""What a rule's script says when its work fails, in its log and on standard error."""

import errno
import logging
from contextlib import nullcontext, suppress
from pathlib import Path
from types import SimpleNamespace

import pytest

from twelvelead.atomic import replacing
from twelvelead.errors import ModelError
from twelvelead.job import logged


@pytest.fixture
def rule(tmp_path):
    handlers, level = logging.root.handlers[:], logging.root.level
    yield SimpleNamespace(log=[str(tmp_path / "rule.log")], rule="infer", resources={"mem_mb": 800})
    for handler in logging.root.handlers:
        with suppress(OSError):
            handler.close()
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)
    logging.captureWarnings(False)


def failed(rule, capsys, error, path=None):
    """(what the log holds, what was printed) after a script that raises `error`, while it writes `path`."""
    with pytest.raises(SystemExit) as ended, logged(rule), replacing(path) if path else nullcontext():
        raise error
    assert ended.value.code == 1
    log = Path(rule.log[0])
    return log.read_text() if log.is_file() else "", capsys.readouterr().err


def test_a_full_disk_is_one_sentence_in_the_log_and_on_standard_error(rule, capsys, tmp_path):
    error = OSError(errno.ENOSPC, "No space left on device")
    log, printed = failed(rule, capsys, error, tmp_path / "p.parquet")
    sentence = (
        f"{tmp_path}/p.parquet cannot be written: no space is left on its disk; free some, then run the same command"
    )
    assert log.startswith(f"ERROR {sentence}")
    assert printed.startswith(f"Error in rule infer: {sentence}")
    assert len(log.splitlines()) == len(printed.splitlines()) == 1


def test_a_log_without_room_says_it_on_standard_error_alone(rule, capsys, tmp_path):
    rule.log = ["/dev/full"]
    _, printed = failed(rule, capsys, OSError(errno.ENOSPC, "No space left on device"), tmp_path / "p.parquet")
    assert len(printed.splitlines()) == 1
    assert "no space is left" in printed


def test_a_log_that_cannot_be_opened(rule, capsys, tmp_path):
    (tmp_path / "logs").write_text("")
    rule.log = [str(tmp_path / "logs/infer.log")]
    with pytest.raises(SystemExit), logged(rule):
        pytest.fail("nothing may run without a log")
    assert "infer.log cannot be written: a file is where a folder has to be" in capsys.readouterr().err


def test_memory_that_is_used_up(rule, capsys):
    log, printed = failed(rule, capsys, MemoryError())
    assert "out of memory (it was planned with 800 MB); run with fewer --cores" in log
    assert "out of memory" in printed
    assert "Traceback" not in log + printed


def test_an_error_of_the_users_is_in_the_log_and_a_bug_has_its_traceback_there(rule, capsys):
    assert failed(rule, capsys, ModelError("no such model")) == ("ERROR no such model\n", "")
    log, printed = failed(rule, capsys, ZeroDivisionError())
    assert log.startswith("ERROR rule infer failed\nTraceback")
    assert printed == ""
