"""Writes how well the labels that a model calls agree with the actual ones."""

import json

from twelvelead.job import logged

with logged(snakemake) as log:
    import pandas as pd

    from twelvelead.atomic import write_text
    from twelvelead.evaluation.classification import classification, classification_table
    from twelvelead.fates import write_csv

    scored = pd.read_parquet(snakemake.input.scored)
    found = classification(scored, snakemake.params.labels, snakemake.params.threshold)
    write_csv(classification_table(found), snakemake.output.csv)
    write_text(snakemake.output.json, json.dumps(found, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    log.info("%(matches)d of %(n)d recordings match exactly", found["exact_match"])
