"""Writes the page with the map of a model's embeddings."""

from pathlib import Path

from twelvelead.job import logged

with logged(snakemake) as log:
    from twelvelead.atomic import write_text
    from twelvelead.embeddings import read_map
    from twelvelead.report.embedding_map import read_task, render_map

    inputs, parameters = snakemake.input, snakemake.params
    points, summary = read_map(inputs.map, inputs.summary)
    tasks = [read_task(path, parameters.tasks[Path(path).parent.name]) for path in inputs.scored]
    page = render_map(snakemake.wildcards.batch, parameters.title, points, summary, tasks, parameters.labels)
    write_text(snakemake.output.page, page)
    log.info("%d recordings, %d kB", summary.recordings, len(page.encode("utf-8")) // 1000)
