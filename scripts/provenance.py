"""Writes what a batch was made with: versions, settings, table, models and counts."""

import json

from twelvelead.job import logged

with logged(snakemake):
    import pandas as pd

    from twelvelead.atomic import write_text
    from twelvelead.provenance import provenance

    recordings = pd.read_csv(snakemake.input.recordings, usecols=["task", "status", "truth"], dtype=str)
    parameters = snakemake.params
    content = provenance(parameters.batch, parameters.settings, parameters.models, recordings, parameters.table_sha256)
    write_text(snakemake.output.provenance, json.dumps(content, indent=1) + "\n")
