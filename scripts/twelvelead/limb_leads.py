"""Whether the limb leads fit each other and the chest leads: Einthoven's law and interchanged electrodes."""

import numpy as np

from twelvelead.ecg import LEADS, LIMB_LEADS_FROM_I_AND_II
from twelvelead.qrs import QrsComplexes, median_beat

EINTHOVEN_SHARE = 0.1
OPPOSITE = -0.5
SILENT_SHARE = 0.08
BROAD_QRS_S = 0.1

_V6 = LEADS.index("V6")
_BEAT_S = (0.3, 0.4)  # before and after the QRS: from the P wave to the T wave
_P_WAVE_S = (0.24, 0.08)  # before the QRS


def breaks_einthoven(signal_mv: np.ndarray) -> np.ndarray:
    """(12,) which limb leads differ from what I and II make them, by more than EINTHOVEN_SHARE of the largest RMS.

    signal_mv  (12, n), every lead about 0: leads may be filtered apart, so that their offsets say nothing
    """
    largest_rms = np.sqrt((signal_mv[:6] ** 2).mean(axis=1)).max()
    breaks = np.zeros(len(LEADS), dtype=bool)
    for lead, weights in LIMB_LEADS_FROM_I_AND_II.items():
        residual = signal_mv[LEADS.index(lead)] - np.float32(weights) @ signal_mv[:2]
        breaks[LEADS.index(lead)] = np.sqrt((residual**2).mean()) > EINTHOVEN_SHARE * largest_rms
    return breaks


def interchanged_electrodes(signal_mv: np.ndarray, qrs: QrsComplexes) -> str:
    """Which limb electrodes seem to be interchanged: RA-LA, RA-LL, RA-RL, LA-RL, arms-legs; "" for none.

    V6 looks at the heart from where I and II do, and interchanging limb electrodes other than RL leaves it as it is.
    RA-LA makes I its opposite, RA-LL makes II its opposite: QRS negative, and the P wave opposite too, since a right
    axis turns the QRS alone. Nothing is said of a broad QRS: with a pacemaker's superior axis and spikes it looks like
    RA-LL.
    Between the legs there is no voltage: a bipolar lead is silent when both its electrodes are on them.
    A cyclic interchange of three electrodes has the name of the reversal whose polarities it shares.
    Batchvarov et al., Europace 2007;9:1081-1090; correlations as in Jekova et al., Comput Methods Programs Biomed
    2016;134:31-41.
    """
    beat, rate_hz = median_beat(signal_mv[[0, 1, 2, _V6]], qrs, *_BEAT_S)
    if beat.shape[1] == 0 or not beat[:3].any():
        return ""
    swings = np.ptp(beat[:3], axis=1)
    if swings.min() <= SILENT_SHARE * swings.max():
        return ("arms-legs", "RA-RL", "LA-RL")[int(np.argmin(swings))]
    if qrs.duration_s > BROAD_QRS_S:
        return ""
    p_first, p_after = (round((_BEAT_S[0] - seconds) * rate_hz) for seconds in _P_WAVE_S)
    baseline = np.median(beat, axis=1)
    is_negative = beat.max(axis=1) - baseline < baseline - beat.min(axis=1)
    i, ii, iii = _correlation_with_last(beat)
    p_of_i, p_of_ii, _ = _correlation_with_last(beat[:, p_first:p_after])
    # Undone, RA-LA turns I into -I and II into III; RA-LL turns I into -III and II into -II.
    as_recorded, without_ra_la, without_ra_ll = i + ii, iii - i, -iii - ii
    if without_ra_la >= max(without_ra_ll, as_recorded):
        return "RA-LA" if i < OPPOSITE and p_of_i < 0 and is_negative[0] else ""
    if without_ra_ll > as_recorded:
        return "RA-LL" if ii < OPPOSITE and p_of_ii < 0 and is_negative[1] else ""
    return ""


def _correlation_with_last(beat: np.ndarray) -> list[float]:
    """Correlation of each lead but the last with the last, about their medians, which lie near the baseline."""
    beat = beat - np.median(beat, axis=1, keepdims=True)
    size = np.sqrt((beat**2).sum(axis=1))
    products = beat[:-1] @ beat[-1]
    scale = size[:-1] * size[-1]
    return np.divide(products, scale, out=np.zeros_like(products), where=scale > 0).tolist()
