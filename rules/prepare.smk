# Records -> the tensor each recipe wants. The deepecg recipe finds mains noise on the whole batch:
# spectrum (map) -> calibrate (reduce) -> clean (map). Then the cleaned signals leave the workflow as files.

from snakemake.exceptions import WorkflowError

CALIBRATION = PREPROCESSING["calibration"]
if CALIBRATION != "batch":
    own = [Path(results(f"{batch}/preprocessing/calibration.json")).resolve() for batch in PLANS]
    if not Path(CALIBRATION).is_file():
        stop(
            f"preprocessing.calibration: there is no file {CALIBRATION}; give `batch` or the path of a calibration.json"
        )
    if Path(CALIBRATION).resolve() in own:
        stop(
            f"preprocessing.calibration: {CALIBRATION} is what this run writes; copy it to another place and name the copy"
        )
RECIPE_SETTINGS = {key: PREPROCESSING[key] for key in ("units", "scale", "resampling")}


rule spectrum:
    input:
        records=work("{batch}/records/{shard}.parquet"),
    output:
        spectrum=work("{batch}/spectra/{shard}.npz"),
    log:
        logs("spectrum/{shard}"),
    benchmark:
        benchmarks("spectrum/{shard}")
    conda:
        "../envs/signals.yaml"
    resources:
        mem_mb=growing(800),
        runtime=growing(60),
    params:
        **RECIPE_SETTINGS,
        quality_excludes=PREPROCESSING["quality_excludes"],
        version=VERSION,
    message:
        "{wildcards.batch}: spectrum of {wildcards.shard}"
    script:
        "../scripts/spectrum.py"


rule calibrate:
    input:
        spectra=of_shards(work("{batch}/spectra/{shard}.npz")) if CALIBRATION == "batch" else [],
        frozen=[] if CALIBRATION == "batch" else CALIBRATION,
    output:
        calibration=results("{batch}/preprocessing/calibration.json"),
    log:
        logs("calibrate"),
    benchmark:
        benchmarks("calibrate")
    conda:
        "../envs/signals.yaml"
    resources:
        mem_mb=growing(800),
        runtime=growing(30),
    params:
        **RECIPE_SETTINGS,
        calibration=CALIBRATION,
        version=VERSION,
    message:
        "{wildcards.batch}: "
        + ("calibrate on the batch" if CALIBRATION == "batch" else f"calibration of {CALIBRATION}")
    script:
        "../scripts/calibrate.py"


def unless_kept(path):
    return path if SETTINGS["keep_prepared"] else temp(path)


rule clean:
    input:
        records=work("{batch}/records/{shard}.parquet"),
        calibration=results("{batch}/preprocessing/calibration.json"),
    output:
        tensor=unless_kept(work("{batch}/prepared/deepecg/{shard}.npy")),
        statuses=work("{batch}/prepared/deepecg/{shard}.tsv"),
    log:
        logs("clean/{shard}"),
    benchmark:
        benchmarks("clean/{shard}")
    conda:
        "../envs/signals.yaml"
    resources:
        mem_mb=growing(800),
        runtime=growing(60),
    params:
        **RECIPE_SETTINGS,
        quality_excludes=PREPROCESSING["quality_excludes"],
        version=VERSION,
    message:
        "{wildcards.batch}: clean {wildcards.shard}"
    script:
        "../scripts/clean.py"


rule prepare:
    input:
        records=work("{batch}/records/{shard}.parquet"),
    output:
        tensor=unless_kept(work("{batch}/prepared/{recipe}/{shard}.npy")),
        statuses=work("{batch}/prepared/{recipe}/{shard}.tsv"),
    log:
        logs("prepare/{recipe}/{shard}"),
    benchmark:
        benchmarks("prepare/{recipe}/{shard}")
    wildcard_constraints:
        recipe="openecg|ecgfm",
    conda:
        "../envs/signals.yaml"
    resources:
        mem_mb=growing(800),
        runtime=growing(60),
    params:
        quality_excludes=PREPROCESSING["quality_excludes"],
        version=VERSION,
    message:
        "{wildcards.batch}: prepare {wildcards.shard} for {wildcards.recipe}"
    script:
        "../scripts/prepare.py"


rule preprocessing_reports:
    input:
        records=of_shards(work("{batch}/records/{shard}.parquet")),
    output:
        detailed=results("{batch}/preprocessing/ecg_processing_detailed_report.csv"),
        summary=results("{batch}/preprocessing/ecg_processing_summary_report.csv"),
    log:
        logs("preprocessing_reports"),
    benchmark:
        benchmarks("preprocessing_reports")
    conda:
        "../envs/signals.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(30),
    params:
        quality_excludes=PREPROCESSING["quality_excludes"],
        needed_s=DURATION_S["deepecg"],
        flat_is_success=PREPROCESSING["units"] == "raw" and PREPROCESSING["scale"] == "batch",
        version=VERSION,
    message:
        "{wildcards.batch}: DeepECG's reports on preprocessing"
    script:
        "../scripts/preprocessing_reports.py"


rule export_shard:
    input:
        tensor=work("{batch}/prepared/deepecg/{shard}.npy"),
        statuses=work("{batch}/prepared/deepecg/{shard}.tsv"),
    output:
        # The signals themselves are not declared: 1,000 outputs a job would cost Snakemake more than the job.
        exported=work("{batch}/exported/{shard}.txt"),
    log:
        logs("export/{shard}"),
    benchmark:
        benchmarks("export/{shard}")
    conda:
        "../envs/signals.yaml"
    resources:
        mem_mb=growing(800),
        runtime=growing(60),
    params:
        folder=results("{batch}/preprocessing/signals"),
        format=PREPROCESSING["export"],
        version=VERSION,
    message:
        "{wildcards.batch}: export the signals of {wildcards.shard}"
    script:
        "../scripts/export_shard.py"


rule exported:
    input:
        exported=of_shards(work("{batch}/exported/{shard}.txt")),
    output:
        exported=work("{batch}/exported.txt"),
    log:
        logs("exported"),
    benchmark:
        benchmarks("exported")
    conda:
        "../envs/signals.yaml"
    resources:
        mem_mb=growing(800),
        runtime=growing(30),
    params:
        folder=results("{batch}/preprocessing/signals"),
        version=VERSION,
    message:
        "{wildcards.batch}: remove signals of an earlier run that are no longer the batch's"
    script:
        "../scripts/exported.py"


def tensor_with(extension):
    def find(wildcards):
        shard = PLANS[wildcards.batch].shard_of(wildcards.ecg_id)
        if shard is None:
            raise WorkflowError(
                f"batch {wildcards.batch} has no ECG `{wildcards.ecg_id}`; its recordings.csv lists them"
            )
        return work(f"{wildcards.batch}/prepared/deepecg/{shard.name}{extension}")

    return find


rule export_one:
    input:
        tensor=tensor_with(".npy"),
        statuses=tensor_with(".tsv"),
    output:
        signal=results("{batch}/preprocessing/signals/{ecg_id}.npy"),
    log:
        logs("export_one/{ecg_id}"),
    benchmark:
        benchmarks("export_one/{ecg_id}")
    conda:
        "../envs/signals.yaml"
    resources:
        mem_mb=growing(800),
        runtime=growing(10),
    params:
        version=VERSION,
    message:
        "{wildcards.batch}: export the signal of {wildcards.ecg_id}"
    script:
        "../scripts/export_one.py"
