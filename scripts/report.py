"""Writes the page of one batch."""

import json
from pathlib import Path

from twelvelead.job import logged

with logged(snakemake) as log:
    import pandas as pd

    from twelvelead.atomic import write_text
    from twelvelead.fates import RECORDING_COLUMNS
    from twelvelead.report.batch_results import BatchResults
    from twelvelead.report.figure_folder import folders_with_figures
    from twelvelead.report.gather import page_content
    from twelvelead.report.page import render_page

    TEXT = dict.fromkeys(RECORDING_COLUMNS[1:], str)  # a file may be called 0001
    parameters, inputs = snakemake.params, snakemake.input

    def read_json(path):
        return json.loads(Path(path).read_text(encoding="utf-8"))

    def task_and_model(path):
        return tuple(Path(path).with_suffix("").parts[-2:])

    def by_run(paths):
        """(task, model) -> the JSON file that lies in the run's folder."""
        return {Path(path).parent.parts[-2:]: read_json(path) for path in paths}

    def read_label_table(path):
        return pd.read_csv(path, dtype={"label": str}, keep_default_na=False, na_values={"percent": [""]})

    found = BatchResults(
        batch=snakemake.wildcards.batch,
        recordings=pd.read_csv(inputs.recordings, keep_default_na=False, dtype={"row": int} | TEXT),
        records=list(inputs.records),
        scored={task_and_model(path): pd.read_parquet(path) for path in inputs.scored},
        evaluations=by_run(inputs.evaluations),
        metrics=by_run(inputs.metrics),
        comparisons={Path(path).parent.name: read_json(path) for path in inputs.comparisons},
        qualities={task_and_model(path): read_json(path) for path in inputs.qualities},
        labels={Path(path).parent.name: read_json(path) for path in inputs.labels},
        tasks=parameters.batch["tasks"],
        absent=parameters.batch["absent"],
        labeler=parameters.batch["labeler"],
        models=parameters.models,
        weights={Path(path).parent.name: read_json(path) for path in inputs.weights},
        calibration=read_json(inputs.calibration) if inputs.calibration else None,
        figures=folders_with_figures(inputs.figures),
        classifications=by_run(inputs.classifications),
        label_tables={Path(path).parent.name: read_label_table(path) for path in inputs.label_tables},
        saliency={Path(path).stem: path for path in inputs.get("saliency", [])},
    )
    page = render_page(page_content(found, parameters.settings, inputs.patterns, inputs.categories))
    write_text(snakemake.output.page, page)
    log.info("%d kB", len(page.encode("utf-8")) // 1000)
