# SPDX-License-Identifier: Apache-2.0
"""Model cards are made of training.json and of files of results, and say nothing that is in neither."""

import json
import shutil
import sys
from pathlib import Path

import pytest
from training_support import small_recipe

pytest.importorskip("mujoco")

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.paths import data_path
from wall_oss_ros.sim import evaluate
from wall_oss_ros.sim.closed_loop import Episode
from wall_oss_ros.sim.cubes.goals import CubeGoal
from wall_oss_ros.sim.results import Results
from wall_oss_ros.training.card import BEGIN, END, card, has_place, write_card
from wall_oss_ros.training.record import record

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))
import model_card
import published

CARDS = [page.parent for page in sorted(data_path("models").glob("*/README.md")) if has_place(page.read_text())]
HEAD = {
    "command": "x", "commit": "0123abc", "date": "2026-11-30",
    "machine": {"processor": "a", "cores": 2, "python": "3.11.7"},
}  # fmt: skip


@pytest.mark.parametrize("folder", CARDS, ids=lambda folder: folder.name)
def test_cards_of_shipped_models_are_up_to_date(folder):
    file = published.FOLDER / f"{folder.name}.json"
    more = model_card.results(published.read(file), file, folder)
    assert card(folder, more) in (folder / "README.md").read_text(), "run: python benchmarks/model_card.py"


@pytest.fixture
def checkpoint(tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    recipe = small_recipe(dagger_episodes=3)
    found = record(recipe, 4, 90.0, 5_318_272, 12_345, [678], "cpu", 1)
    (folder / "training.json").write_text(json.dumps(found))
    (folder / "model.safetensors").write_bytes(bytes(2_100_000))
    return folder


def test_a_card_says_what_training_left(checkpoint):
    text = card(checkpoint)
    for said in (
        "| recipe | wall-oss-tiny, seed 7 |", "| parameters | 5.32 million; weights of 2.1 MB |",
        "12,345 frames, 678 of them from DAgger; 4 demonstrations and 100 poses, seed 1; 16 frames held out",
        "| robots | franka, ur |", "| training | 4 steps in 1.5 minutes, ended on 20", "| machine | ", "cpu; PyTorch ",
        "| vision tower first | 2 steps of 4 |", "| second | all | 2 | 4 |", " | 3 |",
    ):  # fmt: skip
        assert said in text, text
    training = json.loads((checkpoint / "training.json").read_text())
    training["steps"] = 3
    for key in ("machine", "ended", "dagger_frames"):  # as older ones are
        del training[key]
    (checkpoint / "training.json").write_text(json.dumps(training))
    text = card(checkpoint)
    assert "| training | 3 of 4 steps in 1.5 minutes |" in text and "machine" not in text and "DAgger;" not in text


@pytest.mark.parametrize("name", ["wall-oss-tiny", "wall-oss-tiny-dual-arm"])
def test_records_of_before_make_cards_too(name):
    text = card(data_path(f"models/{name}"))
    assert "5.32 million" in text or "5.31 million" in text, text
    assert ("starts from" in text) == name.endswith("arm") and "21.3 MB" in text


def test_a_card_has_its_place_and_what_people_wrote_stays(checkpoint):
    write_card(checkpoint)
    page = checkpoint / "README.md"
    assert page.read_text() == f"# mine\n\n{card(checkpoint)}\n"
    page.write_text(f"Mine.\n{BEGIN}\nold\n{END}\nLimits.\n")
    write_card(checkpoint, "more")
    assert page.read_text() == f"Mine.\n{card(checkpoint, 'more')}\nLimits.\n" and "old" not in page.read_text()
    for text in ("mine alone\n", f"{END}{BEGIN}", f"{BEGIN}{BEGIN}{END}"):
        page.write_text(text)
        write_card(checkpoint)
        assert page.read_text() == text


@pytest.mark.parametrize("content", [None, "", "[]", "{}", '{"recipe": {"name": "a"}}', '{"recipe": 3}'])
def test_what_is_no_record_is_refused(checkpoint, content):
    file = checkpoint / "training.json"
    file.unlink()
    if content is not None:
        file.write_text(content)
    with pytest.raises(WallOSSError, match="training.json"):
        card(checkpoint)


def runs(path, checkpoint, success, first=0, steering=False):
    about = {
        "what": "every task in the same scene" if steering else "one task a scene", "robot": "franka", "seed": 3,
        "checkpoint": model_card.checkpoint_identity(checkpoint), "forms": None, "unseen_words": False, "varied": [],
        "unlisted": True, "reasoning": "subtask",
    }  # fmt: skip
    results = Results(path, about)
    for number, right in enumerate(success, first):
        goals = (CubeGoal("place", "red", "left"),)
        case = evaluate.Case(number, None, goals, "put the red cube in the left tray")
        ended = Episode(case.instruction, list(goals), right, plan_right=True, judgements=4, judgements_right=3,
                        status="succeeded", seconds=8.0, chunks=5, greatest_force=20.0 + number)  # fmt: skip
        results.add(evaluate.result(case, ended))
    return str(path)


def test_results_are_of_runs_of_these_weights(checkpoint, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(
        published, "head", lambda what, command, **more: HEAD | {"what": what, "command": command, **more}
    )
    parts = [runs(tmp_path / f"{first}.jsonl", checkpoint, success, first) for first, success in
             ((5, [True, True]), (7, [True, False]))]  # fmt: skip
    file = tmp_path / "mine.json"
    arguments = ["model_card.py", str(checkpoint), "--results", str(file)]
    monkeypatch.setattr(sys, "argv", [*arguments, "--series", "Franka", *parts])
    assert model_card.main() == 0
    text = (checkpoint / "README.md").read_text()
    assert "|  | Franka |" in text and "| success | 75 % (3 of 4; 30 to 95 %) |" in text
    assert "| judgements of progress right | 75 % (12 of 16; " in text and "maximum | 28.0 N |" in text
    assert "`wall-oss eval --robot franka --seed 3 --first 5 --episodes 4 --unlisted`, commit 0123abc" in text
    content = published.read(file)
    assert content["n"] == 4 and content["series"]["Franka"]["success"]["hits"] == 3
    monkeypatch.setattr(sys, "argv", arguments)
    assert model_card.main() == 0 and (checkpoint / "README.md").read_text() == text
    (checkpoint / "README.md").write_text("mine alone\n")
    assert model_card.main() == 2 and "no place for a card" in capsys.readouterr().err
    steered = runs(tmp_path / "steered.jsonl", checkpoint, [True], steering=True)
    assert model_card.content(checkpoint, [["all", steered]])["command"].endswith(
        "--episodes 0 --steering 1 --unlisted"
    )
    copy = tmp_path / "renamed"
    shutil.copytree(checkpoint, copy)
    assert "75 %" in model_card.results(content, file, copy), "the weights count, not the name"
    (checkpoint / "model.safetensors").write_bytes(bytes(2_100_001))
    with pytest.raises(WallOSSError, match="has no runs of mine@"):
        model_card.results(content, file, checkpoint)
    for given, why in ((parts, "was run with mine@"), ([], "is not of wall-oss eval"), ([str(file)], "has no results")):
        with pytest.raises(WallOSSError, match=why):
            model_card.content(checkpoint, [["Franka", *given]])
