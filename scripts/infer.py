"""Runs one model on the prepared shards of one chunk."""

from twelvelead.job import logged

with logged(snakemake) as log:
    from twelvelead.inference import load_model, predict_chunk
    from twelvelead.models.devices import leased_device
    from twelvelead.models.weights import read_record

    files, parameters = snakemake.input, snakemake.params
    with leased_device(parameters.device, parameters.on_gpu) as device:
        weights = read_record(files.weights)
        converted = files.converted or None
        model = load_model(parameters.settings, weights, converted, device, snakemake.threads)
        n = predict_chunk(model, files.tensors, files.statuses, snakemake.output.predictions)
    log.info("%d ECGs on %s", n, device)
