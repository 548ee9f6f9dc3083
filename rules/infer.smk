# Prepared shards -> probabilities: one job per model and chunk of shards, so that a model is loaded once for many ECGs.


def shards_of_chunk(extension):
    return lambda wildcards: [
        work(f"{wildcards.batch}/prepared/{REGISTRY.models[wildcards.model]['recipe']}/{shard.name}{extension}")
        for shard in PLANS[wildcards.batch].chunks()[wildcards.chunk]
    ]


def converted_checkpoint(wildcards):
    return work("models/{model}/converted.safetensors") if family_of(wildcards.model).converted else []


def settings_of_model(wildcards):
    entry = REGISTRY.models[wildcards.model]
    settings = family_settings(entry)
    if family_of(wildcards.model).is_code:
        settings["trust_local_weights"] = SETTINGS["trust_local_weights"]
    if entry["family"] == "wcr":
        settings["precision"] = SETTINGS["precision"]
    return settings


rule infer:
    input:
        tensors=shards_of_chunk(".npy"),
        statuses=shards_of_chunk(".tsv"),
        weights=work("models/{model}/weights.json"),
        converted=converted_checkpoint,
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
        gpu=gpus_for(lambda wildcards: family_of(wildcards.model)),
    params:
        settings=settings_of_model,
        on_gpu=lambda wildcards: family_of(wildcards.model).on_gpu,
        device=SETTINGS["device"],
        version=VERSION,
    message:
        "{wildcards.batch}: {wildcards.model} on {wildcards.chunk}"
    script:
        "../scripts/infer.py"
