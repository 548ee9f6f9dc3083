"""Brings one model's predictions for one task together with the truth."""

import json

from twelvelead.job import logged

with logged(snakemake) as log:
    import pandas as pd

    from twelvelead.assembly import assemble_binary, assemble_patterns, predicted_cells, qualities_of
    from twelvelead.atomic import replacing, write_text
    from twelvelead.fates import write_csv
    from twelvelead.labels.patterns import read_patterns
    from twelvelead.multilabel_assembly import assemble_multilabel

    cells = pd.read_parquet(snakemake.input.cells)
    cells, predictions = predicted_cells(cells, snakemake.wildcards.task, snakemake.input.predictions)
    mapping, task = snakemake.input.mapping or None, snakemake.params.task
    if task["kind"] == "binary":
        probabilities, scored = assemble_binary(cells, predictions)
    elif task["kind"] == "multilabel":
        probabilities, scored = assemble_multilabel(cells, predictions, task["labels"], mapping)
    else:
        labels = tuple(pd.read_parquet(path) for path in snakemake.input.labels)
        patterns = read_patterns(snakemake.input.patterns).names
        probabilities, scored = assemble_patterns(cells, predictions, labels, patterns, mapping)
    write_csv(probabilities, snakemake.output.probabilities)
    write_text(snakemake.output.qualities, json.dumps(qualities_of(mapping), indent=1) + "\n")
    with replacing(snakemake.output.scored) as temporary:
        scored.to_parquet(temporary, index=False)
    log.info("%d files", len(scored))
