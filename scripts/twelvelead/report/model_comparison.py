"""comparison.json as the page shows it: differences of two models with their intervals, and how often they disagree."""

from collections.abc import Mapping, Sequence

from twelvelead.report.content import ComparedLabel, Comparison, Estimate, Figure
from twelvelead.report.forest_plot import ForestRow, forest_plot
from twelvelead.report.label_rows import in_words, shown


def comparisons(found: Mapping, title: str) -> tuple[Comparison, ...]:
    """Every pair of models; `title` names the outcome of a binary task."""
    return tuple(_comparison(pair, title) for pair in found["pairs"])


def _comparison(pair: Mapping, title: str) -> Comparison:
    rows = tuple(_row(shown(label, title), entry) for label, entry in pair["labels"].items())
    calls = "; ".join(f"{model}: {_origins(of_model)}" for model, of_model in pair["calls"].items() if of_model)
    return Comparison(
        pair["first"],
        pair["second"],
        pair["ecgs"],
        pair["labels_not_compared"],
        calls,
        rows,
        _forest(pair, rows, title) if rows else None,
        pair.get("reason", ""),
    )


def _origins(calls: Sequence[Mapping]) -> str:
    """Where a model's thresholds come from; with how many labels each, where they are of several kinds."""
    words = [(in_words(one["kind"], one["name"]), one["labels"]) for one in calls]
    return words[0][0] if len(words) == 1 else ", ".join(f"{origin} ({count} labels)" for origin, count in words)


def _row(name: str, entry: Mapping) -> ComparedLabel:
    auroc, kappa, apart = entry["auroc"], entry["kappa"], entry.get("disagreements", {})
    return ComparedLabel(
        name=name,
        n=entry["n"],
        positives=entry["positives"],
        auroc=_difference(auroc),
        p_value=auroc["p_value"],
        p_value_holm=auroc["p_value_holm"],
        auprc=_difference(entry["auprc"]),
        brier=_difference(entry["brier"]),
        kappa=Estimate(kappa.get("value"), kappa.get("low"), kappa.get("high"), kappa.get("reason") or ""),
        disagreements=apart.get("total"),
        first_right=apart.get("first_right"),
        second_right=apart.get("second_right"),
    )


def _difference(entry: Mapping) -> Estimate:
    return Estimate(entry["difference"], entry["low"], entry["high"], entry.get("reason") or "")


def _forest(pair: Mapping, rows: tuple[ComparedLabel, ...], title: str) -> Figure:
    svg = forest_plot(
        title=f"Difference in AUROC, {pair['first']} less {pair['second']}: {title}",
        rows=[
            ForestRow(row.name, row.auroc.value, row.auroc.low, row.auroc.high, f"{row.positives:,} / {row.n:,}")
            for row in rows
        ],
        measure="Difference in AUROC",
        reference=0.0,
        label_heading="Label",
    )
    return Figure("difference", svg, f"Right of the dashed line {pair['first']} ranks the ECGs better.")
