"""Fetches the models' weights from the Hugging Face Hub; what is there already is verified."""

import sys

from twelvelead.job import logged

with logged(snakemake) as log:
    from pathlib import Path

    from twelvelead.errors import ModelError
    from twelvelead.models.fetching import fetch_all, find_token

    parameters = snakemake.params
    locked, errors = fetch_all(parameters.entries, Path(parameters.weights), find_token(parameters.api_key_path))
    for name, model in locked.items():
        origin = f"{model.repository} at commit {model.commit}" if model.repository else "files put there by hand"
        log.info("%s: %s, %d files verified", name, origin, len(model.files))
        print(f"{name}: {origin}", file=sys.stderr)
    if errors:
        for error in errors.values():
            log.error("%s", error)
        others = "; the others are there" if locked else ""
        raise ModelError(f"{len(errors)} of {len(parameters.entries)} models were not fetched{others}")
