"""Counts the labels of a task among the files that could be read."""

from twelvelead.job import logged

with logged(snakemake) as log:
    import pandas as pd

    from twelvelead.evaluation.classification import label_table
    from twelvelead.fates import write_csv
    from twelvelead.multilabel_assembly import truth_of_cells, usable_cells

    recordings = pd.read_csv(snakemake.input.recordings, usecols=["row", "task", "status"], keep_default_na=False)
    cells = usable_cells(pd.read_parquet(snakemake.input.cells), snakemake.wildcards.task, recordings)
    labels = snakemake.params.labels
    write_csv(label_table(truth_of_cells(cells, labels), labels), snakemake.output.table)
    log.info("%d files", len(cells))
