"""Tests that install programs as root. Only `make test-cluster` (pytest -m cluster) runs them."""

import pytest

from cluster.packages import one_installation_at_a_time
from cluster.slurm_up import Cluster, NoSlurmError, install


def pytest_collection_modifyitems(config, items):
    chosen = "cluster" in config.option.markexpr
    for item in items:
        if "cluster" in item.path.parts:
            item.add_marker(pytest.mark.cluster)
            item.add_marker(pytest.mark.slow)
            if not chosen:
                item.add_marker(pytest.mark.skip(reason="installs programs as root: make test-cluster"))


@pytest.fixture(scope="session")
def cluster(tmp_path_factory):
    """Three nodes on this machine, stopped when the tests end. That they do not start is no reason to skip."""
    running = Cluster(tmp_path_factory.mktemp("slurm"))
    try:
        with one_installation_at_a_time():
            install()
        running.start()
    except NoSlurmError as error:
        pytest.skip(str(error))
    yield running
    running.stop()
