"""Compares a model's files with the hashes that are pinned for it, and records what they are."""

import json

from twelvelead.job import logged

with logged(snakemake) as log:
    from pathlib import Path

    from twelvelead.atomic import write_text
    from twelvelead.models.weights import record

    parameters = snakemake.params
    found = record(snakemake.wildcards.model, parameters.entry, Path(parameters.weights))
    write_text(snakemake.output.record, json.dumps(found, indent=1) + "\n")
    log.info("%d files, hashes pinned by %s", len(found["files"]), found["pinned_by"])
