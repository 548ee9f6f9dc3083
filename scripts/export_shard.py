"""Writes the cleaned signals of one shard as a file each."""

from twelvelead.job import logged

with logged(snakemake) as log:
    from twelvelead.export import export_shard

    inputs = snakemake.input.tensor, snakemake.input.statuses
    n = export_shard(
        *inputs,
        snakemake.params.folder.format(**snakemake.wildcards),
        snakemake.params.format,
        snakemake.output.exported,
    )
    log.info("%d signals", n)
