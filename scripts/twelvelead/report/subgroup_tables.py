"""Subgroups as the page shows them: a forest plot and a table per column, small cells suppressed."""

from collections.abc import Mapping, Sequence

from twelvelead.evaluation.subgroups import SMALLEST_CELL
from twelvelead.report.content import Estimate, Figure, SubgroupRow, Subgroups
from twelvelead.report.forest_plot import ForestRow, forest_plot
from twelvelead.report.label_rows import FEW_WORDS, chosen_point, estimate, is_few, shown

EVERYONE = "all"
FIXED_ONLY = "no threshold was fixed beforehand, and one fitted within each group would compare nothing"


def subgroups(evaluation: Mapping, labels: Sequence[str], title: str) -> tuple[Subgroups, ...]:
    """One entry per column of the configuration, with the figures of `labels`."""
    return tuple(_column(evaluation, column, labels, title) for column in evaluation["subgroups"])


def _column(evaluation: Mapping, column: str, labels: Sequence[str], title: str) -> Subgroups:
    found = evaluation["subgroups"][column]
    groups = dict(sorted(found["groups"].items(), key=lambda item: (not item[0].startswith("below "), item[0])))
    rows: list[SubgroupRow] = []
    nowhere: dict[tuple[str, ...], list[str]] = {}
    for label in labels:
        name = shown(label, title)
        of_groups = [_row(name, group, of_group["labels"][label]) for group, of_group in groups.items()]
        if all(row.suppressed for row in of_groups):
            nowhere.setdefault(tuple(dict.fromkeys(row.suppressed for row in of_groups)), []).append(name)
        else:
            rows += [_row(name, EVERYONE, evaluation["labels"][label]), *of_groups]
    notes = ["; ".join(f"{group}: {of_group['n']:,} ECGs" for group, of_group in groups.items()) + "."] * bool(groups)
    # Without a group there is no reason either; that no group is shown is said below.
    for reasons, names in nowhere.items() if groups else ():
        notes.append(f"No figures in any group: {'; '.join(names)}. The reason: {'; '.join(reasons)}.")
    if found["suppressed_groups"]:
        plural = "1 group is" if found["suppressed_groups"] == 1 else f"{found['suppressed_groups']} groups are"
        notes.append(
            f"{plural} not shown: fewer than {SMALLEST_CELL} ECGs, or what would reveal the size of such a group."
        )
    if found["unknown"]:
        notes.append(f"{found['unknown']:,} ECGs without a value in this column are in no group.")
    if any(is_few(row.positives, row.n - row.positives) for row in rows if not row.suppressed):
        notes.append(f"{FEW_WORDS[:1].upper()}{FEW_WORDS[1:]}; that is so in some of these groups.")
    if rows and all(row.sensitivity.reason == FIXED_ONLY for row in rows if not row.suppressed):
        notes.append(f"Sensitivity and specificity are not given: {FIXED_ONLY}.")
    figure = _forest(evaluation, column, rows, title) if rows else None
    return Subgroups(column, tuple(row for row in rows if not row.suppressed), figure, tuple(notes))


def _forest(evaluation: Mapping, column: str, rows: Sequence[SubgroupRow], title: str) -> Figure:
    svg = forest_plot(
        title=f"AUROC by {column}: {evaluation['model']}, {title}",
        rows=[
            ForestRow(
                row.group,
                row.auroc.value,
                row.auroc.low,
                row.auroc.high,
                "" if row.suppressed else f"{row.positives:,} / {row.n:,}",
                f"suppressed ({row.suppressed})" if row.suppressed else row.auroc.reason,
                row.label,
            )
            for row in rows
        ],
        axis_to=1.0,
        label_heading=column,
        level=evaluation["settings"]["level"],
    )
    return Figure(f"subgroups-{column}", svg)


def _row(label: str, group: str, entry: Mapping) -> SubgroupRow:
    nothing = Estimate(None, reason=entry.get("suppressed", ""))
    if "suppressed" in entry:
        return SubgroupRow(label, group, None, None, *[nothing] * 6, suppressed=entry["suppressed"])
    point = chosen_point(entry["operating_points"])
    fixed = point is not None and point["kind"] != "fitted"
    not_fixed = Estimate(None, reason=FIXED_ONLY)
    return SubgroupRow(
        label,
        group,
        entry["n"],
        entry["positives"],
        estimate(entry["auroc"]),
        estimate(entry["auprc"]),
        estimate(entry["brier"]),
        estimate(entry["calibration_slope"]),
        estimate(point["sensitivity"]) if fixed else not_fixed,
        estimate(point["specificity"]) if fixed else not_fixed,
    )
