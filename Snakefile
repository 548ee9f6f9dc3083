# twelvelead: 12-lead ECG files and a table of labels in, predictions, metrics and a page out.
# The stages stand in rules/, in the order the data flows; config/README.md explains the settings.


configfile: f"{workflow.basedir}/config/config.yaml"


include: "rules/common.smk"
include: "rules/demo.smk"
include: "rules/models.smk"


rule full_run:
    default_target: SETTINGS["mode"] == "full_run"
    input:
        lambda wildcards: targets_of_preprocessing() + targets_of_analysis(),
    message:
        "everything: cleaned signals, predictions, metrics and the page"


rule preprocessing:
    default_target: SETTINGS["mode"] == "preprocessing"
    input:
        lambda wildcards: targets_of_preprocessing(),
    message:
        "cleaned signals and the reports on them"


rule analysis:
    default_target: SETTINGS["mode"] == "analysis"
    input:
        lambda wildcards: targets_of_analysis(),
    message:
        "predictions, metrics and the page"


onsuccess:
    for batch in PLANS:
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
