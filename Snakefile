# twelvelead: 12-lead ECG files and a table of labels in, predictions, metrics and a page out.
# The stages stand in rules/, in the order the data flows; config/README.md explains the settings.

import logging

# On a full disk Snakemake's log would give a traceback for every line that it cannot take.
logging.raiseExceptions = False


configfile: f"{workflow.current_basedir}/config/config.yaml"


include: "rules/common.smk"


container: CONTAINER


include: "rules/demo.smk"
include: "rules/models.smk"


# In another workflow's module, a default target which that workflow has already stays.
MAY_BE_DEFAULT = workflow.default_target is None


rule full_run:
    default_target: MAY_BE_DEFAULT and SETTINGS["mode"] == "full_run"
    input:
        lambda wildcards: targets_of_preprocessing() + targets_of_analysis(),
    message:
        "everything: cleaned signals, predictions, metrics and the page"


rule preprocessing:
    default_target: MAY_BE_DEFAULT and SETTINGS["mode"] == "preprocessing"
    input:
        lambda wildcards: targets_of_preprocessing(),
    message:
        "cleaned signals and the reports on them"


rule analysis:
    default_target: MAY_BE_DEFAULT and SETTINGS["mode"] == "analysis"
    input:
        lambda wildcards: targets_of_analysis(),
    message:
        "predictions, metrics and the page"


onstart:
    # Not earlier: what will execute the jobs is not known before, and a dry run may look at what it cannot write.
    or_stop(check_run, workflow, read_yaml(ROOT / "config/schemas/partitions.schema.yaml"))
    or_stop(check_writable, written_folders())


onsuccess:
    atexit.unregister(say_if_full)
    from twelvelead.fates import usable_and_others

    for batch in PLANS:
        recordings = Path(results(f"{batch}/recordings.csv"))
        if recordings.exists():
            print(f"Batch {batch}: {usable_and_others(recordings)} ({recordings})", file=sys.stderr)
        if Path(results(f"{batch}/report.html")).exists():
            print(f"Report: {results(f'{batch}/report.html')}", file=sys.stderr)


include: "rules/decode.smk"
include: "rules/prepare.smk"
include: "rules/label.smk"
include: "rules/infer.smk"
include: "rules/evaluate.smk"
include: "rules/report.smk"
include: "rules/embeddings.smk"
include: "rules/saliency.smk"
include: "rules/deepecg_layout.smk"
