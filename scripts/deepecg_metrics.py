"""Copies a model's metrics to the names that DeepECG gives them."""

from twelvelead.job import logged

with logged(snakemake):
    from pathlib import Path

    from twelvelead.atomic import write_text

    for kind in ("json", "csv"):
        write_text(snakemake.output[kind], Path(snakemake.input[kind]).read_text(encoding="utf-8"))
