"""Computes DeepECG's metrics of one model on one task."""

from twelvelead.job import logged

with logged(snakemake):
    import pandas as pd

    from twelvelead.evaluation.tables import write_metrics_csv, write_metrics_json
    from twelvelead.scoring import metrics_of

    scored = pd.read_parquet(snakemake.input.scored)
    metrics = metrics_of(scored, snakemake.params.kind, snakemake.input.patterns, snakemake.input.categories)
    write_metrics_json(metrics, snakemake.output.json)
    write_metrics_csv(metrics, snakemake.output.csv)
