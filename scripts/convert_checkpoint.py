"""Converts a checkpoint to safetensors and JSON by a reader that executes nothing of it."""

from twelvelead.job import logged

with logged(snakemake) as log:
    from twelvelead.models.converted_checkpoint import convert
    from twelvelead.models.weights import read_record

    record = read_record(snakemake.input.record)
    convert(record["path"], snakemake.output.weights, verified=record["files"])
