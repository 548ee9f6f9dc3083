# Vendor files -> records: all leads at their native rate, or the reason why not.


rule decode:
    input:
        plan=lambda wildcards: SHARDS[wildcards.batch][wildcards.shard].plan,
    output:
        records=work("{batch}/records/{shard}.parquet"),
    log:
        logs("decode/{shard}"),
    benchmark:
        benchmarks("decode/{shard}")
    conda:
        "../envs/signals.yaml"
    resources:
        mem_mb=growing(800),
        runtime=growing(60),
    params:
        array_unit_mv=PREPROCESSING["array_unit_mv"],
        version=VERSION,
    message:
        "{wildcards.batch}: decode {wildcards.shard}"
    script:
        "../scripts/decode.py"


rule recordings:
    input:
        cells=lambda wildcards: PLANS[wildcards.batch].cells,
        records=of_shards(work("{batch}/records/{shard}.parquet")),
    output:
        recordings=results("{batch}/recordings.csv"),
        missing_files=results("{batch}/missing_files.csv"),
    log:
        logs("recordings"),
    benchmark:
        benchmarks("recordings")
    conda:
        "../envs/signals.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(60),
    params:
        tasks_with_statements=[
            task
            for task, entry in REGISTRY.tasks.items()
            if SETTINGS["statements_from_files"] and entry["kind"] == "patterns"
        ],
        needed_s=lambda wildcards: {recipe: DURATION_S[recipe] for recipe in recipes(wildcards.batch)},
        quality_excludes=PREPROCESSING["quality_excludes"],
        version=VERSION,
    message:
        "{wildcards.batch}: what became of every file the table names"
    script:
        "../scripts/recordings.py"


rule splits:
    input:
        cells=lambda wildcards: PLANS[wildcards.batch].cells,
    output:
        splits=results("{batch}/splits.csv"),
    log:
        logs("splits"),
    benchmark:
        benchmarks("splits")
    conda:
        "../envs/signals.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        version=VERSION,
    message:
        "{wildcards.batch}: which split every row is in"
    script:
        "../scripts/splits.py"
