"""Finds the batch's mains regions and scale, or takes them from an earlier calibration."""

from twelvelead.job import logged

with logged(snakemake) as log:
    from twelvelead.preparation import (
        FEW_FOR_A_BATCH_SCALE,
        DeepecgSettings,
        calibration_of_spectra,
        frozen_calibration,
    )

    settings = DeepecgSettings(snakemake.params.units, snakemake.params.scale, snakemake.params.resampling)
    if snakemake.input.frozen:
        calibration = frozen_calibration(snakemake.input.frozen, settings)
    else:
        calibration = calibration_of_spectra(list(snakemake.input.spectra), settings)
    calibration.to_json(snakemake.output.calibration)
    if settings.scale == "batch" and calibration.n < FEW_FOR_A_BATCH_SCALE:
        log.warning("scale: batch was computed from %d ECGs, fewer than %d", calibration.n, FEW_FOR_A_BATCH_SCALE)
    log.info("factor %g from %d recordings, mains regions %s", calibration.factor, calibration.n, calibration.regions)
