# Weights: fetched from the Hugging Face Hub, verified against pinned hashes, checkpoints converted without executing them.

from twelvelead.models import FAMILIES
from twelvelead.models.weights import files_of
from twelvelead.registry import family_settings


def family_of(model):
    return FAMILIES[REGISTRY.models[model]["family"]]


def gpus_for(family):
    """GPUs that a job asks for: none for what computes on the CPU, and with `device: auto` where there can be one."""

    def ask(wildcards):
        if SETTINGS["device"] == "cpu" or not family(wildcards).on_gpu:
            return 0
        expected = SETTINGS["device"] != "auto" or not workflow.local_exec or list(Path("/dev").glob("nvidia[0-9]*"))
        return 1 if expected else 0

    return ask


def files_of_model(wildcards):
    return files_of(wildcards.model, REGISTRY.models[wildcards.model], Path(SETTINGS["weights"]))


rule fetch_models:
    log:
        work("models/fetch_models.log"),
    # The directive `localrules` would not find the rule under the name it has in a module.
    localrule: True
    conda:
        "../envs/models.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(600),
    params:
        entries={name: REGISTRY.models[name] for name in REGISTRY.to_fetch(SETTINGS)},
        weights=SETTINGS["weights"],
        api_key_path=SETTINGS["hugging_face_api_key_path"],
        version=VERSION,
    message:
        "fetch models from the Hugging Face Hub into {params.weights}/"
    script:
        "../scripts/fetch_models.py"


rule verify_weights:
    input:
        files_of_model,
    output:
        record=work("models/{model}/weights.json"),
    log:
        work("models/{model}/verify_weights.log"),
    benchmark:
        work("models/{model}/verify_weights.tsv")
    conda:
        "../envs/models.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(60),
    params:
        entry=lambda wildcards: {
            key: value
            for key, value in REGISTRY.models[wildcards.model].items()
            if key in ("family", "source", "sha256")
        },
        weights=SETTINGS["weights"],
        version=VERSION,
    message:
        "verify the weights of {wildcards.model}"
    script:
        "../scripts/verify_weights.py"


rule convert_checkpoint:
    input:
        files_of_model,
        record=work("models/{model}/weights.json"),
    output:
        weights=work("models/{model}/converted.safetensors"),
        config=work("models/{model}/converted.json"),
    log:
        work("models/{model}/convert_checkpoint.log"),
    benchmark:
        work("models/{model}/convert_checkpoint.tsv")
    conda:
        "../envs/models.yaml"
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
    params:
        version=VERSION,
    message:
        "convert the checkpoint of {wildcards.model} without executing it"
    script:
        "../scripts/convert_checkpoint.py"
