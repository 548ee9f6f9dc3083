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


rule evaluate:
    input:
        scored=work("{batch}/scored/{task}/{model}.parquet"),
        patterns=str(ROOT / "config/labels/deepecg77.csv"),
        categories=str(ROOT / "config/labels/deepecg_categories.csv"),
    output:
        json=results("{batch}/{task}/{model}/metrics.json"),
        csv=results("{batch}/{task}/{model}/metrics.csv"),
    log:
        logs("evaluate/{task}/{model}"),
    benchmark:
        benchmarks("evaluate/{task}/{model}")
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        kind=lambda wildcards: REGISTRY.tasks[wildcards.task]["kind"],
        version=VERSION,
    message:
        "{wildcards.batch}: metrics of {wildcards.model} for {wildcards.task}"
    script:
        "../scripts/evaluate.py"
