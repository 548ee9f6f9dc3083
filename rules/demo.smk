# Simulated recordings with known truth, written as several vendors write them.


rule demo_inputs:
    output:
        table=f"{SETTINGS['demo']['folder']}/table.csv",
    log:
        work("demo_inputs/demo_inputs.log"),
    benchmark:
        work("demo_inputs/demo_inputs.tsv")
    conda:
        "../envs/signals.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        folder=SETTINGS["demo"]["folder"],
        recordings=SETTINGS["demo"]["recordings"],
        seed=SETTINGS["demo"]["seed"],
        version=VERSION,
    message:
        "simulate {params.recordings} ECGs into {params.folder}/"
    script:
        "../scripts/demo_inputs.py"
