"""The image's two definitions agree, and run_pipeline.bash does what DeepECG's does.

No container runs here: Docker needs a daemon, and Apptainer has tests of its own in tests/cluster.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import yaml

from container_files import arguments_of, copies, instructions, pairs, rendered, sections
from twelvelead.demo.cohort import write_cohort
from workflow.running import ROOT, snakemake, tree

CONTAINERS = ROOT / "containers"
DOCKERFILE = (CONTAINERS / "Dockerfile").read_text()
DEFINITION = (CONTAINERS / "twelvelead.def").read_text()
DIGEST = re.compile(r"@sha256:[0-9a-f]{64}$")
INSTALL = (CONTAINERS / "install.sh").read_text()
REMOVAL = re.search(r"^remove_unwanted\(\) \{\n.*?\n\}$", INSTALL, re.DOTALL | re.MULTILINE)[0]
FAILING_WORKFLOW = r"""
rule preprocessing:
    log: "my results/silent.log"
    shell: "exit 1"
rule fetch_models:
    log: "fetch.log"
    params: models=config.get("models")
    shell:
        "printf 'ERROR %s: the hub is away; run again: nothing is lost\\n' {params.models} > {log};"
        "sed -i '/_afib/s/the hub is away/the disk is full/' {log}; echo ERROR none was fetched >> {log}; exit 1"
rule analysis:
rule deepecg_layout:
"""


def test_both_start_from_one_python_pinned_by_digest():
    base = pairs(arguments_of(DOCKERFILE, "ARG"))["BASE"]
    in_definition = pairs(sections(DEFINITION)["arguments"])["FROM"]
    assert DIGEST.search(base)
    assert DIGEST.search(base)[0] == DIGEST.search(in_definition)[0]
    assert arguments_of(DOCKERFILE, "FROM") == ["${BASE}"]
    assert sections(rendered(DEFINITION))["header"] == ["Bootstrap: docker", f"From: {in_definition}"]


def test_both_copy_the_same_files():
    in_definition = [line.replace("{{ WEIGHTS }}", "${WEIGHTS}").split() for line in sections(DEFINITION)["files"]]
    assert sorted(copies(DOCKERFILE)) == sorted(in_definition)


def test_both_take_the_same_build_arguments():
    in_dockerfile = pairs(arguments_of(DOCKERFILE, "ARG"))
    in_definition = pairs(sections(DEFINITION)["arguments"])
    for name in ("TORCH_INDEX", "WEIGHTS"):
        assert in_dockerfile[name] == in_definition[name]


def test_both_do_the_same_steps():
    steps = [step for step in arguments_of(DOCKERFILE, "RUN") if not step.startswith("useradd")]
    in_definition = [line.replace("{{ TORCH_INDEX }}", "${TORCH_INDEX}") for line in sections(DEFINITION)["post"]]
    assert steps == in_definition


def test_both_set_the_same_environment():
    in_dockerfile = pairs(arguments_of(DOCKERFILE, "ENV"))
    users = [in_dockerfile.pop(name) for name in ("USER", "HOME")]  # Apptainer has the caller's
    assert users == ["twelvelead", "/app"]
    assert in_dockerfile == pairs(sections(DEFINITION)["environment"])


def test_a_local_base_changes_nothing_but_the_header():
    published = sections(rendered(DEFINITION))
    local = sections(rendered(DEFINITION, BOOTSTRAP="localimage", FROM="/base"))
    assert local.pop("header") == ["Bootstrap: localimage", "From: /base"]
    published.pop("header")
    assert local == published


def test_docker_runs_as_a_user_without_rights():
    names = [name for name, _ in instructions(DOCKERFILE)]
    assert arguments_of(DOCKERFILE, "USER") == ["twelvelead"]
    assert "RUN" not in names[names.index("USER") :]


def test_what_is_copied_is_there_and_the_build_may_see_it():
    defaults = pairs(arguments_of(DOCKERFILE, "ARG"))
    ignored = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    for source, _ in copies(DOCKERFILE):
        source = source.replace("${WEIGHTS}", defaults["WEIGHTS"])
        assert (ROOT / source).exists(), source
        assert source not in ignored
        assert source != "."


def remove_unwanted(*folders: Path) -> None:
    """What install.sh does below /opt/twelvelead and /app/weights."""
    subprocess.run(["sh", "-euc", f'{REMOVAL}\nremove_unwanted "$@"', "sh", *folders], check=True)


def test_both_leave_out_the_same_files():
    ignored = [line.removeprefix("**/") for line in (ROOT / ".dockerignore").read_text().splitlines() if "**/" in line]
    assert shlex.split(re.search(r"for name in (.*); do", REMOVAL)[1]) == ignored
    assert "remove_unwanted /opt/twelvelead /app/weights" in INSTALL.splitlines()


def test_keys_and_caches_are_removed_and_nothing_else(tmp_path):
    keys = ["api_key.json", "api_key_mine.json", "hub.token", ".env", ".env.local", ".netrc", "site.pem", "site.key"]
    unwanted = [*keys, "__pycache__/rule.pyc", "twelvelead.egg-info/PKG-INFO", ".ruff_cache/0", "twelvelead.sif"]
    wanted = ["tokenizer.json", "keys.csv", "environment", "api_key.md", "with blanks/model.lock.json"]
    for folder in ("config", "scripts/twelvelead", "weights/with blanks"):
        for name in unwanted + wanted:
            (tmp_path / folder / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / folder / name).touch()
    before = set(tree(tmp_path))
    remove_unwanted(tmp_path / "config", tmp_path / "weights")
    removed = {f"{folder}/{name}" for folder in ("config", "weights/with blanks") for name in unwanted}
    assert before - set(tree(tmp_path)) == removed


def test_git_leaves_out_keys_and_recordings():
    names = ["api_key.json", "config/api_key_2.json", "hub.token", ".env", ".netrc", "cohort.csv", "cohort.yaml"]
    names += [f"{folder}/x.csv" for folder in ("ecg_signals", "inputs", "outputs", "preprocessing", "results", "work")]
    done = subprocess.run(["git", "check-ignore", *names], cwd=ROOT, capture_output=True, text=True)
    if done.returncode == 128:
        pytest.skip("needs a checkout of git's")
    assert done.stdout.splitlines() == names
    assert subprocess.check_output(["git", "ls-files", "-ci", "--exclude-standard"], cwd=ROOT) == b""


@pytest.fixture(scope="module")
def image(tmp_path_factory) -> Path:
    """A folder with the files of the image where it has them, as far as this repository puts them there."""
    folder = tmp_path_factory.mktemp("image")
    for source, destination in copies(DOCKERFILE):
        if source.startswith("$"):
            continue
        target = folder / destination.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if (ROOT / source).is_dir() else shutil.copy)(ROOT / source, target)
    remove_unwanted(folder / "opt/twelvelead")
    for line in INSTALL.splitlines():
        if line.startswith("ln -s "):
            to, at = line.split()[2:]
            (folder / at.lstrip("/")).symlink_to(folder / to.lstrip("/"))
    return folder


@pytest.fixture
def app(image, tmp_path) -> Path:
    """/app with DeepECG's mounts, and the image's own heartwise.config with that folder in place of /app."""
    write_cohort(tmp_path, n=20, seed=3)
    for name in ("inputs", "outputs", "preprocessing"):
        (tmp_path / name).mkdir()
    (tmp_path / "table.csv").rename(tmp_path / "inputs/cohort.csv")
    (tmp_path / "run_pipeline.bash").symlink_to(image / "app/run_pipeline.bash")
    write_config(image, tmp_path)
    return tmp_path


@pytest.fixture
def failing(tmp_path) -> Path:
    """A folder with run_pipeline.bash and a workflow whose preprocessing and fetching fail."""
    root = tmp_path / "root"
    for source in ("containers/run_pipeline.bash", "config/models.yaml", "profiles/default/config.yaml"):
        (root / source).parent.mkdir(parents=True)
        shutil.copy(ROOT / source, root / source)
    (root / "Snakefile").write_text(FAILING_WORKFLOW)
    (tmp_path / "run_pipeline.bash").symlink_to(root / "containers/run_pipeline.bash")
    return tmp_path


def write_config(image: Path, app: Path, **changed) -> None:
    config = yaml.safe_load((image / "app/heartwise.config").read_text().replace("/app", str(app)))
    (app / "heartwise.config").write_text("".join(f"{key}: {value}\n" for key, value in (config | changed).items()))


def run_pipeline(app: Path, *arguments: str, **variables: str) -> tuple[int, list[str], str]:
    """Exit status, the errors listed at the end, and everything printed."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "TWELVELEAD_"))}
    environment |= {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "CORES": "2", **variables}
    done = subprocess.run(
        ["bash", "run_pipeline.bash", *arguments],
        cwd=app,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
    )
    _, heading, listed = done.stdout.rpartition("\nErrors encountered:\n")
    return done.returncode, listed.splitlines() if heading else [], done.stdout


@pytest.mark.slow
def test_the_three_modes_with_a_folder_or_a_file(image, app):
    status, errors, text = run_pipeline(app, "--mode", "preprocessing", "--csv_file_name", "cohort.csv")
    assert (status, errors) == (0, []), text
    assert len(list((app / "outputs/cohort/preprocessing/signals").glob("*.base64"))) >= 20
    assert not (app / "outputs/cohort/report.html").exists()

    write_config(image, app, data_path=app / "inputs/cohort.csv", use_wcr=False)
    status, errors, text = run_pipeline(app, "--mode", "analysis")
    assert (status, errors) == (0, []), text
    assert (app / "outputs/cohort/report.html").is_file()
    name = r"openecg_rhythm_\d{8}_\d{6}_ecg_machine_diagnosis(_probabilities)?\.(csv|json)"
    written = [path.name for path in (app / "outputs/cohort/deepecg").iterdir()]
    assert len(written) == 3
    assert all(re.fullmatch(name, file) for file in written)

    before = tree(app / "outputs")
    write_config(image, app, use_wcr=False)
    status, errors, text = run_pipeline(app, "--csv_file_name", "cohort.csv")  # mode of heartwise.config: full_run
    assert (status, errors) == (0, []), text
    assert tree(app / "outputs") == before

    # A key, but no hub: every model is an error, and the run is done all the same.
    (app / "api_key.json").write_text(json.dumps({"HUGGING_FACE_API_KEY": "hf_" + "x" * 34}))
    status, errors, text = run_pipeline(
        app, "--csv_file_name", "cohort.csv", HF_ENDPOINT="http://127.0.0.1:9", HF_HOME=str(app / "hub")
    )
    assert status == 1
    assert len(errors) == 2  # the models in one line, and their number
    assert errors[0].startswith("- fetch_models: efficientnetv2_77_classes, efficientnetv2_lvef_equal_under_40, ")
    assert ", Bert_diagnosis2classification_En_Fr: the connection to http://127.0.0.1:9" in errors[0]
    assert errors[1] == "- fetch_models: 5 of 5 models were not fetched"
    assert "hf_xxx" not in text
    assert tree(app / "outputs") == before


@pytest.mark.slow
def test_a_failed_job_is_an_error_with_its_reason(image, app):
    (app / "calibration.json").write_text("{}")
    write_config(image, app, preprocessing="{calibration: calibration.json}")
    status, errors, text = run_pipeline(app, "--mode", "preprocessing", "--csv_file_name", "cohort.csv")
    assert status == 1
    assert len(errors) == 1, text
    assert errors[0].startswith("- calibrate: calibration.json")


def test_wrong_arguments_are_listed_together(app):
    (app / "heartwise.config").unlink()
    status, errors, _ = run_pipeline(app, "--mode", "everything", "--batch")
    assert status == 1
    assert errors == [
        "- --batch: no such option; there are --mode MODE and --csv_file_name FILE",
        f"- there is no heartwise.config in {app}; write one there, or mount it",
        "- mode `everything`: expected preprocessing, analysis or full_run",
    ]


def test_an_option_without_its_value(app):
    status, errors, _ = run_pipeline(app, "--mode", "analysis", "--csv_file_name")
    assert (status, errors) == (1, ["- --csv_file_name: its value is missing"])


@pytest.mark.parametrize("arguments", [("--mode=every thing", "--csv_file_name=c.csv"), ("--mode", "every thing")])
def test_an_option_with_its_value_in_one_or_two_words(failing, arguments):
    (failing / "heartwise.config").touch()
    status, errors, _ = run_pipeline(failing, *arguments)
    assert (status, errors) == (1, ["- mode `every thing`: expected preprocessing, analysis or full_run"])
    status, errors, _ = run_pipeline(failing, "--mode=", *arguments)
    assert (status, errors) == (1, ["- --mode: its value is missing"])


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help_names_the_options_and_runs_nothing(tmp_path, option):
    done = subprocess.run(["bash", CONTAINERS / "run_pipeline.bash", option], cwd=tmp_path, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"\n  --mode MODE " in done.stdout
    assert b"\n  --csv_file_name FILE " in done.stdout


@pytest.mark.parametrize("written", ['"a #1 b"', "'a #1 b' # it's", '"a #1 b"  ', "first\nmode : 'a #1 b'"])
def test_a_quoted_value_of_the_configuration(failing, written):
    (failing / "heartwise.config").write_text(f"mode: {written}\n")
    assert run_pipeline(failing)[1] == ["- mode `a #1 b`: expected preprocessing, analysis or full_run"]


def test_a_job_that_says_nothing_is_named_with_its_log(failing):
    (failing / "heartwise.config").write_text("mode: preprocessing\n")
    status, errors, _ = run_pipeline(failing)
    assert (status, errors) == (1, ["- preprocessing failed; see my results/silent.log"])


@pytest.mark.parametrize("off", ["no", "'FALSE' # not here"])
def test_models_that_fail_for_one_reason_share_a_line(failing, off):
    (failing / "heartwise.config").write_text(f"mode: analysis\nuse_wcr: {off}\nuse_efficientnet: True\n")
    status, errors, _ = run_pipeline(failing, HF_TOKEN="hf_x")
    away = "efficientnetv2_77_classes, efficientnetv2_lvef_equal_under_40, efficientnetv2_lvef_under_50"
    assert status == 1
    assert errors == [
        f"- fetch_models: {away}, Bert_diagnosis2classification_En_Fr: the hub is away; run again: nothing is lost",
        "- fetch_models: efficientnetv2_afib_5y: the disk is full; run again: nothing is lost",
        "- fetch_models: none was fetched",
    ]


def test_an_absent_table(app):
    status, errors, _ = run_pipeline(app, "--mode", "analysis", "--csv_file_name", "other.csv")
    assert status == 1
    assert errors == [
        f"- configuration: there is no table {app}/inputs/other.csv; `csv_file_name` is a path below `data_path`, "
        f"{app}/inputs"
    ]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can run a program as another user")
def test_a_mount_that_the_user_may_not_write_in():
    with tempfile.TemporaryDirectory() as folder:  # pytest's own are closed to other users
        app = Path(folder)
        app.chmod(0o755)
        (app / "outputs").mkdir()
        (app / "heartwise.config").write_text(f"output_folder: {app}/outputs # results\n")
        shutil.copy(CONTAINERS / "run_pipeline.bash", app)
        done = subprocess.run(["bash", "run_pipeline.bash"], cwd=app, capture_output=True, text=True, user=65534)
    assert done.returncode == 1
    assert f"- output_folder: user 65534 may not write in {app}/outputs; start the container with --user" in done.stdout


@pytest.mark.parametrize("option", ["--sdm=apptainer", "--use-singularity"])
def test_without_the_image_nothing_runs_on_the_host(option, tmp_path):
    (tmp_path / "config.yaml").write_text("container: nowhere/twelvelead.sif\n")
    outcome = snakemake(tmp_path, "demo_inputs", "--configfile", "config.yaml", option)
    assert outcome.status == 1
    assert "`container` is nowhere/twelvelead.sif, but there is no such file; build it with" in outcome.text
    assert not (tmp_path / "demo").exists()


def test_make_image_says_that_apptainer_is_missing(tmp_path):
    environment = os.environ | {"PATH": str(tmp_path)}
    done = subprocess.run([shutil.which("make"), "image"], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode != 0
    assert "make image needs Apptainer" in done.stdout + done.stderr
    assert "command not found" not in done.stdout + done.stderr
