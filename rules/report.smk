# One self-contained page per batch, and what it was made with.


def calibration_of(wildcards):
    """The batch's calibration, where a model reads signals that were cleaned with it, or its scale needs a warning."""
    used = PREPROCESSING["scale"] == "batch" or any(
        REGISTRY.models[model]["recipe"] == "deepecg" for _, model in runs(wildcards.batch)
    )
    return results(f"{wildcards.batch}/preprocessing/calibration.json") if used else []


def of_runs(pattern):
    return lambda wildcards: [
        work(f"{wildcards.batch}/" + pattern.format(task=task, model=model)) for task, model in runs(wildcards.batch)
    ]


def models_used(batch):
    """Models of signals that run, and the labeler where it is one and texts are labelled."""
    used = sorted({model for _, model in runs(batch)})
    texts = any(REGISTRY.tasks[task]["kind"] == "patterns" for task in PLANS[batch].tasks)
    return used + ([REGISTRY.labeler] if texts and REGISTRY.labeler != LEXICON else [])


def of_scored_runs(pattern):
    """`pattern` for every task and model of the batch that has truth to compare with."""
    return lambda wildcards: [
        results(f"{wildcards.batch}/{task}/{model}/{pattern}")
        for task, model in runs(wildcards.batch)
        if is_scored(wildcards.batch, task)
    ]


def comparisons_of(wildcards):
    return [results(f"{wildcards.batch}/{task}/comparison.json") for task in compared_tasks(wildcards.batch)]


def classifications_of(wildcards):
    return [
        results(f"{wildcards.batch}/{task}/{model}/classification.json")
        for task, model in runs(wildcards.batch)
        if task in tasks_of_labels(wildcards.batch)
    ]


def label_tables_of(wildcards):
    return [results(f"{wildcards.batch}/{task}/label_table.csv") for task in tasks_of_labels(wildcards.batch)]


def labeler_summaries_of(wildcards):
    return [
        work(f"{wildcards.batch}/labels/{task}/summary.json")
        for task in PLANS[wildcards.batch].tasks
        if REGISTRY.tasks[task]["kind"] == "patterns"
    ]


def weights_used(wildcards):
    return [work(f"models/{model}/weights.json") for model in models_used(wildcards.batch)]


rule figures:
    input:
        evaluation=results("{batch}/{task}/{model}/evaluation.json"),
        scored=work("{batch}/scored/{task}/{model}.parquet"),
        patterns=str(ROOT / "config/labels/deepecg77.csv"),
        categories=str(ROOT / "config/labels/deepecg_categories.csv"),
    output:
        figures=report(
            directory(results("{batch}/{task}/{model}/figures")),
            patterns=["{label}/{figure}.svg"],
            caption="captions/figure.rst",
            category="{task}",
            subcategory="{model}",
            labels={"batch": "{batch}", "label": "{label}", "figure": "{figure}"},
        ),
    log:
        logs("figures/{task}/{model}"),
    benchmark:
        benchmarks("figures/{task}/{model}")
    conda:
        "../envs/evaluation.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(30),
    params:
        task=lambda wildcards: REGISTRY.tasks[wildcards.task],
        labels=SETTINGS["report"]["labels"],
        version=VERSION,
    message:
        "{wildcards.batch}: figures of {wildcards.model} for {wildcards.task}"
    script:
        "../scripts/figures.py"


rule report:
    input:
        recordings=results("{batch}/recordings.csv"),
        records=of_shards(work("{batch}/records/{shard}.parquet")),
        calibration=calibration_of,
        scored=of_runs("scored/{task}/{model}.parquet"),
        qualities=of_runs("scored/{task}/{model}.json"),
        evaluations=of_scored_runs("evaluation.json"),
        metrics=of_scored_runs("metrics.json"),
        figures=of_scored_runs("figures"),
        classifications=classifications_of,
        label_tables=label_tables_of,
        comparisons=comparisons_of,
        labels=labeler_summaries_of,
        weights=weights_used,
        patterns=str(ROOT / "config/labels/deepecg77.csv"),
        categories=str(ROOT / "config/labels/deepecg_categories.csv"),
    output:
        page=report(
            results("{batch}/report.html"),
            caption="captions/page.rst",
            category="Report",
            labels={"batch": "{batch}"},
        ),
    log:
        logs("report"),
    benchmark:
        benchmarks("report")
    conda:
        "../envs/evaluation.yaml"
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
    params:
        batch=lambda wildcards: {
            "tasks": {task: REGISTRY.tasks[task] for task in PLANS[wildcards.batch].tasks},
            "labeler": REGISTRY.labeler,
            "absent": {task: REGISTRY.absent_models_of(task) for task in PLANS[wildcards.batch].tasks},
        },
        models=lambda wildcards: {model: REGISTRY.models[model] for model in models_used(wildcards.batch)},
        settings={key: SETTINGS[key] for key in ("report", "preprocessing", "uncertain_statements")},
        version=VERSION,
    message:
        "{wildcards.batch}: the page"
    script:
        "../scripts/report.py"


rule provenance:
    input:
        page=results("{batch}/report.html"),
        recordings=results("{batch}/recordings.csv"),
        cells=lambda wildcards: PLANS[wildcards.batch].cells,
        weights=weights_used,
    output:
        provenance=results("{batch}/provenance.json"),
    log:
        logs("provenance"),
    benchmark:
        benchmarks("provenance")
    resources:
        mem_mb=growing(800),
        runtime=growing(10),
    params:
        settings=lambda wildcards: {
            key: value for key, value in SETTINGS.items() if key not in ("batches", "hugging_face_api_key_path")
        },
        batch=lambda wildcards: SETTINGS["batches"][wildcards.batch],
        models=lambda wildcards: {model: REGISTRY.models[model] for model in models_used(wildcards.batch)},
        table_sha256=lambda wildcards: PLANS[wildcards.batch].table_sha256,
        without_truth=lambda wildcards: [
            task for task in PLANS[wildcards.batch].tasks if not is_scored(wildcards.batch, task)
        ],
        version=VERSION,
    message:
        "{wildcards.batch}: versions, settings and counts"
    script:
        "../scripts/provenance.py"
