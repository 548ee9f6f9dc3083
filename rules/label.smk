# Machine statements -> three-valued truth for the 77 patterns, once for every model.

from twelvelead.registry import LEXICON

BERT = REGISTRY.labeler != LEXICON


def weights_of_labeler(wildcards):
    or_stop(REGISTRY.check_labeler)
    return work(f"models/{REGISTRY.labeler}/weights.json") if BERT else []


rule label:
    input:
        cells=lambda wildcards: PLANS[wildcards.batch].cells,
        records=lambda wildcards: (
            of_shards(work("{batch}/records/{shard}.parquet"))(wildcards) if SETTINGS["statements_from_files"] else []
        ),
        patterns=str(ROOT / "config/labels/deepecg77.csv"),
        phrases=[] if BERT else str(ROOT / "config/labels/lexicon_phrases.csv"),
        qualifiers=[] if BERT else str(ROOT / "config/labels/lexicon_qualifiers.csv"),
        weights=weights_of_labeler,
    output:
        texts=work("{batch}/labels/{task}/texts.parquet"),
        cells=work("{batch}/labels/{task}/cells.parquet"),
        summary=work("{batch}/labels/{task}/summary.json"),
    log:
        logs("label/{task}"),
    benchmark:
        benchmarks("label/{task}")
    conda:
        "../envs/models.yaml"
    threads: 8 if BERT else 1
    resources:
        mem_mb=growing(4000 if BERT else 2000),
        runtime=growing(120 if BERT else 60),
        gpu=gpus_for(lambda wildcards: FAMILIES["bert"]) if BERT else 0,
    params:
        labeler=REGISTRY.labeler,
        device=SETTINGS["device"],
        uncertain=SETTINGS["uncertain_statements"],
        version=VERSION,
    message:
        "{wildcards.batch}: label the machine statements of {wildcards.task} by {params.labeler}"
    script:
        "../scripts/label.py"
