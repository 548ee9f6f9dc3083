"""Decodes the files of one shard into records."""

from twelvelead.job import logged

with logged(snakemake) as log:
    from twelvelead.records import write_records
    from twelvelead.shards import read_listing

    files = read_listing(snakemake.input.plan)
    counts = write_records(files, snakemake.output.records, snakemake.params.array_unit_mv)
    log.info("%d files: %s", len(files), ", ".join(f"{n} {status}" for status, n in sorted(counts.items())))
