"""Writes what a model of windows says of every window and of every recording of one task."""

from twelvelead.job import logged

with logged(snakemake) as log:
    import pandas as pd

    from twelvelead.assembly import predicted_cells
    from twelvelead.fates import write_csv
    from twelvelead.window_tables import outputs_table, write_window_tables

    files, tables = snakemake.input, snakemake.output
    cells = pd.read_parquet(files.cells)
    cells, predictions = predicted_cells(cells, snakemake.wildcards.task, files.predictions)
    write_csv(outputs_table(cells, predictions), tables.outputs)
    n = write_window_tables(cells, files.windows, tables.windows, tables.logits)
    log.info("%d windows of %d files", n, len(cells))
