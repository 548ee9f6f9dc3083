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
    resources:
        mem_mb=800,
        runtime=60,
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
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        tasks_with_statements=[
            task
            for task, entry in REGISTRY.tasks.items()
            if SETTINGS["statements_from_files"] and entry["kind"] == "patterns"
        ],
        needed_s=lambda wildcards: {recipe: DURATION_S[recipe] for recipe in recipes(wildcards.batch)},
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
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        version=VERSION,
    message:
        "{wildcards.batch}: which split every row is in"
    script:
        "../scripts/splits.py"
