# What models of windows make of the ECGs before they judge them: a table of embeddings and a map. Target embeddings.


def files_of_embeddings():
    endings = (".parquet", "_map.csv", "_map.html")
    files = [
        results(f"{batch}/embeddings/{model}{ending}")
        for batch in batches()
        for model in models_of_windows(batch)
        for ending in endings
    ]
    if not files:
        stop(no_models_of_windows("embeddings"))
    return files


def tasks_of_model(wildcards):
    return [task for task, model in runs(wildcards.batch) if model == wildcards.model]


rule embeddings_of_model:
    input:
        chunks=lambda wildcards: [
            work(f"{wildcards.batch}/embeddings/{wildcards.model}/{chunk}.parquet")
            for chunk in PLANS[wildcards.batch].chunks()
        ],
    output:
        embeddings=results("{batch}/embeddings/{model}.parquet"),
        map=results("{batch}/embeddings/{model}_map.csv"),
        summary=results("{batch}/embeddings/{model}_map.json"),
    log:
        logs("embeddings/{model}"),
    benchmark:
        benchmarks("embeddings/{model}")
    conda:
        "../envs/evaluation.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(120),
    params:
        version=VERSION,
    message:
        "{wildcards.batch}: embeddings of {wildcards.model}, and their principal components"
    script:
        "../scripts/embeddings.py"


rule embedding_map:
    input:
        map=results("{batch}/embeddings/{model}_map.csv"),
        summary=results("{batch}/embeddings/{model}_map.json"),
        scored=lambda wildcards: [
            work(f"{wildcards.batch}/scored/{task}/{wildcards.model}.parquet") for task in tasks_of_model(wildcards)
        ],
    output:
        page=report(
            results("{batch}/embeddings/{model}_map.html"),
            caption="captions/embedding_map.rst",
            category="Embeddings",
            labels={"batch": "{batch}", "model": "{model}"},
        ),
    log:
        logs("embedding_map/{model}"),
    benchmark:
        benchmarks("embedding_map/{model}")
    conda:
        "../envs/evaluation.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(30),
    params:
        title=lambda wildcards: REGISTRY.models[wildcards.model].get("title", wildcards.model),
        tasks=lambda wildcards: {task: REGISTRY.tasks[task] for task in tasks_of_model(wildcards)},
        labels=SETTINGS["report"]["labels"],
        version=VERSION,
    message:
        "{wildcards.batch}: map of {wildcards.model}'s embeddings"
    script:
        "../scripts/embedding_map.py"


rule embeddings:
    input:
        lambda wildcards: files_of_embeddings(),
    message:
        "embeddings of models of windows, and maps of them"
