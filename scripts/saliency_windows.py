"""Writes what one model attends to in the prepared windows of one chunk."""

from twelvelead.job import logged

with logged(snakemake) as log:
    from twelvelead.inference import load_model
    from twelvelead.models.devices import leased_device
    from twelvelead.models.weights import read_record
    from twelvelead.window_inference import saliency_of_windows

    files, parameters = snakemake.input, snakemake.params
    with leased_device(parameters.device, parameters.on_gpu) as device:
        weights = read_record(files.weights)
        converted = files.converted or None
        model = load_model(parameters.settings, weights, converted, device, snakemake.threads)
        n = saliency_of_windows(model, files.tensors, files.statuses, snakemake.output.saliency)
    log.info("%d windows on %s", n, device)
