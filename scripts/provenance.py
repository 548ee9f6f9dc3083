"""Writes what a batch was made with: versions, settings, table, models and counts."""

import json
from pathlib import Path

from twelvelead.job import logged

with logged(snakemake) as log:
    import pandas as pd

    from twelvelead.atomic import write_text
    from twelvelead.leftovers import remove_leftovers
    from twelvelead.models.weights import read_record
    from twelvelead.provenance import provenance

    recordings = pd.read_csv(snakemake.input.recordings, usecols=["task", "status", "truth"], dtype=str)
    parameters = snakemake.params
    weights = {record["model"]: record for record in map(read_record, snakemake.input.weights)}
    models = {model: entry | {"weights": weights[model]} for model, entry in parameters.models.items()}
    content = provenance(parameters.batch, parameters.settings, models, recordings, parameters.table_sha256)
    is_split = bool(parameters.batch["split"])
    for path in remove_leftovers(Path(snakemake.output.provenance).parent, parameters.without_truth, is_split):
        log.info("removed %s of an earlier run, which this batch has no truth or split for", path)
    write_text(snakemake.output.provenance, json.dumps(content, indent=1) + "\n")
