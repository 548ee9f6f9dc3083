"""Writes what one model attends to in the prepared windows of one chunk."""

from twelvelead.job import logged

with logged(snakemake) as log:
    from twelvelead.inference import leased_model
    from twelvelead.window_inference import saliency_of_windows

    files, parameters, threads = snakemake.input, snakemake.params, snakemake.threads
    with leased_model(
        files.weights, files.converted or None, parameters.settings, threads, parameters.device, parameters.on_gpu
    ) as (model, device):
        n = saliency_of_windows(model, files.tensors, files.statuses, snakemake.output.saliency)
    log.info("%d windows on %s", n, device)
