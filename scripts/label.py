"""Turns the machine statements of one task into truth for the 77 patterns."""

import json

from twelvelead.job import logged

with logged(snakemake) as log:
    import pandas as pd

    from twelvelead.atomic import replacing, write_text
    from twelvelead.labelling import label, texts_of_cells, with_lexicon, with_probabilities
    from twelvelead.labels.lexicon import load_lexicon
    from twelvelead.labels.patterns import read_patterns
    from twelvelead.models.devices import leased_device

    files, parameters = snakemake.input, snakemake.params
    patterns = read_patterns(files.patterns)

    def label_distinct(texts):
        if not files.weights:
            lexicon = load_lexicon(files.phrases, files.qualifiers, patterns)
            return with_lexicon(texts, lexicon, parameters.uncertain)
        from twelvelead.labels.bert import label_texts, load_bert
        from twelvelead.models.weights import read_record, verified_path

        with leased_device(parameters.device, on_gpu=True) as device:
            model = load_bert(verified_path(read_record(files.weights)), device, snakemake.threads)
            return with_probabilities(label_texts(texts, model), patterns.bert_threshold)

    cells = pd.read_parquet(files.cells)
    texts = texts_of_cells(cells[cells["task"] == snakemake.wildcards.task], files.records)
    by_text, of_cells, summary = label(texts, parameters.labeler, label_distinct, patterns.names)
    for table, path in ((by_text, snakemake.output.texts), (of_cells, snakemake.output.cells)):
        with replacing(path) as temporary:
            table.to_parquet(temporary, index=False)
    write_text(snakemake.output.summary, json.dumps(summary, indent=1, ensure_ascii=False) + "\n")
    log.info("%d distinct texts, %d unknown statements", summary["texts"], summary["unknown_statements"])
