"""What a reader must know of a model that reads an ECG in windows: how its outputs become one probability an ECG."""

from collections.abc import Mapping, Sequence

from twelvelead.recipes import DURATION_S, WINDOWED

# As the tables of labels say it in column aggregation_source.
SOURCES = {"published": "as published for the model", "ours": "our choice, since none was published for the model"}


def windows_note(model: Mapping) -> str:
    """A sentence or two for a resolved model entry; empty for a model that reads one stretch of every ECG."""
    if model["recipe"] not in WINDOWED:
        return ""
    seconds = DURATION_S[model["recipe"]]
    note = (
        f"Reads windows of {seconds:g} s that do not overlap, and no remainder shorter than that; the probability of "
        f"an ECG is, label by label, the {_ways(model['labels'], model['aggregations'])} over its windows."
    )
    sources = dict.fromkeys(model.get("aggregation_sources", ()))
    if not sources:
        return note
    return f"{note} Which of them a label takes is {', for others '.join(SOURCES.get(one, one) for one in sources)}."


def _ways(labels: Sequence[str], aggregations: Sequence[str]) -> str:
    of_way: dict[str, list[str]] = {}
    for label, way in zip(labels, aggregations, strict=True):
        of_way.setdefault({"max": "maximum"}.get(way, way), []).append(label)
    if len(of_way) == 1:
        return next(iter(of_way))
    ordered = sorted(of_way.items(), key=lambda item: -len(item[1]))
    rarer = [f"the {way} for {'; '.join(of_labels)}" for way, of_labels in ordered[1:]]
    return f"{ordered[0][0]} ({', '.join(rarer)})"
