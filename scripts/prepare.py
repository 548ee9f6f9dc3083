"""Turns one shard's records into the tensor of a recipe that looks at one recording at a time."""

from twelvelead.job import logged

with logged(snakemake) as log:
    from twelvelead.preparation import prepare_records

    paths = snakemake.input.records, snakemake.output.tensor, snakemake.output.statuses
    n = prepare_records(*paths, snakemake.wildcards.recipe, snakemake.params.quality_excludes)
    log.info("%d rows of the tensor", n)
