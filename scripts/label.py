"""Turns the machine statements of one task into truth for the 77 patterns."""

import json

from twelvelead.job import logged

with logged(snakemake) as log:
    import pandas as pd

    from twelvelead.atomic import replacing, write_text
    from twelvelead.labelling import label, texts_of_cells
    from twelvelead.labels.lexicon import load_lexicon
    from twelvelead.labels.patterns import read_patterns

    patterns = read_patterns(snakemake.input.patterns)
    lexicon = load_lexicon(snakemake.input.phrases, snakemake.input.qualifiers, patterns)
    cells = pd.read_parquet(snakemake.input.cells)
    texts = texts_of_cells(cells[cells["task"] == snakemake.wildcards.task], snakemake.input.records)
    by_text, of_cells, summary = label(texts, lexicon, patterns.names, snakemake.params.uncertain)
    for table, path in ((by_text, snakemake.output.texts), (of_cells, snakemake.output.cells)):
        with replacing(path) as temporary:
            table.to_parquet(temporary, index=False)
    write_text(snakemake.output.summary, json.dumps(summary, indent=1, ensure_ascii=False) + "\n")
    log.info("%d distinct texts, %d unknown statements", summary["texts"], summary["unknown_statements"])
