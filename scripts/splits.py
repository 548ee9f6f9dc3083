"""Writes which split every row of the table is in."""

from twelvelead.job import logged

with logged(snakemake) as log:
    import pandas as pd

    from twelvelead.fates import write_csv
    from twelvelead.splits import split_table

    splits = split_table(pd.read_parquet(snakemake.input.cells))
    write_csv(splits, snakemake.output.splits)
    log.info("%d rows: %s", len(splits), splits["split"].value_counts().to_dict())
