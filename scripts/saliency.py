"""Brings one model's attention saliency in all windows of a batch together."""

from twelvelead.job import logged

with logged(snakemake) as log:
    from twelvelead.saliency import write_saliency

    n = write_saliency(snakemake.input.chunks, snakemake.output.table)
    log.info("%d windows", n)
