"""Runs one model on the prepared windows of one chunk: logits and embeddings, from one pass."""

from twelvelead.job import logged

with logged(snakemake) as log:
    from twelvelead.inference import leased_model
    from twelvelead.window_inference import predict_windows

    files, parameters, threads = snakemake.input, snakemake.params, snakemake.threads
    written = snakemake.output
    with leased_model(
        files.weights, files.converted or None, parameters.settings, threads, parameters.device, parameters.on_gpu
    ) as (model, device):
        n = predict_windows(model, files.tensors, files.statuses, written.windows, written.embeddings)
    log.info("%d windows on %s", n, device)
