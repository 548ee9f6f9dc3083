"""Writes a table of probabilities with the file names that DeepECG gives its own intermediate files."""

from twelvelead.job import logged

with logged(snakemake) as log:
    from pathlib import PurePosixPath

    import pandas as pd

    from twelvelead.fates import write_csv

    table = pd.read_csv(snakemake.input.probabilities, dtype=str, keep_default_na=False)
    table["file_name"] = [f"{PurePosixPath(name).stem}.base64" for name in table["file_name"]]
    write_csv(table, snakemake.output.probabilities)
    same = int(table["file_name"].duplicated().sum())
    if same:
        log.warning("%d file names are there twice: DeepECG's layout knows no folders", same)
