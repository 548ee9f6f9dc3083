# Probabilities and truth -> DeepECG's table of probabilities and its metrics, per task and model.


def of_chunks(folder):
    """An input function: what inference by the model left of every chunk."""
    return lambda wildcards: [
        work(f"{wildcards.batch}/{folder}/{wildcards.model}/{chunk}.parquet")
        for chunk in PLANS[wildcards.batch].chunks()
    ]


def labels_of(wildcards):
    if REGISTRY.tasks[wildcards.task]["kind"] != "patterns":
        return []
    return [work(f"{wildcards.batch}/labels/{wildcards.task}/{name}.parquet") for name in ("texts", "cells")]


def mapping_of(wildcards):
    return mapping_path(wildcards.task, wildcards.model) or []


def mapping_path(task, model):
    mapping = REGISTRY.mapping_of(task, model)
    return str(ROOT / mapping) if mapping else None


def mappings_of(wildcards):
    """Model -> its mapping or None, for the models of a task."""
    return {model: mapping_path(task, model) for task, model in runs(wildcards.batch) if task == wildcards.task}


def tasks_with_labels():
    """A constraint on {task} that only tasks of kind multilabel fit; it may fit no task."""
    return "|".join(re.escape(task) for task in REGISTRY.tasks if has_labels(task)) or "(?!)"


rule assemble:
    input:
        cells=lambda wildcards: PLANS[wildcards.batch].cells,
        predictions=of_chunks("predictions"),
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
    conda:
        "../envs/evaluation.yaml"
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
    params:
        task=lambda wildcards: REGISTRY.tasks[wildcards.task],
        version=VERSION,
    message:
        "{wildcards.batch}: probabilities of {wildcards.model} for {wildcards.task}"
    script:
        "../scripts/assemble.py"


rule window_tables:
    input:
        cells=lambda wildcards: PLANS[wildcards.batch].cells,
        predictions=of_chunks("predictions"),
        windows=of_chunks("windows"),
    output:
        windows=results("{batch}/{task}/{model}/windows.csv"),
        logits=results("{batch}/{task}/{model}/logits.parquet"),
        outputs=results("{batch}/{task}/{model}/outputs.csv"),
    log:
        logs("window_tables/{task}/{model}"),
    benchmark:
        benchmarks("window_tables/{task}/{model}")
    wildcard_constraints:
        model=models_where(windowed=True),
    conda:
        "../envs/evaluation.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(60),
    params:
        version=VERSION,
    message:
        "{wildcards.batch}: windows of {wildcards.model} for {wildcards.task}"
    script:
        "../scripts/window_tables.py"


rule label_table:
    input:
        cells=lambda wildcards: PLANS[wildcards.batch].cells,
        recordings=results("{batch}/recordings.csv"),
    output:
        table=results("{batch}/{task}/label_table.csv"),
    log:
        logs("label_table/{task}"),
    benchmark:
        benchmarks("label_table/{task}")
    wildcard_constraints:
        task=tasks_with_labels(),
    conda:
        "../envs/evaluation.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(30),
    params:
        labels=lambda wildcards: REGISTRY.tasks[wildcards.task]["labels"],
        version=VERSION,
    message:
        "{wildcards.batch}: how frequent the labels of {wildcards.task} are"
    script:
        "../scripts/label_table.py"


rule predicted_labels:
    input:
        scored=work("{batch}/scored/{task}/{model}.parquet"),
    output:
        labels=results("{batch}/{task}/{model}/predicted_labels.csv"),
    log:
        logs("predicted_labels/{task}/{model}"),
    benchmark:
        benchmarks("predicted_labels/{task}/{model}")
    wildcard_constraints:
        task=tasks_with_labels(),
    conda:
        "../envs/evaluation.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(30),
    params:
        task=lambda wildcards: {key: REGISTRY.tasks[wildcards.task].get(key) for key in ("labels", "codes")},
        threshold=SETTINGS["evaluation"]["label_threshold"],
        version=VERSION,
    message:
        "{wildcards.batch}: labels that {wildcards.model} calls for {wildcards.task}"
    script:
        "../scripts/predicted_labels.py"


rule classification:
    input:
        scored=work("{batch}/scored/{task}/{model}.parquet"),
    output:
        csv=results("{batch}/{task}/{model}/classification.csv"),
        json=results("{batch}/{task}/{model}/classification.json"),
    log:
        logs("classification/{task}/{model}"),
    benchmark:
        benchmarks("classification/{task}/{model}")
    wildcard_constraints:
        task=tasks_with_labels(),
    conda:
        "../envs/evaluation.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(30),
    params:
        labels=lambda wildcards: REGISTRY.tasks[wildcards.task]["labels"],
        threshold=SETTINGS["evaluation"]["label_threshold"],
        version=VERSION,
    message:
        "{wildcards.batch}: called and actual labels of {wildcards.model} for {wildcards.task}"
    script:
        "../scripts/classification.py"


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
        mapping=mapping_of,
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
    conda:
        "../envs/evaluation.yaml"
    threads: 2
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
    params:
        task=lambda wildcards: {key: REGISTRY.tasks[wildcards.task].get(key) for key in ("kind", "labels")},
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
        mappings=lambda wildcards: [path for path in mappings_of(wildcards).values() if path],
        thresholds=given_thresholds,
    output:
        comparison=results("{batch}/{task}/comparison.json"),
    log:
        logs("compare/{task}"),
    benchmark:
        benchmarks("compare/{task}")
    conda:
        "../envs/evaluation.yaml"
    threads: 2
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
    params:
        kind=lambda wildcards: REGISTRY.tasks[wildcards.task]["kind"],
        settings=lambda wildcards: evaluation_settings(wildcards.task),
        published=lambda wildcards: {
            model: thresholds_of(model) for task, model in runs(wildcards.batch) if task == wildcards.task
        },
        mappings=lambda wildcards: mappings_of(wildcards),
        criterion=SETTINGS["evaluation"]["threshold_criterion"],
        version=VERSION,
    message:
        "{wildcards.batch}: compare the models of {wildcards.task}"
    script:
        "../scripts/compare.py"
