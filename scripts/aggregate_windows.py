"""Makes each recording's probabilities of the logits of its windows."""

from twelvelead.job import logged

with logged(snakemake) as log:
    from twelvelead.window_inference import aggregate_windows

    windows, predictions = snakemake.input.windows, snakemake.output.predictions
    n = aggregate_windows(windows, snakemake.params.outputs, snakemake.params.aggregations, predictions)
    log.info("%d ECGs", n)
