"""Removes signals of an earlier run that are no longer the batch's, and lists those that are."""

from twelvelead.job import logged

with logged(snakemake) as log:
    from twelvelead.export import remove_stale

    folder = snakemake.params.folder.format(**snakemake.wildcards)
    kept, removed = remove_stale(list(snakemake.input.exported), folder, snakemake.output.exported)
    log.info("%d signals, %d of an earlier run removed", kept, removed)
