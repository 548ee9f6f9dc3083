"""Writes the page of one batch."""

import json
from pathlib import Path

from twelvelead.job import logged

with logged(snakemake) as log:
    import pandas as pd
    from twelvelead.atomic import write_text
    from twelvelead.report.gather import BatchResults, page_content
    from twelvelead.report.page import render_page

    parameters, inputs = snakemake.params, snakemake.input
    scored = {tuple(Path(path).with_suffix("").parts[-2:]): pd.read_parquet(path) for path in inputs.scored}
    labels = {Path(path).parent.name: json.loads(Path(path).read_text(encoding="utf-8")) for path in inputs.labels}
    found = BatchResults(
        batch=snakemake.wildcards.batch,
        recordings=pd.read_csv(inputs.recordings, keep_default_na=False),
        records=list(inputs.records),
        scored=scored,
        labels=labels,
        tasks=parameters.batch["tasks"],
        absent=parameters.batch["absent"],
        models=parameters.models,
        calibration=json.loads(Path(inputs.calibration).read_text(encoding="utf-8")) if inputs.calibration else None,
    )
    page = render_page(page_content(found, parameters.settings, inputs.patterns, inputs.categories))
    write_text(snakemake.output.page, page)
    log.info("%d kB", len(page) // 1000)
