"""The heart as one moving vector, and the leads that see it.

Every wave of a beat is a Gaussian in time along a fixed direction in space: the dynamical model of McSharry et al.,
IEEE Trans Biomed Eng 2003;50:289-94, in the three dimensions of Sameni et al., EURASIP J Adv Signal Process 2007:43407.
Axes are Frank's: x to the patient's left, y to the feet, z to the back; mV.
"""

from dataclasses import dataclass

import numpy as np

from twelvelead.ecg import LEADS, LIMB_LEADS_FROM_I_AND_II

RECORDED_LEADS = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")

# Dower, Machado, Osborne, Clin Cardiol 1980;3:87-95: weights of Frank's X, Y, Z in the eight leads a device records.
DOWER = np.array(
    [
        (0.632, -0.235, 0.059),
        (0.235, 1.066, -0.132),
        (-0.515, 0.157, -0.917),
        (0.044, 0.164, -1.387),
        (0.882, 0.098, -1.277),
        (1.213, 0.127, -0.601),
        (1.125, 0.127, -0.086),
        (0.831, 0.076, 0.230),
    ]
)

# A QRS begins and ends where its vector passes this length; it gives 80 to 105 ms for the normal heart below.
QRS_EDGE_MV = 0.06

# Six standard deviations from its centre a wave is 1.5e-8 of its height: less than float32 resolves.
_REACH = 6


@dataclass(frozen=True)
class Waves:
    """Waves of one or more beats: centre_s, rise_s, fall_s (m,) and vector_mv (m, 3).

    A wave rises with the standard deviation rise_s and falls with fall_s; T waves climb slowly and drop fast.
    """

    centre_s: np.ndarray
    rise_s: np.ndarray
    fall_s: np.ndarray
    vector_mv: np.ndarray

    @classmethod
    def from_rows(cls, rows) -> "Waves":
        """Waves from rows of (centre ms, rise ms, fall ms, x mV, y mV, z mV)."""
        table = np.array(rows, dtype=float).reshape(-1, 6)
        return cls(table[:, 0] / 1000, table[:, 1] / 1000, table[:, 2] / 1000, table[:, 3:])

    def moved(self, shift_s: float) -> "Waves":
        return Waves(self.centre_s + shift_s, self.rise_s, self.fall_s, self.vector_mv)

    def turned(self, rotation: np.ndarray, gain: np.ndarray | float = 1.0) -> "Waves":
        """The waves with their vectors rotated by `rotation` (3, 3) and scaled by `gain`, a number or one per wave."""
        vector_mv = self.vector_mv @ rotation.T * np.reshape(gain, (-1, 1))
        return Waves(self.centre_s, self.rise_s, self.fall_s, vector_mv)

    def heart_vector(self, time_s: np.ndarray) -> np.ndarray:
        """(3, samples) mV: the sum of the waves at `time_s` (samples,), which must ascend."""
        vector_mv = np.zeros((3, time_s.size))
        first = np.searchsorted(time_s, self.centre_s - _REACH * self.rise_s)
        last = np.searchsorted(time_s, self.centre_s + _REACH * self.fall_s)
        for wave, (start, stop) in enumerate(zip(first, last, strict=True)):
            since_centre_s = time_s[start:stop] - self.centre_s[wave]
            width_s = np.where(since_centre_s < 0, self.rise_s[wave], self.fall_s[wave])
            vector_mv[:, start:stop] += self.vector_mv[wave, :, None] * np.exp(-0.5 * (since_centre_s / width_s) ** 2)
        return vector_mv


def joined(parts: list[Waves]) -> Waves:
    return Waves(
        np.concatenate([part.centre_s for part in parts]),
        np.concatenate([part.rise_s for part in parts]),
        np.concatenate([part.fall_s for part in parts]),
        np.concatenate([part.vector_mv for part in parts]),
    )


# The directions follow the textbook patterns (Surawicz et al., AHA/ACCF/HRS recommendations part III, Circulation
# 2009;119:e235-40): they are drawn, not fitted to a patient. Rows: centre, rise, fall in ms; x, y, z in mV.

# Right atrium first, forward and down; then the left, to the left and back. Centres count from the onset of P.
P_WAVE = Waves.from_rows([(36, 15, 17, 0.035, 0.075, -0.040), (64, 17, 16, 0.060, 0.060, 0.035)])
P_DURATION_S = 0.100

# A T wave's centre is set by the QT interval; 0 here is its peak.
T_NORMAL = Waves.from_rows([(0, 58, 36, 0.26, 0.20, -0.17)])
# Repolarisation after an abnormal depolarisation points away from it: secondary ST-T change.
T_LBBB = Waves.from_rows([(-110, 45, 60, -0.11, -0.02, -0.17), (0, 55, 40, -0.32, -0.03, -0.42)])
T_RBBB = Waves.from_rows([(0, 58, 38, 0.30, 0.16, 0.16)])
T_PACED = Waves.from_rows([(-110, 45, 60, -0.07, 0.11, -0.14), (0, 55, 40, -0.26, 0.36, -0.34)])
T_ECTOPIC = Waves.from_rows([(-110, 45, 60, -0.05, -0.22, -0.12), (0, 55, 42, -0.16, -0.50, -0.36)])

# Septum to the right and forward, free walls to the left, the base back and up.
QRS_NORMAL = Waves.from_rows(
    [
        (-24, 7, 7, -0.10, -0.06, -0.23),
        (-8, 8, 8, 0.45, 0.35, -0.10),
        (4, 8, 8, 0.75, 0.62, 0.35),
        (18, 8, 8, 0.18, 0.08, 0.62),
        (32, 8, 9, -0.14, -0.12, 0.22),
    ]
)
# No septal q; a slow, notched way to the left and back: QS in V1, broad notched R in I and V6.
QRS_LBBB = Waves.from_rows(
    [
        (-46, 12, 12, 0.22, 0.16, 0.20),
        (-22, 12, 13, 0.72, 0.34, 0.66),
        (4, 13, 13, 0.52, 0.08, 0.82),
        (32, 14, 13, 0.82, 0.06, 0.80),
        (56, 11, 12, 0.18, -0.10, 0.26),
    ]
)
# The normal QRS, then the right ventricle late and slow: R' in V1, broad S in I and V6.
QRS_RBBB = Waves.from_rows(
    [
        (-24, 7, 7, -0.12, -0.06, -0.26),
        (-8, 8, 8, 0.45, 0.36, -0.04),
        (5, 8, 8, 0.72, 0.58, 0.28),
        (20, 8, 9, 0.06, 0.06, 0.34),
        (52, 15, 15, -0.42, -0.04, -0.52),
        (76, 12, 14, -0.26, 0.02, -0.30),
    ]
)
# From the apex of the right ventricle: away from the inferior leads, to the left and back.
QRS_PACED = Waves.from_rows(
    [
        (-48, 13, 14, 0.30, -0.30, 0.16),
        (-18, 15, 16, 0.45, -0.72, 0.52),
        (18, 16, 17, 0.30, -0.66, 0.74),
        (54, 14, 15, 0.06, -0.24, 0.36),
    ]
)
# From the right ventricle's outflow tract: downwards and back, wide and tall.
QRS_ECTOPIC = Waves.from_rows(
    [
        (-50, 14, 15, 0.10, 0.34, 0.16),
        (-18, 17, 18, 0.40, 1.02, 0.62),
        (22, 18, 19, 0.34, 0.92, 0.78),
        (58, 14, 16, 0.04, 0.26, 0.28),
    ]
)


def qrs_span_s(qrs: Waves) -> tuple[float, float, float]:
    """Onset, peak and offset of a QRS in seconds from its reference time, on a grid of 0.5 ms."""
    time_s = np.arange(-0.20, 0.20, 0.0005)
    length_mv = np.linalg.norm(qrs.heart_vector(time_s), axis=0)
    inside = np.flatnonzero(length_mv > QRS_EDGE_MV)
    return time_s[inside[0]], time_s[length_mv.argmax()], time_s[inside[-1]]


def rotation(frontal_deg: float, horizontal_deg: float) -> np.ndarray:
    """(3, 3): turns the electrical axis clockwise in the frontal plane, then backwards in the horizontal one."""
    frontal, horizontal = np.deg2rad((frontal_deg, horizontal_deg))
    about_z = np.array(
        [(np.cos(frontal), -np.sin(frontal), 0), (np.sin(frontal), np.cos(frontal), 0), (0, 0, 1)], dtype=float
    )
    about_y = np.array(
        [(np.cos(horizontal), 0, -np.sin(horizontal)), (0, 1, 0), (np.sin(horizontal), 0, np.cos(horizontal))],
        dtype=float,
    )
    return about_y @ about_z


def twelve_leads_from_recorded(recorded_mv: np.ndarray) -> np.ndarray:
    """(12, samples) in the order of LEADS, of the same type, from RECORDED_LEADS (8, samples)."""
    signal = np.empty((len(LEADS), recorded_mv.shape[1]), dtype=recorded_mv.dtype)
    for row, lead in enumerate(LEADS):
        if lead in RECORDED_LEADS:
            signal[row] = recorded_mv[RECORDED_LEADS.index(lead)]
        else:
            of_lead_i, of_lead_ii = LIMB_LEADS_FROM_I_AND_II[lead]
            signal[row] = of_lead_i * recorded_mv[0] + of_lead_ii * recorded_mv[1]
    return signal
