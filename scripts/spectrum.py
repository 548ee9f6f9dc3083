"""Sums the magnitude spectra of one shard's recordings, for the batch's calibration."""

from twelvelead.job import logged

with logged(snakemake) as log:
    from twelvelead.preparation import DeepecgSettings, spectrum_of_records

    settings = DeepecgSettings(snakemake.params.units, snakemake.params.scale, snakemake.params.resampling)
    paths, excludes = (snakemake.input.records, snakemake.output.spectrum), snakemake.params.quality_excludes
    n = spectrum_of_records(*paths, settings, excludes)
    log.info("%d recordings take part in the calibration", n)
