"""Writes DeepECG's detailed and summary report on preprocessing."""

from twelvelead.job import logged

with logged(snakemake):
    from twelvelead import fates

    refusals = fates.read_refusals(snakemake.input.statuses)
    detailed, summary = fates.preprocessing_reports(fates.read_summaries(snakemake.input.records), refusals)
    fates.write_csv(detailed, snakemake.output.detailed)
    fates.write_csv(summary, snakemake.output.summary)
