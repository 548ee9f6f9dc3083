from twelvelead.leftovers import remove_leftovers


def write(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("earlier")


def test_only_what_needs_truth_goes_and_only_where_there_is_none(tmp_path):
    stays = ["code15/net/probabilities.csv", "lvef_40/net/metrics.json", "report.html", "code15/net/notes.txt"]
    goes = ["code15/comparison.json", "code15/net/figures/AF/roc.svg", "code15/net/metrics.json", "splits.csv"]
    write(tmp_path, *stays, *goes)
    removed = remove_leftovers(tmp_path, ["code15"], is_split=False)
    assert removed == ["code15/comparison.json", "code15/net/figures", "code15/net/metrics.json", "splits.csv"]
    assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()) == sorted(
        stays
    )
    assert remove_leftovers(tmp_path, ["code15"], is_split=False) == []


def test_the_splits_of_a_batch_that_is_split_stay(tmp_path):
    write(tmp_path, "splits.csv")
    assert remove_leftovers(tmp_path, [], is_split=True) == []
