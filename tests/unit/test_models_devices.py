"""Leases with real processes and real locks; the devices are named here, since a lock knows them by name alone."""

import multiprocessing
import os
import signal
import time

import pytest

from twelvelead.models.devices import leased_device, one_of

GPUS = {"cuda:0": "GPU-a", "cuda:1": "GPU-b"}


def hold(folder, names, seconds, held):
    with one_of({name: GPUS[name] for name in names}, folder) as name:
        held.put((name, time.monotonic(), os.getpid()))
        time.sleep(seconds)


def start(folder, names, seconds, held):
    process = multiprocessing.get_context("fork").Process(target=hold, args=(folder, names, seconds, held))
    process.start()
    return process


@pytest.fixture
def held():
    return multiprocessing.get_context("fork").Queue()


def test_two_jobs_take_different_devices_and_a_third_waits(tmp_path, held):
    jobs = [start(tmp_path, list(GPUS), 1.0, held) for _ in range(3)]
    first, second, third = (held.get(timeout=20) for _ in jobs)
    for job in jobs:
        job.join()
    assert {first[0], second[0]} == set(GPUS)
    assert third[1] - min(first[1], second[1]) >= 0.9


def test_the_lease_of_a_killed_job_is_free_at_once(tmp_path, held):
    job = start(tmp_path, ["cuda:1"], 60, held)
    name, _, pid = held.get(timeout=20)
    os.kill(pid, signal.SIGKILL)
    job.join()
    start_s = time.monotonic()
    with one_of({"cuda:1": GPUS["cuda:1"]}, tmp_path) as again:
        assert again == name == "cuda:1"
    assert time.monotonic() - start_s < 5


def test_a_lease_ends_with_an_error_too(tmp_path):
    with pytest.raises(RuntimeError, match="of the model"), one_of({"cuda:0": "GPU-a"}, tmp_path):
        raise RuntimeError("of the model")
    with one_of({"cuda:0": "GPU-a"}, tmp_path) as name:
        assert name == "cuda:0"


@pytest.mark.parametrize(("device", "on_gpu"), [("cpu", True), ("cuda:1", False), ("auto", False)])
def test_what_runs_on_the_cpu_needs_no_lease(tmp_path, device, on_gpu):
    with leased_device(device, on_gpu, tmp_path / "locks") as name:
        assert name == "cpu"
    assert not (tmp_path / "locks").exists()
