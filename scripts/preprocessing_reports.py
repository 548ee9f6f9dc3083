"""Writes DeepECG's detailed and summary report on preprocessing."""

from twelvelead.job import logged

with logged(snakemake):
    from twelvelead import fates

    parameters = snakemake.params
    records = fates.read_summaries(snakemake.input.records, parameters.quality_excludes)
    detailed, summary = fates.preprocessing_reports(records, parameters.needed_s, parameters.flat_is_success)
    fates.write_csv(detailed, snakemake.output.detailed)
    fates.write_csv(summary, snakemake.output.summary)
