"""Runs one model on the prepared shards of one chunk."""

from twelvelead.job import logged

with logged(snakemake) as log:
    from twelvelead.inference import predict_chunk

    paths = snakemake.input.tensors, snakemake.input.statuses, snakemake.output.predictions
    n = predict_chunk(snakemake.params.model, *paths, snakemake.params.device, snakemake.threads)
    log.info("%d ECGs", n)
