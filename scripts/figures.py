"""Writes a model's figures on one task as SVG files."""

import json
from pathlib import Path

from twelvelead.job import logged

with logged(snakemake) as log:
    import pandas as pd

    from twelvelead.report.figure_folder import write_figures
    from twelvelead.scoring import categories_of

    inputs, parameters = snakemake.input, snakemake.params
    evaluation = json.loads(Path(inputs.evaluation).read_text(encoding="utf-8"))
    categories = categories_of(parameters.task, inputs.patterns, inputs.categories)
    scored = pd.read_parquet(inputs.scored)
    title = parameters.task.get("title", snakemake.wildcards.task)
    written = write_figures(snakemake.output.figures, evaluation, scored, categories, title, parameters.labels)
    log.info("%d figures", written)
