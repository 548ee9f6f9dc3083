"""The image is built from twelvelead.def on a base of Debian packages; the demo runs in it with the host's bytes."""

import ast
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml

from cluster.packages import one_installation_at_a_time
from cluster.submitting import submit
from container_files import rendered, sections
from twelvelead.demo.cohort import write_cohort
from workflow.running import ROOT, snakemake, tree

HERE = Path(__file__).parent
DEFINITION = ROOT / "containers/twelvelead.def"
# What Debian's python3 needs to stand in for the image python:3.11-slim-bookworm.
BASE_PACKAGES = "python3,python3-venv,ca-certificates"


@pytest.fixture(scope="module")
def apptainer(tmp_path_factory):
    """Puts a real Apptainer on the PATH, installed for these tests where there is none."""
    path = os.environ["PATH"]
    prefix = tmp_path_factory.mktemp("apptainer")
    try:
        if shutil.which("apptainer") is None:
            install(prefix)
            os.environ["PATH"] = f"{prefix / 'bin'}{os.pathsep}{path}"
        yield shutil.which("apptainer")
    finally:
        os.environ["PATH"] = path
        shutil.rmtree(prefix)


def install(prefix: Path) -> None:
    script = ["bash", str(HERE / "apptainer_up.sh"), str(prefix)]
    with one_installation_at_a_time():
        done = subprocess.run(script, capture_output=True, text=True, timeout=600)
    if done.returncode == 3:
        pytest.skip(f"Apptainer cannot be had here: {done.stderr.strip().splitlines()[-1]}")
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def base(apptainer, tmp_path_factory):
    """A root file system of Debian 12 packages with this machine's pip settings: no image registry is asked."""
    if shutil.which("mmdebstrap") is None:
        pytest.skip("mmdebstrap is not installed, which makes the base image from packages")
    folder = tmp_path_factory.mktemp("base")
    rootfs = folder / "rootfs"
    run("mmdebstrap", "--quiet", "--variant=minbase", f"--include={BASE_PACKAGES}", "bookworm", str(rootfs))
    for device in (rootfs / "dev").iterdir():  # Apptainer makes its own
        shutil.rmtree(device) if device.is_dir() and not device.is_symlink() else device.unlink()
    settings = pip_settings()
    lines = ["[global]", *(f"{key} = {value}" for key, value in settings.items())]
    (rootfs / "etc/pip.conf").write_text("\n".join(lines) + "\n")
    for place in local_places(settings):
        mount_point = rootfs / place.relative_to("/")
        if place.is_dir():
            mount_point.mkdir(parents=True, exist_ok=True)
        elif not mount_point.exists():
            mount_point.parent.mkdir(parents=True, exist_ok=True)
            mount_point.touch()
    yield rootfs
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def image(base, tmp_path_factory):
    """The SIF of twelvelead.def, on the base of packages and with torch from where this machine's pip has it."""
    folder = tmp_path_factory.mktemp("image")
    path = folder / "twelvelead.sif"
    places = ",".join(map(str, local_places(pip_settings())))
    arguments = [
        "--fakeroot",
        *("--mksquashfs-args", "-comp zstd -Xcompression-level 3"),  # half the time
        *(("--bind", places) if places else ()),
        *("--build-arg", "BOOTSTRAP=localimage", "--build-arg", f"FROM={base}", "--build-arg", "TORCH_INDEX="),
    ]
    run("make", "image", f"IMAGE={path}", f"IMAGE_ARGS={shlex.join(arguments)}", cwd=ROOT)
    yield path
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def on_host(tmp_path_factory) -> Path:
    """The folder of the demo's run without a container."""
    folder = tmp_path_factory.mktemp("on_host")
    demo(folder)
    return folder


def run(*arguments: str, cwd: Path | None = None) -> str:
    done = subprocess.run(arguments, cwd=cwd, capture_output=True, text=True, timeout=900)
    if done.returncode:
        raise AssertionError(f"{' '.join(arguments)}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}")
    return done.stdout


def pip_settings() -> dict[str, str]:
    """Where this machine's pip finds packages. What the environment says comes before what files say."""
    lines = run(sys.executable, "-m", "pip", "config", "list").splitlines()
    pairs = [line.split("=", 1) for line in sorted(lines, key=lambda line: line.startswith(":env:"))]
    return {key.rpartition(".")[2]: " ".join(ast.literal_eval(value).split()) for key, value in pairs}


def local_places(settings: dict[str, str]) -> list[Path]:
    """Files and folders of this machine that pip's settings name. The files of a local index lie beside it."""
    words = " ".join(settings.values()).replace("file://", "").split()
    places = [Path(word) for word in words if word.startswith("/") and Path(word).exists()]
    return [place.parent if place.name == "simple" else place for place in places]


def demo(folder: Path, image: Path | None = None, *options: str) -> str:
    """Makes the demo's recordings and runs the demo, as `make demo` does; what the runs printed."""
    (folder / "image.yaml").write_text(f"container: {image}\n" if image else "{}\n")
    text = ""
    for target, configurations in [("demo_inputs", []), ("full_run", [str(ROOT / "config/demo.yaml")])]:
        outcome = snakemake(folder, target, "--configfile", "image.yaml", *configurations, *options)
        assert outcome.status == 0, outcome.text
        text += outcome.text
    return text


@pytest.mark.parametrize("option", ["--sdm=apptainer", "--use-singularity"])
def test_the_demo_in_the_image_gives_the_hosts_bytes(option, image, on_host, tmp_path):
    text = demo(tmp_path, image, option)
    jobs = text.count("Finished jobid: ") - 1  # target full_run is no job of its own
    assert text.count("Activating singularity image") == jobs
    assert tree(tmp_path / "demo") == tree(on_host / "demo")
    assert tree(tmp_path / "results") == tree(on_host / "results")


def test_the_image_says_which_definition_it_was_built_from(image, apptainer):
    """The base is all that a build from packages changes."""
    built = sections(run(apptainer, "inspect", "--deffile", str(image)))
    published = sections(rendered(DEFINITION.read_text(), TORCH_INDEX=""))
    assert built.pop("header") != published.pop("header")
    built.pop("arguments"), published.pop("arguments")
    assert built == published


@pytest.fixture
def elsewhere(image, tmp_path):
    """A working folder whose table, signals and results lie outside of it, and a target of a run there."""
    write_cohort(tmp_path / "cohort", n=20, seed=3)
    named = {"table": str(tmp_path / "cohort/table.csv"), "signals": str(tmp_path / "cohort/ecg_signals")}
    config = {"container": str(image), "batches": {"small": named}, "results": str(tmp_path / "elsewhere/results")}
    (tmp_path / "here").mkdir()
    (tmp_path / "here/config.yaml").write_text(yaml.safe_dump(config))
    return tmp_path / "here", str(tmp_path / "elsewhere/results/small/recordings.csv")


# A container shows the working folder and /tmp; here /tmp, where everything else is, is not shown.
IN_CONTAINERS = ("--configfile", "config.yaml", "--sdm=apptainer", "--apptainer-args=--no-mount tmp")


def usable(target):
    return (pd.read_csv(target)["status"] == "ok").sum()


def test_jobs_see_what_lies_outside_the_working_folder(elsewhere):
    here, target = elsewhere
    outcome = snakemake(here, target, *IN_CONTAINERS)
    assert outcome.status == 0, outcome.text
    assert usable(target) >= 20


def test_jobs_of_a_cluster_run_in_the_image(elsewhere, cluster):
    here, target = elsewhere
    submitted = submit(cluster, here, target, *IN_CONTAINERS, "--slurm-keep-successful-logs")
    assert submitted.wait().status == 0, submitted.text
    assert usable(target) >= 20
    assert "Activating singularity image" in submitted.slurm_log("decode")


def test_deepecgs_commands_run_in_the_image(image, apptainer, tmp_path):
    """Docker's mounts, by Apptainer: nothing of the host is seen but the four folders."""
    write_cohort(tmp_path / "cohort", n=20, seed=3)
    for name in ("inputs", "outputs", "preprocessing"):
        (tmp_path / name).mkdir()
    shutil.copy(tmp_path / "cohort/table.csv", tmp_path / "inputs/cohort.csv")
    mounts = [f"{tmp_path / name}:/app/{name}" for name in ("inputs", "outputs", "preprocessing")]
    mounts.append(f"{tmp_path / 'cohort/ecg_signals'}:/app/ecg_signals:ro")
    alone = ["--containall", "--no-home", "--writable-tmpfs", "--pwd", "/app"]
    run(
        *(apptainer, "exec", *alone, "--bind", ",".join(mounts), str(image)),
        *("bash", "run_pipeline.bash", "--mode", "full_run", "--csv_file_name", "cohort.csv"),
    )
    assert (tmp_path / "outputs/cohort/report.html").is_file()
    assert list((tmp_path / "outputs/cohort/deepecg").glob("openecg_rhythm_*_ecg_machine_diagnosis_probabilities.csv"))
