# Configuration, paths and look-ups that the rules share. Everything here runs when the workflow is read.

import atexit
import json
import os
import re
import shlex
import sys
from collections import Counter
from pathlib import Path

from snakemake.settings.types import DeploymentMethod


def stop(message):
    """Ends the run with a message alone; Snakemake would put a traceback of the Snakefile around it."""
    sys.exit(f"\nError: {message}")


ROOT = Path(str(workflow.current_basedir)).parent
if not (ROOT / "scripts/twelvelead").is_dir():
    stop(
        f"{ROOT} is no folder with twelvelead's code, which jobs read from disk; clone the repository and give the path "
        "of its Snakefile (see docs/module.md)"
    )
sys.path.insert(0, str(ROOT / "scripts"))
# Snakemake puts a script's folder behind installed packages; this checkout's library comes before any other copy.
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT / "scripts"), os.environ.get("PYTHONPATH")]))

from twelvelead import __version__ as VERSION
from twelvelead.config import did_you_mean, load_config, read_yaml
from twelvelead.containers import find_image, folders_outside, with_options
from twelvelead.errors import TwelveleadError
from twelvelead.outputs import check_room, check_writable
from twelvelead.plan import make_plan, newest_index, read_plan
from twelvelead.recipes import DURATION_S
from twelvelead.registry import Registry
from twelvelead.slurm import check_run

NO_BATCH = (
    "no batch is configured, so there is nothing to do. To see the workflow at work: make demo. For your own ECGs: "
    "snakemake --cores N --config table=cohort.csv signals=ecg_signals, or a file with `batches` given by --configfile "
    "(see config/README.md)."
)


def or_stop(function, *arguments):
    """Calls `function`; an error a user can mend ends the run with its message."""
    try:
        return function(*arguments)
    except TwelveleadError as error:
        stop(error)


# Before Snakemake locks the folder, which it cannot on a full disk.
if workflow.is_main_process:
    or_stop(check_room, [".snakemake"])
SETTINGS = or_stop(load_config, config, read_yaml(ROOT / "config/schemas/config.schema.yaml"))
PREPROCESSING = SETTINGS["preprocessing"]
# In one order, so that another order of the same flags runs nothing again.
PREPROCESSING["quality_excludes"].sort()
REGISTRY = or_stop(Registry.load, ROOT, SETTINGS)
# Plans are written when the workflow is read, outside of what a module's prefix moves.
if any(workflow.modifier.path_modifier.replace_prefix(SETTINGS[key]) != SETTINGS[key] for key in ("results", "work")):
    stop("a module of twelvelead takes no `prefix` or `replace_prefix`; set `results` and `work` in its config instead")


def in_container():
    """Whether jobs run in the image, by --sdm apptainer or its older name --use-singularity."""
    return DeploymentMethod.APPTAINER in workflow.deployment_settings.deployment_method


def named_paths():
    """Everything a job may read or write: this checkout, and what the settings and models name."""
    paths = [ROOT, *(SETTINGS[key] for key in ("results", "work", "weights", "extra_models", "extra_tasks"))]
    paths += [batch["signals"] for batch in SETTINGS["batches"].values()]
    paths += [batch["table"] for batch in SETTINGS["batches"].values() if batch["table"] != "auto"]
    paths += [PREPROCESSING["calibration"], *SETTINGS["evaluation"]["thresholds"].values()]
    paths += [SETTINGS["hugging_face_api_key_path"]]
    paths += [model["source"].get("path") for model in REGISTRY.models.values()]
    return [Path(path) for path in paths if path not in (None, "batch")]


CONTAINER = or_stop(find_image, SETTINGS["container"], ROOT) if in_container() else SETTINGS["container"]
if in_container():
    # Apptainer shows a container the working folder and /tmp; the GPU's driver only when asked. A job on a cluster node
    # starts with what the main process added.
    options = [f"--bind {shlex.quote(folder)}" for folder in or_stop(folders_outside, named_paths(), Path.cwd())]
    options += ["--nv"] if SETTINGS["device"] != "cpu" and list(Path("/dev").glob("nvidia[0-9]*")) else []
    given = workflow.deployment_settings.apptainer_args
    workflow.deployment_settings.apptainer_args = with_options(given, options)


def work(path):
    return f"{SETTINGS['work']}/{path}"


def results(path):
    return f"{SETTINGS['results']}/{path}"


def written_folders():
    """What a run writes to: the folders `work` and `results`, and in them those of its batches."""
    folders = [SETTINGS[key] for key in ("work", "results")]
    return folders + [f"{folder}/{batch}" for folder in folders for batch in SETTINGS["batches"]]


def say_if_full():
    """Ends what a run prints that did not end well: Snakemake's own files may have found no room, which it tells badly."""
    try:
        check_room([".snakemake", *written_folders()])
    except TwelveleadError as error:
        print(f"\nError: {error}", file=sys.stderr)


def logs(path):
    return work(f"{{batch}}/logs/{path}.log")


def benchmarks(path):
    return work(f"{{batch}}/benchmarks/{path}.tsv")


def growing(amount):
    """A resource that grows with every attempt: a job killed for memory or time is submitted anew with more."""
    return lambda wildcards, attempt: amount * attempt


def plan_of(batch):
    """The plan of a batch: made by the main process; a job on a cluster node reads the one that was made for it."""
    folder = Path(work(f"{batch}/plan"))
    made = json.loads(os.environ.get("TWELVELEAD_PLANS", "{}"))
    if workflow.is_main_process:
        settings = SETTINGS["batches"][batch]
        index = make_plan(
            batch,
            settings,
            REGISTRY.tasks,
            SETTINGS["tasks"],
            SETTINGS["shard_size"],
            folder,
            SETTINGS["evaluation"]["subgroups"],
        )
        os.environ["TWELVELEAD_PLANS"] = json.dumps(made | {str(folder): str(index)})
    else:
        index = made.get(str(folder)) or newest_index(folder)
    return read_plan(index)


PLANS = {batch: or_stop(plan_of, batch) for batch in SETTINGS["batches"]}
SHARDS = {batch: {shard.name: shard for shard in plan.shards} for batch, plan in PLANS.items()}


if workflow.is_main_process:
    atexit.register(say_if_full)
    for name, reason in REGISTRY.worth_a_warning(SETTINGS).items():
        print(f"Model {name} is left out: {reason}", file=sys.stderr)
    with_files = dict.fromkeys(task for plan in PLANS.values() for task in plan.tasks if plan.tasks[task]["files"])
    for reason, tasks in REGISTRY.unanswered(with_files, SETTINGS).items():
        print(f"No model at hand answers {', '.join(tasks)}: {reason}", file=sys.stderr)


wildcard_constraints:
    batch="|".join(map(re.escape, PLANS)) or "[^/]+",
    shard="[^/]+",
    chunk="[^/]+",
    task="[^/]+",
    model="[^/]+",
    recipe="[^/]+",
    ecg_id="[^/]+",


def of_shards(pattern):
    """An input function: `pattern` for every shard of the batch, in the order of their hashes."""
    return lambda wildcards: [
        pattern.format(batch=wildcards.batch, shard=shard.name) for shard in PLANS[wildcards.batch].shards
    ]


def runs(batch):
    """(task, model) of every model that is at hand for a task of the batch."""
    if not PLANS[batch].shards:
        return []
    return [(task, model) for task in PLANS[batch].tasks for model in REGISTRY.models_of(task)]


def models_of_windows(batch):
    """Models that look at a recording window by window; they alone have embeddings and saliency."""
    return sorted({model for _, model in runs(batch) if family_of(model).windowed})


def no_models_of_windows(target):
    """Why the target has nothing to make, and for each model that could, what to do."""
    reasons = [
        f"{name} ({REGISTRY.absent.get(name) or 'at hand, but it answers none of the tasks of this run; see `tasks`'})"
        for name in REGISTRY.models
        if family_of(name).windowed
    ]
    return f"target {target}: no model of windows runs here, and no other has any. These do: {'; '.join(reasons)}"


def recipes(batch):
    """Recipes whose tensors the batch's models read, and deepecg, whose signals are exported."""
    return sorted({"deepecg"} | {REGISTRY.models[model]["recipe"] for _, model in runs(batch)})


def batches():
    if not PLANS:
        stop(NO_BATCH)
    return list(PLANS)


def targets_of_preprocessing():
    files = ["recordings.csv", "missing_files.csv"]
    files += [f"preprocessing/ecg_processing_{kind}_report.csv" for kind in ("detailed", "summary")]
    files += ["preprocessing/calibration.json"]
    targets = [results(f"{batch}/{file}") for batch in batches() for file in files]
    if PREPROCESSING["export"] != "none":
        return targets + [work(f"{batch}/exported.txt") for batch in batches()]
    # The statuses stand for the tensors beside them, which may be temporary.
    return targets + [work(f"{batch}/prepared/deepecg/{shard}.tsv") for batch in batches() for shard in SHARDS[batch]]


def check_named_models():
    """Whoever names models and has none of them would wait for a page without a prediction."""
    named = SETTINGS["models"]
    if named != "auto" and all(name in REGISTRY.absent for name in named):
        stop("; ".join(f"model {name} cannot run: {REGISTRY.absent[name]}" for name in named))


def targets_of_analysis():
    check_named_models()
    files = ["recordings.csv", "missing_files.csv", "report.html", "provenance.json"]
    targets = [results(f"{batch}/{file}") for batch in batches() for file in files]
    for batch in batches():
        for task, model in runs(batch):
            targets += [results(f"{batch}/{task}/{model}/{file}") for file in files_of_run(batch, task, model)]
        targets += [results(f"{batch}/{task}/comparison.json") for task in compared_tasks(batch)]
        targets += [results(f"{batch}/{task}/label_table.csv") for task in tasks_of_labels(batch)]
        if SETTINGS["batches"][batch]["split"]:
            targets += [results(f"{batch}/splits.csv")]
    return targets


def has_labels(task):
    """Whether the task's truth is a set of labels of the table's, not a reading of statements or one outcome."""
    return REGISTRY.tasks[task]["kind"] == "multilabel"


def tasks_of_labels(batch):
    """Tasks of labels with truth."""
    return [task for task in PLANS[batch].tasks if has_labels(task) and is_scored(batch, task)]


def is_scored(batch, task):
    """Metrics need truth and more than one ECG."""
    counts = PLANS[batch].tasks[task]
    from_files = SETTINGS["statements_from_files"] and REGISTRY.tasks[task]["kind"] == "patterns"
    return (counts["files"] if from_files else counts["truths"]) > 1


def compared_tasks(batch):
    """Tasks that several models answer."""
    models_of = Counter(task for task, _ in runs(batch))
    return [task for task in PLANS[batch].tasks if models_of[task] > 1 and is_scored(batch, task)]


def files_of_run(batch, task, model):
    """Without truth there are predictions alone."""
    files = ["probabilities.csv"]
    if family_of(model).windowed:
        files += ["outputs.csv", "windows.csv", "logits.parquet"]
    if has_labels(task):
        files += ["predicted_labels.csv"]
    if is_scored(batch, task):
        files += ["metrics.json", "metrics.csv", "evaluation.json"]
        files += ["classification.csv", "classification.json"] if has_labels(task) else []
    return files
