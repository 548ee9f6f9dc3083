"""Runs one model on the prepared shards of one chunk."""

from twelvelead.job import logged

with logged(snakemake) as log:
    from twelvelead.inference import leased_model, predict_chunk

    files, parameters, threads = snakemake.input, snakemake.params, snakemake.threads
    with leased_model(
        files.weights, files.converted or None, parameters.settings, threads, parameters.device, parameters.on_gpu
    ) as (model, device):
        n = predict_chunk(model, files.tensors, files.statuses, snakemake.output.predictions)
    log.info("%d ECGs on %s", n, device)
