# The results under DeepECG's file names, for programs that read them: target deepecg_layout.

from datetime import datetime, timezone


def run_datetime(batch):
    """The time in DeepECG's file names: the one of the settings, else when the batch's table was last changed."""
    if SETTINGS["run_datetime"]:
        return SETTINGS["run_datetime"]
    settings = SETTINGS["batches"][batch]
    changed = Path(settings["signals" if settings["table"] == "auto" else "table"]).stat().st_mtime
    return datetime.fromtimestamp(changed, timezone.utc).strftime("%Y%m%d_%H%M%S")


def files_in_deepecg_layout():
    files = []
    for batch in batches():
        for task, model in runs(batch):
            endings = ["_probabilities.csv"] + ([".json", ".csv"] if is_scored(batch, task) else [])
            name = f"{batch}/deepecg/{model}_{run_datetime(batch)}_{task}"
            files += [results(f"{name}{ending}") for ending in endings]
    return files


rule deepecg_layout:
    input:
        lambda wildcards: files_in_deepecg_layout(),
    message:
        "results under DeepECG's file names"


rule deepecg_probabilities:
    input:
        probabilities=results("{batch}/{task}/{model}/probabilities.csv"),
    output:
        probabilities=results("{batch}/deepecg/{model}_{datetime}_{task}_probabilities.csv"),
    log:
        logs("deepecg_probabilities/{model}_{datetime}_{task}"),
    benchmark:
        benchmarks("deepecg_probabilities/{model}_{datetime}_{task}")
    wildcard_constraints:
        datetime=r"\d{8}_\d{6}",
    conda:
        "../envs/evaluation.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        version=VERSION,
    message:
        "{wildcards.batch}: probabilities of {wildcards.model} for {wildcards.task} in DeepECG's layout"
    script:
        "../scripts/deepecg_probabilities.py"


rule deepecg_metrics:
    input:
        json=results("{batch}/{task}/{model}/metrics.json"),
        csv=results("{batch}/{task}/{model}/metrics.csv"),
    output:
        json=results("{batch}/deepecg/{model}_{datetime}_{task}.json"),
        csv=results("{batch}/deepecg/{model}_{datetime}_{task}.csv"),
    log:
        logs("deepecg_metrics/{model}_{datetime}_{task}"),
    benchmark:
        benchmarks("deepecg_metrics/{model}_{datetime}_{task}")
    wildcard_constraints:
        datetime=r"\d{8}_\d{6}",
    conda:
        "../envs/evaluation.yaml"
    resources:
        mem_mb=growing(800),
        runtime=growing(10),
    params:
        version=VERSION,
    message:
        "{wildcards.batch}: metrics of {wildcards.model} for {wildcards.task} in DeepECG's layout"
    script:
        "../scripts/deepecg_metrics.py"
