# Prepared shards -> probabilities: one job per model and chunk of shards, so that a model is loaded once for many ECGs.


def shards_of_chunk(extension):
    return lambda wildcards: [
        work(f"{wildcards.batch}/prepared/{REGISTRY.models[wildcards.model]['recipe']}/{shard.name}{extension}")
        for shard in PLANS[wildcards.batch].chunks()[wildcards.chunk]
    ]


rule infer:
    input:
        tensors=shards_of_chunk(".npy"),
        statuses=shards_of_chunk(".tsv"),
    output:
        predictions=work("{batch}/predictions/{model}/{chunk}.parquet"),
    log:
        logs("infer/{model}/{chunk}"),
    benchmark:
        benchmarks("infer/{model}/{chunk}")
    threads: 8
    resources:
        mem_mb=4000,
        runtime=240,
    params:
        model=lambda wildcards: REGISTRY.models[wildcards.model],
        device=SETTINGS["device"],
        version=VERSION,
    message:
        "{wildcards.batch}: {wildcards.model} on {wildcards.chunk}"
    script:
        "../scripts/infer.py"
