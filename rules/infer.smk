# Prepared shards -> probabilities: one job per model and chunk of shards, so that a model is loaded once for many ECGs.
# A model of windows gives logits per window (infer_windows), which become a recording's probabilities without the
# network (aggregate_windows).


def models_where(windowed):
    """A constraint on {model} that only models fit whose family is one of windows, or is none; it may fit no model."""
    names = [name for name in REGISTRY.models if family_of(name).windowed == windowed]
    return "|".join(map(re.escape, names)) or "(?!)"


def shards_of_chunk(extension):
    return lambda wildcards: [
        work(f"{wildcards.batch}/prepared/{REGISTRY.models[wildcards.model]['recipe']}/{shard.name}{extension}")
        for shard in PLANS[wildcards.batch].chunks()[wildcards.chunk]
    ]


def converted_checkpoint(wildcards):
    return work("models/{model}/converted.safetensors") if family_of(wildcards.model).converted else []


def settings_of_model(wildcards):
    family, settings = family_of(wildcards.model), family_settings(REGISTRY.models[wildcards.model])
    if family.is_code:
        settings["trust_local_weights"] = SETTINGS["trust_local_weights"]
    if family.reduced_precision:
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
    wildcard_constraints:
        model=models_where(windowed=False),
    conda:
        "../envs/models.yaml"
    threads: 8
    resources:
        mem_mb=growing(4000),
        runtime=growing(240),
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


rule infer_windows:
    input:
        tensors=shards_of_chunk(".npy"),
        statuses=shards_of_chunk(".tsv"),
        weights=work("models/{model}/weights.json"),
        converted=converted_checkpoint,
    output:
        windows=work("{batch}/windows/{model}/{chunk}.parquet"),
        embeddings=work("{batch}/embeddings/{model}/{chunk}.parquet"),
    log:
        logs("infer_windows/{model}/{chunk}"),
    benchmark:
        benchmarks("infer_windows/{model}/{chunk}")
    wildcard_constraints:
        model=models_where(windowed=True),
    conda:
        "../envs/models.yaml"
    threads: 8
    resources:
        mem_mb=growing(4000),
        runtime=growing(240),
        gpu=gpus_for(lambda wildcards: family_of(wildcards.model)),
    params:
        settings=settings_of_model,
        on_gpu=lambda wildcards: family_of(wildcards.model).on_gpu,
        device=SETTINGS["device"],
        version=VERSION,
    message:
        "{wildcards.batch}: {wildcards.model} on the windows of {wildcards.chunk}"
    script:
        "../scripts/infer_windows.py"


rule aggregate_windows:
    input:
        windows=work("{batch}/windows/{model}/{chunk}.parquet"),
    output:
        predictions=work("{batch}/predictions/{model}/{chunk}.parquet"),
    log:
        logs("aggregate_windows/{model}/{chunk}"),
    benchmark:
        benchmarks("aggregate_windows/{model}/{chunk}")
    wildcard_constraints:
        model=models_where(windowed=True),
    conda:
        "../envs/models.yaml"
    resources:
        mem_mb=growing(800),
        runtime=growing(30),
    params:
        outputs=lambda wildcards: REGISTRY.models[wildcards.model]["labels"],
        aggregations=lambda wildcards: REGISTRY.models[wildcards.model]["aggregations"],
        version=VERSION,
    message:
        "{wildcards.batch}: recordings of {wildcards.chunk} from {wildcards.model}'s windows"
    script:
        "../scripts/aggregate_windows.py"


rule saliency_windows:
    input:
        tensors=shards_of_chunk(".npy"),
        statuses=shards_of_chunk(".tsv"),
        weights=work("models/{model}/weights.json"),
        converted=converted_checkpoint,
    output:
        saliency=work("{batch}/saliency/{model}/{chunk}.parquet"),
    log:
        logs("saliency_windows/{model}/{chunk}"),
    benchmark:
        benchmarks("saliency_windows/{model}/{chunk}")
    wildcard_constraints:
        model=models_where(windowed=True),
    conda:
        "../envs/models.yaml"
    threads: 8
    resources:
        mem_mb=growing(4000),
        runtime=growing(240),
        gpu=gpus_for(lambda wildcards: family_of(wildcards.model)),
    params:
        settings=settings_of_model,
        on_gpu=lambda wildcards: family_of(wildcards.model).on_gpu,
        device=SETTINGS["device"],
        version=VERSION,
    message:
        "{wildcards.batch}: what {wildcards.model} attends to in {wildcards.chunk}"
    script:
        "../scripts/saliency_windows.py"
