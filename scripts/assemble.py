"""Brings one model's predictions for one task together with the truth."""

from twelvelead.job import logged

with logged(snakemake) as log:
    import pandas as pd
    from twelvelead.assembly import assemble_binary, assemble_patterns, predicted_cells
    from twelvelead.atomic import replacing
    from twelvelead.fates import write_csv
    from twelvelead.labels.patterns import read_patterns

    cells = pd.read_parquet(snakemake.input.cells)
    cells, predictions = predicted_cells(cells, snakemake.wildcards.task, snakemake.input.predictions)
    if snakemake.params.task["kind"] == "binary":
        probabilities, scored = assemble_binary(cells, predictions)
    else:
        labels = tuple(pd.read_parquet(path) for path in snakemake.input.labels)
        patterns = read_patterns(snakemake.input.patterns).names
        mapping = snakemake.input.get("mapping") or None
        probabilities, scored = assemble_patterns(cells, predictions, labels, patterns, mapping, labeler="lexicon")
    write_csv(probabilities, snakemake.output.probabilities)
    with replacing(snakemake.output.scored) as temporary:
        scored.to_parquet(temporary, index=False)
    log.info("%d files", len(scored))
