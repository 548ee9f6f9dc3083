"""The command `twelvelead thresholds`: DeepECG's compute_optimal_thresholds on any probabilities.csv."""

from collections.abc import Sequence
from pathlib import Path

from twelvelead.atomic import write_text
from twelvelead.errors import TableError
from twelvelead.evaluation.probability_table import read_probabilities
from twelvelead.evaluation.threshold_tables import (
    binarised_table,
    join_models,
    pattern_thresholds,
    summary_by_f1,
    write_threshold_csv,
    write_threshold_json,
)
from twelvelead.labels.patterns import read_patterns

PATTERNS = Path(__file__).resolve().parents[3] / "config/labels/deepecg77.csv"


def write_thresholds(probabilities: Sequence[str], folder: Path) -> list[Path]:
    """Writes per model thresholds (CSV, JSON) and a binarised table, a summary by F1, and all models joined by file.

    probabilities  paths of probabilities.csv; a model is named after the folder its file is in
    Returns the paths of what was written. Raises TableError.
    """
    paths = {Path(path).resolve().parent.name: Path(path) for path in probabilities}
    if len(paths) < len(probabilities):
        raise TableError("two of the files are in folders of one name, which names the model; rename one folder")
    patterns = read_patterns(PATTERNS)
    of_bert = dict(zip(patterns.names, patterns.bert_threshold, strict=True))
    folder.mkdir(parents=True, exist_ok=True)
    written, rows_by_model, joined = [], {}, None
    for model, path in paths.items():
        table = read_probabilities(path, of_bert)
        rows = rows_by_model[model] = pattern_thresholds(table)
        binary = binarised_table(table, rows, model)
        joined = binary if joined is None else join_models(joined, binary)
        write_threshold_csv(rows, folder / f"{model}_thresholds.csv")
        write_threshold_json(rows, folder / f"{model}_thresholds.json")
        write_text(folder / f"{model}_binarised.csv", binary.to_csv(index=False))
        written += [folder / f"{model}_{kind}" for kind in ("thresholds.csv", "thresholds.json", "binarised.csv")]
    write_text(folder / "summary_by_f1.csv", summary_by_f1(rows_by_model).to_csv(index=False))
    written.append(folder / "summary_by_f1.csv")
    if len(paths) > 1:
        write_text(folder / "joined_binarised.csv", joined.to_csv(index=False))
        written.append(folder / "joined_binarised.csv")
    return written
