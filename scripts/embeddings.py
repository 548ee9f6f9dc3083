"""Puts a model's embeddings of a batch into one file, and its recordings on their first two principal components."""

from twelvelead.job import logged

with logged(snakemake) as log:
    from twelvelead.embeddings import collect_embeddings, principal_components, write_map

    outputs = snakemake.output
    windows = collect_embeddings(snakemake.input.chunks, outputs.embeddings)
    found = principal_components(outputs.embeddings)
    write_map(outputs.embeddings, found, outputs.map, outputs.summary)
    summary = found.summary
    log.info("%d windows of %d recordings", windows, summary.recordings + summary.recordings_left_out)
    if summary.windows_left_out:
        log.warning(
            "%d windows have an embedding that is not finite; %d recordings have no other",
            summary.windows_left_out,
            summary.recordings_left_out,
        )
    if summary.reason:
        log.warning("there is no map: %s", summary.reason)
