"""Turns one shard's records into the cleaned tensor of recipe deepecg."""

from dataclasses import asdict

from twelvelead.job import logged

with logged(snakemake) as log:
    from twelvelead.preparation import DeepecgSettings, clean_records
    from twelvelead.recipes.calibration import Calibration

    settings = DeepecgSettings(snakemake.params.units, snakemake.params.scale, snakemake.params.resampling)
    calibration = Calibration.from_json(snakemake.input.calibration)
    calibration.check(asdict(settings))
    paths = snakemake.input.records, snakemake.output.tensor, snakemake.output.statuses
    n = clean_records(*paths, calibration, settings, snakemake.params.quality_excludes)
    log.info("%d signals", n)
