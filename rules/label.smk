# Machine statements -> three-valued truth for the 77 patterns, once for every model.


rule label:
    input:
        cells=lambda wildcards: PLANS[wildcards.batch].cells,
        records=lambda wildcards: (
            of_shards(work("{batch}/records/{shard}.parquet"))(wildcards) if SETTINGS["statements_from_files"] else []
        ),
        patterns=str(ROOT / "config/labels/deepecg77.csv"),
        phrases=str(ROOT / "config/labels/lexicon_phrases.csv"),
        qualifiers=str(ROOT / "config/labels/lexicon_qualifiers.csv"),
    output:
        texts=work("{batch}/labels/{task}/lexicon.parquet"),
        cells=work("{batch}/labels/{task}/cells.parquet"),
        summary=work("{batch}/labels/{task}/lexicon.json"),
    log:
        logs("label/{task}"),
    benchmark:
        benchmarks("label/{task}")
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        uncertain=SETTINGS["uncertain_statements"],
        version=VERSION,
    message:
        "{wildcards.batch}: label the machine statements of {wildcards.task}"
    script:
        "../scripts/label.py"
