# Attention saliency of models of windows, a pass of the network of its own: target saliency.


def saliency_tables(batch):
    return [results(f"{batch}/saliency/{model}.parquet") for model in models_of_windows(batch)]


def files_of_saliency():
    files = []
    for batch in batches():
        tables = saliency_tables(batch)
        files += [*tables, results(f"{batch}/report_with_saliency.html")] if tables else []
    if not files:
        stop(no_models_of_windows("saliency"))
    return files


rule saliency_table:
    input:
        chunks=lambda wildcards: [
            work(f"{wildcards.batch}/saliency/{wildcards.model}/{chunk}.parquet")
            for chunk in PLANS[wildcards.batch].chunks()
        ],
    output:
        table=results("{batch}/saliency/{model}.parquet"),
    log:
        logs("saliency_table/{model}"),
    benchmark:
        benchmarks("saliency_table/{model}")
    conda:
        "../envs/evaluation.yaml"
    resources:
        mem_mb=growing(800),
        runtime=growing(60),
    params:
        version=VERSION,
    message:
        "{wildcards.batch}: saliency of {wildcards.model}"
    script:
        "../scripts/saliency.py"


# `with: input:` takes the place of all inputs; those of the page without saliency are named again by reference.
use rule report as report_with_saliency with:
    input:
        **dict(rules.report.input.items()),
        saliency=lambda wildcards: saliency_tables(wildcards.batch),
    output:
        page=report(
            results("{batch}/report_with_saliency.html"),
            caption="captions/page.rst",
            category="Report",
            labels={"batch": "{batch}, with saliency"},
        ),
    log:
        logs("report_with_saliency"),
    benchmark:
        benchmarks("report_with_saliency")
    message:
        "{wildcards.batch}: the page, with saliency"


rule saliency:
    input:
        lambda wildcards: files_of_saliency(),
    message:
        "where models of windows looked: tables, and pages that show it"
