"""Writes what became of every table cell that names a file."""

from twelvelead.job import logged

with logged(snakemake) as log:
    import pandas as pd

    from twelvelead import fates

    cells = pd.read_parquet(snakemake.input.cells)
    records = fates.read_summaries(snakemake.input.records, snakemake.params.quality_excludes)
    filled = snakemake.params.tasks_with_statements
    with_statements = fates.files_with_statements(snakemake.input.records) if filled else ()
    recordings = fates.fates(cells, records, snakemake.params.needed_s, filled, with_statements)
    fates.write_csv(recordings, snakemake.output.recordings)
    fates.write_csv(fates.missing_files(recordings), snakemake.output.missing_files)
    log.info("%d cells: %s", len(recordings), recordings["status"].value_counts().to_dict())
    short_for = recordings["too_short_for"]
    log.info("too short for %s", short_for[short_for != ""].value_counts().to_dict() or "no recipe")
    log.info("signal quality: %s", fates.flag_counts(recordings) or "no flag")
