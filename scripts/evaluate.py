"""Judges one model on one task: DeepECG's metrics, and the evaluation beyond them."""

import json

from twelvelead.job import logged

with logged(snakemake):
    import pandas as pd

    from twelvelead.atomic import write_text
    from twelvelead.evaluation.evaluation import evaluate
    from twelvelead.evaluation.scores import EvaluationSettings
    from twelvelead.evaluation.tables import write_metrics_csv, write_metrics_json
    from twelvelead.models.weights import read_record
    from twelvelead.scoring import (
        TRUTH_OF_KIND,
        categories_of,
        groups_of_rows,
        is_transported,
        metrics_of,
        scores_of,
        threshold_sets,
        with_patients_and_groups,
    )

    inputs, parameters, task = snakemake.input, snakemake.params, snakemake.wildcards.task
    scored = pd.read_parquet(inputs.scored)
    kind, categories = parameters.task["kind"], categories_of(parameters.task, inputs.patterns, inputs.categories)
    metrics = metrics_of(scored, kind, categories)
    write_metrics_json(metrics, snakemake.output.json)
    write_metrics_csv(metrics, snakemake.output.csv)

    rows = with_patients_and_groups(scored, pd.read_parquet(inputs.cells), task)
    scores = scores_of(rows)
    transported = is_transported(parameters.published, read_record(inputs.weights)["commit"], parameters.scale)
    given = inputs.thresholds or None
    mapping = inputs.mapping or None
    sets = threshold_sets(scores.labels, task, parameters.published, transported, given, parameters.criterion, mapping)
    settings = EvaluationSettings(**parameters.settings, workers=snakemake.threads)
    found = evaluate(scores, sets, categories, groups_of_rows(rows), settings)
    found["undefined_metrics"] = metrics.reasons  # why a value of metrics.json is null
    about = {"task": task, "model": snakemake.wildcards.model, "kind": kind}
    found = about | {"truth": TRUTH_OF_KIND[kind]} | found
    write_text(snakemake.output.evaluation, json.dumps(found, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
