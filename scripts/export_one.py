"""Writes the cleaned signal of one recording."""

from twelvelead.job import logged

with logged(snakemake):
    from twelvelead.export import export_one

    inputs = snakemake.input.tensor, snakemake.input.statuses
    export_one(*inputs, snakemake.wildcards.ecg_id, snakemake.output.signal)
