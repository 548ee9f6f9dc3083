"""Writes the labels that a model calls in every file, beside the actual ones."""

from twelvelead.job import logged

with logged(snakemake) as log:
    import pandas as pd

    from twelvelead.evaluation.classification import predicted_labels
    from twelvelead.fates import write_csv

    task, threshold = snakemake.params.task, snakemake.params.threshold
    scored = pd.read_parquet(snakemake.input.scored)
    table = predicted_labels(scored, task["labels"], threshold, task["codes"])
    write_csv(table, snakemake.output.labels)
    log.info("%d files, labels from a probability of %g on", len(table), threshold)
