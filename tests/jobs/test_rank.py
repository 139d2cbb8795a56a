"""The command rank: any table of ratings, its lists and figures, and what it cannot be asked."""

from __future__ import annotations

import csv
import re
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from promo_spark.errors import PromoSparkError, SettingsError, SourceError
from promo_spark.models.recommenders.first_stage.evaluation import LIST_METRICS, Audience, list_figures
from promo_spark.runtime.progress import Progress
from promo_spark.runtime.registry import all_commands
from promo_spark.settings import load
from promo_spark.storage.lake import Lake
from tests.models.recommenders.test_neighbours import BOUGHT, matrix


def asked(lake: Lake, *overrides: str, **arguments: object) -> str:
    command = all_commands()["rank"]
    given = {name.strip("[-]"): "" for name in command.arguments}
    given |= {name: str(value) for name, value in arguments.items()}
    small = ("recommend.rank=2", "recommend.iterations=2", "recommend.blocks=2", *overrides)
    return command.start(lake, load(None, small), given, Progress(Console(file=StringIO())))


def written(path: Path, header: str, rows: list[str]) -> Path:
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def lists(path: Path) -> dict[str, list[dict[str, str]]]:
    found: dict[str, list[dict[str, str]]] = {}
    for part in sorted(path.glob("part-*.csv")):
        for row in csv.DictReader(part.open(encoding="utf-8")):
            found.setdefault(row["user"], []).append(row)
    return found


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("user_neighbours", [("5", 0.3165), ("4", 0.2317), ("3", 0.2007), ("6", 0.1159)]),
        ("item_neighbours", [("5", 0.9309), ("3", 0.6422), ("4", 0.4714), ("6", 0.4082)]),
    ],
)
def test_the_worked_example(lake: Lake, tmp_path: Path, model: str, expected: list[tuple[str, float]]) -> None:
    """G01, G02, G15, G16: users A to G, items 1 to 6; G came to 5 and 9, which nobody has."""
    pairs = [f"{'ABCDEFG'[u]},{i + 1}" for u, i in zip(*np.nonzero(BOUGHT), strict=True)]
    ratings, test = (
        written(tmp_path / "r.csv", "who,what", pairs),
        written(tmp_path / "t.csv", "who,what", ["G,5", "G,9"]),
    )
    columns = "user=who,item=what"
    told = asked(lake, ratings=ratings, test=test, columns=columns, models=model, top=4, out=tmp_path / "out")
    of_g = lists(tmp_path / "out")["G"]
    assert [row["item"] for row in of_g] == [item for item, _ in expected]
    assert [float(row["score"]) for row in of_g] == pytest.approx([score for _, score in expected], abs=1e-4)
    assert {row["recommender"] for row in of_g} == {model}
    assert f"rows of lists by {model} are in {tmp_path / 'out'}." in told
    figures = next(line for line in told.splitlines() if line.startswith(f"{model} ")).split()
    # of two relevant items, one of which nobody knows, the first of four is one: nDCG 1 / (1 + 1 / log2 3)
    assert [float(f) for f in figures[1:4]] == pytest.approx([0.6131, 0.25, 0.5], abs=1e-4)


def test_stars_are_split_by_time_measured_and_served_cold_or_not(lake: Lake, tmp_path: Path) -> None:
    """G09, G13, G21, O04 (part): two tastes, news and videos. New items are known by what they are.

    A new user has what is popular. What kind of thing an item is goes along into the lists.

    The figures of the best are those of its lists, by the functions that are tested by loops.
    """
    draw = np.random.default_rng(4)
    rows, later = [], []
    for user in range(40):
        own = draw.permutation([i for i in range(20) if i % 2 == user % 2])
        rows += [f"u{user:02},i{i:02},{draw.integers(3, 6)},2024-01-{day + 1:02}" for day, i in enumerate(own[:7])]
        later += [f"u{user:02},i{i:02},{draw.integers(1, 6)},2024-02-01" for i in own[7:9]]
        later.append(f"u{user:02},new{user % 2},5,2024-02-02")
    later.append("stranger,i00,5,2024-02-03")
    kinds = {0: "nut,1 0,news", 1: "tea,0 1,video"}
    of_items = [f"i{i:02},{kinds[i % 2]}" for i in range(20)] + ["new0,nut,1 0,news", "new1,tea,,"]
    header = "user,item,rating,time"
    files = {
        "ratings": written(tmp_path / "r.csv", header, rows),
        "test": written(tmp_path / "t.csv", header, later),
        "items": written(tmp_path / "i.csv", "item,kind,embedding,item_type", of_items),
    }
    told = asked(lake, **files, top=5, out=tmp_path / "out").splitlines()
    best = re.match(r"Best on what was held back: (\w+), nDCG", told[0])
    assert best is not None
    names = {line.split()[0] for line in told[2:] if line[:1].strip()}
    assert names >= {"als", "content", "item_neighbours", "user_neighbours", "svd", "together", "hybrid", "popular"}
    assert "item2vec" in names
    assert any(line.startswith("users without history") for line in told)

    found = lists(tmp_path / "out")
    ids = sorted({row.split(",")[0] for row in of_items})
    types = {row.split(",")[0]: row.split(",")[3] for row in of_items}
    assert all(row["item_type"] == types[row["item"]] and not row["title"] for rows in found.values() for row in rows)
    number = {item: place for place, item in enumerate(ids)}
    users = sorted(found)
    history, truth = (np.zeros((len(users), len(ids)), np.float32) for _ in range(2))
    for matrix_of, text in ((history, rows), (truth, later)):
        for who, item, rating, _ in (row.split(",") for row in text):
            matrix_of[users.index(who), number[item]] = float(rating)
    shown = np.array([[number[row["item"]] for row in found[user]] for user in users])
    assert shown.shape == (41, 5) and not history[np.arange(41)[:, None], shown].any()
    values = list_figures(
        shown, matrix(truth), matrix(history), Audience.of(matrix(history), np.zeros(22, np.int64)), 5
    )
    known = np.array([user != "stranger" for user in users])
    line = next(line for line in told[2:] if line.startswith(f"{best.group(1)} ")).split()
    expected = [np.nanmean(values[known, LIST_METRICS.index(m)]) for m in ("ndcg", "precision", "recall", "f1", "map")]
    assert [float(cell) for cell in line[1:6]] == pytest.approx(expected, abs=6e-5)
    assert [row["recommender"] for row in found["stranger"]] == ["popular"] * 5 or best.group(1) == "popular"

    only = asked(lake, **files, models="content", top=5, out=tmp_path / "content").splitlines()
    assert re.search(r"of items that nobody had, recall 1\.0000", "\n".join(only))  # the one new item of their kind
    assert all(row[0]["because"] for user, row in lists(tmp_path / "content").items() if user != "stranger")


def test_what_cannot_be_read_or_asked_is_said(lake: Lake, tmp_path: Path) -> None:
    good = written(tmp_path / "good.csv", "user,item", ["a,1", "a,2", "b,1"])
    bad = written(tmp_path / "bad.csv", "user,item,rating", ["a,1,3", "a,2,many"])
    for arguments, error, message in (
        ({"ratings": bad}, SourceError, r'bad\.csv: \{"user":"a","item":"2","rating":"many"\} is no rating'),
        ({"ratings": good, "columns": "item=film"}, SourceError, "film"),
        ({"ratings": tmp_path / "none.csv"}, SourceError, "there is no such file or folder"),
        ({"ratings": good, "models": "content"}, SettingsError, "content needs --items"),
        ({"ratings": good, "top": "ten"}, SettingsError, "--top 'ten': write a whole number"),
        ({"ratings": good, "repeats": "often"}, SettingsError, "--repeats 'often': write yes or no"),
    ):
        with pytest.raises(PromoSparkError, match=message) as raised:
            asked(lake, **arguments)
        assert isinstance(raised.value, error)


def test_nothing_is_written_over_that_rank_did_not_write(lake: Lake, tmp_path: Path) -> None:
    """A file, a folder of somebody, and the one that is read are left alone; that of an earlier run is written anew."""
    pairs = [f"u{u},i{i}" for u in range(12) for i in range(8) if (u + i) % 3]
    own = tmp_path / "own"
    own.mkdir()
    ratings = written(own / "ratings.csv", "user,item", pairs)
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "mine.txt").write_text("mine", encoding="utf-8")
    (tmp_path / "file.csv").write_text("mine", encoding="utf-8")
    asked_for = {"ratings": ratings, "models": "popular", "top": 3}
    for out, lost in (("own", "ratings.csv"), ("notes", "mine.txt"), ("file.csv", "file.csv")):
        with pytest.raises(SettingsError, match=f"--out .*{out} holds .*{lost}, which would be lost"):
            asked(lake, **asked_for, out=tmp_path / out)
    assert ratings.exists() and (tmp_path / "notes" / "mine.txt").exists()
    assert (tmp_path / "file.csv").read_text(encoding="utf-8") == "mine"
    (tmp_path / "lists" / "_temporary").mkdir(parents=True)  # of a run that was killed
    for _ in range(2):
        asked(lake, **asked_for, out=tmp_path / "lists")


def test_without_a_test_of_ones_own_lists_are_of_all_ratings(lake: Lake, tmp_path: Path) -> None:
    """The newest fifth measures, and is known when lists are made: nobody is recommended what is among the ratings."""
    draw = np.random.default_rng(9)
    rows = [
        f"u{user:02},i{item:02},2024-01-{day + 1:02}"
        for user in range(30)
        for day, item in enumerate(draw.permutation(20)[:10])
    ]
    ratings = written(tmp_path / "r.csv", "user,item,time", rows)
    told = asked(lake, ratings=ratings, models="item_neighbours,popular", top=5, out=tmp_path / "lists")
    had = {tuple(row.split(",")[:2]) for row in rows}
    given = {(user, row["item"]) for user, of in lists(tmp_path / "lists").items() for row in of}
    assert len(given) == 150 and not given & had
    line = next(line for line in told.splitlines() if line.startswith("popular ")).split()
    assert line.count("–") == 2  # of which groups items are, nobody says


def test_what_cannot_be_counted_is_said(lake: Lake, tmp_path: Path) -> None:
    ratings = written(tmp_path / "r.csv", "user,item", ["a,x", "b,y"])
    with pytest.raises(SourceError, match="has no column rating, of which --relevant is the least value"):
        asked(lake, ratings=ratings, relevant=4)
    with pytest.raises(SettingsError, match="it mixes others: name these as well"):
        asked(lake, ratings=ratings, models="hybrid")
    with pytest.raises(SourceError, match="--columns user=NAME,item=NAME says other names"):
        asked(lake, ratings=written(tmp_path / "o.csv", "userId,movieId", ["a,x"]))
