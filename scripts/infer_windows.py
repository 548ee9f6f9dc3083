"""Runs one model on the prepared windows of one chunk: logits and embeddings, from one pass."""

from twelvelead.job import logged

with logged(snakemake) as log:
    from twelvelead.inference import load_model
    from twelvelead.models.devices import leased_device
    from twelvelead.models.weights import read_record
    from twelvelead.window_inference import predict_windows

    files, parameters, written = snakemake.input, snakemake.params, snakemake.output
    with leased_device(parameters.device, parameters.on_gpu) as device:
        weights = read_record(files.weights)
        converted = files.converted or None
        model = load_model(parameters.settings, weights, converted, device, snakemake.threads)
        n = predict_windows(model, files.tensors, files.statuses, written.windows, written.embeddings)
    log.info("%d windows on %s", n, device)
