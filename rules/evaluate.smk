# Probabilities and truth -> DeepECG's table of probabilities and its metrics, per task and model.


def predictions_of(wildcards):
    return [
        work(f"{wildcards.batch}/predictions/{wildcards.model}/{chunk}.parquet")
        for chunk in PLANS[wildcards.batch].chunks()
    ]


def labels_of(wildcards):
    if REGISTRY.tasks[wildcards.task]["kind"] != "patterns":
        return []
    return [work(f"{wildcards.batch}/labels/{wildcards.task}/{name}.parquet") for name in ("texts", "cells")]


def mapping_of(wildcards):
    mapping = REGISTRY.models[wildcards.model].get("mapping")
    return str(ROOT / mapping) if mapping else []


rule assemble:
    input:
        cells=lambda wildcards: PLANS[wildcards.batch].cells,
        predictions=predictions_of,
        labels=labels_of,
        mapping=mapping_of,
        patterns=str(ROOT / "config/labels/deepecg77.csv"),
    output:
        probabilities=results("{batch}/{task}/{model}/probabilities.csv"),
        scored=work("{batch}/scored/{task}/{model}.parquet"),
        qualities=work("{batch}/scored/{task}/{model}.json"),
    log:
        logs("assemble/{task}/{model}"),
    benchmark:
        benchmarks("assemble/{task}/{model}")
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        task=lambda wildcards: REGISTRY.tasks[wildcards.task],
        version=VERSION,
    message:
        "{wildcards.batch}: probabilities of {wildcards.model} for {wildcards.task}"
    script:
        "../scripts/assemble.py"


def check_given_thresholds():
    for task, path in SETTINGS["evaluation"]["thresholds"].items():
        if task not in REGISTRY.tasks:
            stop(f"evaluation.thresholds: no task `{task}`{did_you_mean(task, REGISTRY.tasks)}")
        if not Path(path).is_file():
            stop(f"evaluation.thresholds: there is no file {path} for task `{task}`; correct the path")


check_given_thresholds()


def evaluation_settings(task):
    chosen = {key: SETTINGS["evaluation"][key] for key in ("replicates", "slope_replicates", "seed", "least_positives")}
    return chosen | {"threshold_probabilities": REGISTRY.tasks[task]["threshold_probabilities"]}


def given_thresholds(wildcards):
    return SETTINGS["evaluation"]["thresholds"].get(wildcards.task, [])


def thresholds_of(model):
    """The entry of published thresholds with its table's path, and the preprocessing they may not fit."""
    entry = REGISTRY.models[model].get("thresholds")
    return entry and entry | {"table": str(ROOT / entry["table"])}


rule evaluate:
    input:
        scored=work("{batch}/scored/{task}/{model}.parquet"),
        cells=lambda wildcards: PLANS[wildcards.batch].cells,
        weights=work("models/{model}/weights.json"),
        thresholds=given_thresholds,
        patterns=str(ROOT / "config/labels/deepecg77.csv"),
        categories=str(ROOT / "config/labels/deepecg_categories.csv"),
    output:
        json=results("{batch}/{task}/{model}/metrics.json"),
        csv=results("{batch}/{task}/{model}/metrics.csv"),
        evaluation=results("{batch}/{task}/{model}/evaluation.json"),
    log:
        logs("evaluate/{task}/{model}"),
    benchmark:
        benchmarks("evaluate/{task}/{model}")
    threads: 2
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        kind=lambda wildcards: REGISTRY.tasks[wildcards.task]["kind"],
        settings=lambda wildcards: evaluation_settings(wildcards.task),
        published=lambda wildcards: thresholds_of(wildcards.model),
        scale=PREPROCESSING["scale"],
        criterion=SETTINGS["evaluation"]["threshold_criterion"],
        version=VERSION,
    message:
        "{wildcards.batch}: metrics of {wildcards.model} for {wildcards.task}"
    script:
        "../scripts/evaluate.py"


rule compare:
    input:
        scored=lambda wildcards: [
            work(f"{wildcards.batch}/scored/{wildcards.task}/{model}.parquet")
            for task, model in runs(wildcards.batch)
            if task == wildcards.task
        ],
        cells=lambda wildcards: PLANS[wildcards.batch].cells,
        thresholds=given_thresholds,
    output:
        comparison=results("{batch}/{task}/comparison.json"),
    log:
        logs("compare/{task}"),
    benchmark:
        benchmarks("compare/{task}")
    threads: 2
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        kind=lambda wildcards: REGISTRY.tasks[wildcards.task]["kind"],
        settings=lambda wildcards: evaluation_settings(wildcards.task),
        published=lambda wildcards: {
            model: thresholds_of(model) for task, model in runs(wildcards.batch) if task == wildcards.task
        },
        criterion=SETTINGS["evaluation"]["threshold_criterion"],
        version=VERSION,
    message:
        "{wildcards.batch}: compare the models of {wildcards.task}"
    script:
        "../scripts/compare.py"
