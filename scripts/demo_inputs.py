"""Simulates the demo's recordings and writes them with their table."""

from twelvelead.job import logged

with logged(snakemake) as log:
    from twelvelead.demo.cohort import write_cohort

    table = write_cohort(snakemake.params.folder, n=snakemake.params.recordings, seed=snakemake.params.seed)
    log.info("wrote %s", table)
