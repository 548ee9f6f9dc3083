"""Compares the models of one task on the ECGs they have in common."""

import json
from pathlib import Path

from twelvelead.job import logged

with logged(snakemake) as log:
    import pandas as pd

    from twelvelead.assembly import targets_of
    from twelvelead.atomic import write_text
    from twelvelead.evaluation.scores import EvaluationSettings
    from twelvelead.scoring import TRUTH_OF_KIND, compare_models, threshold_sets, with_patients_and_groups

    inputs, parameters, task = snakemake.input, snakemake.params, snakemake.wildcards.task
    cells = pd.read_parquet(inputs.cells)
    scored = {Path(path).stem: with_patients_and_groups(pd.read_parquet(path), cells, task) for path in inputs.scored}
    given = inputs.thresholds or None
    sets = {
        model: threshold_sets(
            targets_of(table),
            task,
            parameters.published[model],
            True,
            given,
            parameters.criterion,
            parameters.mappings[model],
        )
        for model, table in scored.items()
    }
    settings = EvaluationSettings(**parameters.settings, workers=snakemake.threads)
    pairs = compare_models(scored, sets, settings)
    content = {"task": task, "truth": TRUTH_OF_KIND[parameters.kind], "models": list(scored), "pairs": pairs}
    write_text(snakemake.output.comparison, json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    log.info("%d pairs of models", len(pairs))
