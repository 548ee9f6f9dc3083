"""A patient who does not exist, in every spelling that a file's header may have of her."""

from dataclasses import dataclass, fields
from datetime import date


@dataclass(frozen=True)
class Identity:
    """Who an ECG is of, and who and what recorded it: strings that stand nowhere by chance."""

    family_name: str = "Quastelbrunn"
    given_name: str = "Zephyrine"
    second_name: str = "Ötzküla"
    birth_name: str = "Wolkenstrumpf"
    patient_id: str = "PID7Q3X9Z41"
    second_id: str = "MRN88X2K7Y"
    insurance_id: str = "INS55W3V9K"
    birth_date: date = date(1931, 7, 23)
    street: str = "Silberdistelweg"
    city: str = "Hinterzwiesel"
    postal_code: str = "QX74ZW93"
    phone: str = "555-0193847"
    mail: str = "zq31@oetzkuela.example"
    race: str = "Hyperborean"
    physician: str = "Brackenthwaite"
    referring_physician: str = "Featherstonehaugh"
    technician: str = "Umbrellanza"
    hospital: str = "Wendelgardstift"
    department: str = "Kardiomagnolie"
    room: str = "R4471K"
    device_serial: str = "SNX7H2Q55"
    accession_number: str = "ACC5W9T2J"
    visit: str = "VIS31H8P4"
    note: str = "Schwindelzwieback"

    @property
    def birth_dates(self) -> dict[str, str]:
        """The birth date as formats write it: ISO, DICOM's and HL7's, EDF+'s, MUSE's, slashes, points."""
        born = self.birth_date
        return {
            "iso": born.isoformat(),
            "digits": born.strftime("%Y%m%d"),
            "edf": f"{born:%d}-{_MONTHS[born.month - 1]}-{born:%Y}",
            "muse": born.strftime("%m-%d-%Y"),
            "slashes": born.strftime("%m/%d/%Y"),
            "points": born.strftime("%d.%m.%Y"),
        }

    @property
    def full_name(self) -> str:
        return f"{self.given_name} {self.second_name} {self.family_name}"

    def strings(self) -> tuple[str, ...]:
        """What must not come out, each on its own: a name as a whole may be written in any order."""
        texts = [getattr(self, field.name) for field in fields(self) if field.name != "birth_date"]
        return (*texts, *self.birth_dates.values())


_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")

PLANTED = Identity()
