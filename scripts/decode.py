"""Decodes the files of one shard into records."""

from twelvelead.job import logged

with logged(snakemake) as log:
    from twelvelead.changed_files import count_changed, decode_again_next_time
    from twelvelead.records import write_records
    from twelvelead.shards import read_listing

    files = read_listing(snakemake.input.plan)
    counts = write_records(files, snakemake.output.records, snakemake.params.array_unit_mv)
    log.info("%d files: %s", len(files), ", ".join(f"{n} {status}" for status, n in sorted(counts.items())))
    # Whatever was there when the run was planned and is missing has vanished since, even if it is back by now.
    if gone_or_changed := max(count_changed(snakemake.input.plan), counts.get("missing", 0)):
        decode_again_next_time(snakemake.input.plan)
        log.warning(
            "%d files vanished or changed since the run was planned; the next run decodes again", gone_or_changed
        )
