# SPDX-License-Identifier: Apache-2.0
"""Ablations (benchmarks/ablate.py): what each changes, that budgets are equal, what is called as expected."""

import argparse
import json
import sys
from pathlib import Path

import pytest
import yaml
from training_support import small_recipe

pytest.importorskip("mujoco")

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.sim.goals import INSTRUCTED
from wall_oss_ros.sim.shares import share
from wall_oss_ros.training.recipe import Recipe, load_recipe

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))
import ablate
from ablations import runs, tables
from ablations.ablation import BASE, Change, Expected, derived, read_ablations

CURRICULUM, TINY = load_recipe("curriculum"), load_recipe("tiny")
ABLATIONS = read_ablations(ablate.FILE)
RECORDED = Recipe.model_validate(
    {
        "name": "recorded", "seed": 1, "vocab_size": 400, "model": CURRICULUM.model,
        "datasets": [{"source": "a/b", "mapping": "mine", "robot": "franka"}],
        "stages": [stage.model_dump() | {"dagger_episodes": 0, "dagger_share": 0} for stage in CURRICULUM.stages],
    }
)  # fmt: skip


def changed(name, base=CURRICULUM, steps=None):
    return derived(base, ABLATIONS[name].change, steps)


def total(recipe):
    return sum(stage.steps for stage in recipe.stages)


@pytest.mark.parametrize("steps", [None, 100, 12, 40_000])
@pytest.mark.parametrize("name", [BASE, *ABLATIONS])
def test_budgets_are_equal_and_stages_keep_their_shares(name, steps):
    recipe = derived(CURRICULUM, Change() if name == BASE else ABLATIONS[name].change, steps)
    assert total(recipe) == (steps or total(CURRICULUM))
    assert all(stage.steps >= 1 and stage.warmup + 0 <= stage.steps >= stage.decay for stage in recipe.stages)
    if name == BASE and steps is None:
        assert recipe == CURRICULUM
    assert recipe.data == CURRICULUM.data and recipe.seed == CURRICULUM.seed


def test_a_short_budget_shortens_all_that_takes_time():
    half = derived(CURRICULUM, Change(), total(CURRICULUM) // 2)
    assert half.vision.steps == CURRICULUM.vision.steps // 2
    assert [one.dagger_episodes for one in half.stages] == [one.dagger_episodes // 2 for one in CURRICULUM.stages]
    assert [one.decay for one in half.stages][-1] == CURRICULUM.stages[-1].decay // 2
    with pytest.raises(WallOSSError, match="too few for 10 stages"):
        derived(CURRICULUM, Change(), 5)


def test_each_ablation_changes_what_its_name_says_and_nothing_else():
    acting = [number for number, stage in enumerate(CURRICULUM.stages) if stage.acting_branches]
    without = changed("without thought")
    assert not without.model["thinks"] and not any((stage.paths or {}).get("thought") for stage in without.stages)
    assert not any("thought" in kind for stage in without.stages for kind in stage.kinds or {})
    assert without.stages[1].kinds is not None, "where a stage asks all kinds, those that are left are named"
    assert {*changed("without path-drop").stages[acting[1]].paths} == {"subtask"}
    assert {*changed("flat instruction").stages[-1].paths} == {"instruction"}
    unreached = changed("without goals in progress")
    assert not any("progress" in kind for stage in unreached.stages for kind in stage.kinds or {})
    late = changed("without Inspiration")
    assert [stage.name for stage in late.stages] == [f"integration {number}" for number in range(1, 9)]
    quiet = changed("without VQA in Integration")
    assert quiet.stages[:2] == CURRICULUM.stages[:2] and {*quiet.stages[-1].kinds} <= {*INSTRUCTED}
    assert changed("one robot").robots == CURRICULUM.robots[:1]
    assert changed("without vision pre-training").vision is None
    assert [stage.acting_branches for stage in changed("one branch a frame").stages] == [0, 0, 1, 1, 1, 1, 1, 1, 1, 1]
    alone = changed("without DAgger")
    assert not any(stage.dagger_episodes or stage.dagger_share for stage in alone.stages)
    for name, keys in (
        ("without DAgger", {"dagger_episodes", "dagger_share"}), ("one branch a frame", {"acting_branches"}),
        ("flat instruction", {"paths"}), ("without thought", {"paths", "kinds"}),
    ):  # fmt: skip
        for old, new in zip(CURRICULUM.stages, changed(name).stages):
            assert {key for key, value in old.model_dump().items() if new.model_dump()[key] != value} <= keys, name


@pytest.mark.parametrize("base", [CURRICULUM, RECORDED], ids=lambda base: base.name)
def test_fast_says_motion_in_tokens(base):
    recipe = changed("FAST", base)
    expected = [stage.acting_branches or stage.fast_branches for stage in base.stages]  # a base may have some already
    assert [stage.fast_branches for stage in recipe.stages] == expected
    assert not any(stage.acting_branches or stage.trains == "action_expert" for stage in recipe.stages)


@pytest.mark.parametrize(
    ("name", "base", "why"),
    [
        ("one robot", RECORDED, "trains 1 robot"),
        ("without thought", TINY, "not trained to think"), ("without path-drop", TINY, "changes nothing"),
        ("without Inspiration", small_recipe(), "no stage of language alone"),
        ("without vision pre-training", RECORDED, "changes nothing"), ("without DAgger", RECORDED, "changes nothing"),
        ("without VQA in Integration", RECORDED.model_copy(update={"stages": [
            stage.model_copy(update={"kinds": None}) for stage in RECORDED.stages]}), "on recordings"),
    ],
)  # fmt: skip
def test_what_does_not_apply_says_why(name, base, why):
    if name == "without path-drop":  # a recipe that gives the subtask in any case
        stages = [stage.model_copy(update={"paths": {"subtask": 1.0}}) for stage in base.stages]
        base = base.model_copy(update={"stages": stages})
    first, one = runs.variants(base, {name: ABLATIONS[name]}, None)
    assert first.name == BASE and first.recipe is not None and one.recipe is None and why in one.why_not


def test_the_base_is_evaluated_in_each_way_that_it_is_compared_in():
    made = {one.name: one for one in runs.variants(CURRICULUM, ABLATIONS, 100)}
    assert {*made[BASE].reasonings} == {"full", "subtask", "none"} and all(one.recipe for one in made.values())
    assert made["flat instruction"].reasonings == ("none",) and made["without thought"].reasonings == ("subtask",)


@pytest.mark.parametrize(
    ("base", "variant", "way", "said"),
    [
        ((90, 100), (50, 100), "lower", "yes"), ((50, 100), (90, 100), "lower", "no"),
        ((90, 100), (85, 100), "lower", "undecided"), ((90, 100), (50, 100), "higher", "no"),
        ((50, 100), (90, 100), "higher", "yes"), ((0, 0), (0, 0), "lower", "undecided"),
    ],
)  # fmt: skip
def test_only_intervals_that_do_not_overlap_decide(base, variant, way, said):
    expected = Expected.model_validate({"measure": "success", "is": way})
    assert tables.verdict(share(*base), share(*variant), expected).startswith(said)


def outcome(success, subtasks=2, reasoning="subtask"):
    return {
        "success": success, "subtasks": subtasks, "plan_right": None if reasoning == "none" else success,
        "judgements": 2, "judgements_right": 2 * success,
    }  # fmt: skip


def found(success, reasoning="subtask"):
    answer = {"answers": [{"right": {"box": success, "where": not success}}]}
    return {reasoning: [outcome(success, subtasks, reasoning) for subtasks in (2, 4)] * 10, "vqa": [answer] * 20}


def test_measures_are_of_runs_and_of_answers():
    told = tables.measures(found(True)["subtask"] + found(False)["subtask"], found(True)["vqa"])
    counts = {name: (one["hits"], one["of"]) for name, one in told.items()}
    assert counts == {
        "success": (20, 40), "long": (10, 20), "plans": (20, 40), "judgements": (40, 80), "grounding": (20, 20),
    }  # fmt: skip
    assert tables.measures(found(True, "none")["none"], [])["plans"]["of"] == 0


def arguments(tmp_path, **changes):
    values = {
        "recipe": "curriculum", "ablations": ablate.FILE, "only": ["without DAgger", "without Inspiration"],
        "steps": 100, "minutes": None, "episodes": 20, "frames": 20, "robot": None, "seed": 0, "workers": 1,
        "output": tmp_path, "data": None, "report": False, "json": None, "write": None,
    }  # fmt: skip
    return argparse.Namespace(**values | changes)


HEAD = {
    "command": "python benchmarks/ablate.py", "commit": "0123abc", "date": "2026-11-30",
    "machine": {"processor": "a", "cores": 2, "python": "3.11.7"},
}  # fmt: skip


def test_a_report_stands_after_each_variant_and_says_what_is_missing(tmp_path, monkeypatch, capsys):
    trained = []

    def train(variant, folder, data, budget):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "trained").write_text("")
        trained.append((variant.name, budget.steps))
        if variant.name == "without Inspiration" and len(trained) == 2:
            raise KeyboardInterrupt
        return {"steps": 100, "minutes": 1.0, "parameters": 5, "frames": 7}

    monkeypatch.setattr(ablate, "train", train)
    monkeypatch.setattr(ablate, "run", lambda variant, folder, budget, more: found(variant.name == BASE))
    monkeypatch.setattr(ablate, "checkpoint_identity", lambda folder: "checkpoint@1")
    monkeypatch.setattr(ablate.published, "head", lambda what, command, **more: HEAD | {"what": what, **more})
    with pytest.raises(KeyboardInterrupt):
        ablate.ablate(arguments(tmp_path))
    content = json.loads((tmp_path / "ablations.json").read_text())
    assert content["checkpoints"] == ["base: checkpoint@1"] and content["ablations"] == {}
    (tmp_path / "without_Inspiration" / "trained").unlink()
    ablate.ablate(arguments(tmp_path, report=True))
    assert "| without Inspiration | - | - | - | - | - | has not run yet |" in capsys.readouterr().out
    page = tmp_path / "page.md"
    page.write_text(f"{ablate.published.BEGIN}\n{ablate.published.END}\n")
    assert ablate.ablate(arguments(tmp_path, write=page)) == 0
    content, text = ablate.published.read(tmp_path / "ablations.json"), page.read_text()
    assert content["ablations"]["without Inspiration"]["expected"][0]["as_expected"] == "yes"
    assert content["does_not_apply"] == {} and {*content["trained"]} == {BASE, "without DAgger", "without Inspiration"}
    shares = "100 % (20 of 20; 84 to 100 %) | 0 % (0 of 20; 0 to 16 %)"
    assert f"| without Inspiration | grounding lower | {shares} | yes |" in text
    assert "| without DAgger | success lower |" in text and "| - | yes | - |" in text


def test_what_does_not_apply_is_listed():
    assert "| a | - | - | - | - | - | does not apply: It is not so. |" in tables.table({}, {"a": "It is not so."})


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"only": ["without sense"]}, "no ablation 'without sense'"), ({"steps": 0}, "budget is nothing"),
        ({"steps": None, "minutes": 0.0}, "budget is nothing"), ({"report": True}, "not trained yet"),
        ({"recipe": "nothing"}, "no recipe"),
    ],
)  # fmt: skip
def test_bad_requests_are_refused(tmp_path, changes, why):
    with pytest.raises(WallOSSError, match=why):
        ablate.ablate(arguments(tmp_path, **changes))


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ({}, "not valid"),
        ({"base": {"change": {}, "expected": [{"measure": "success", "is": "lower"}]}}, "calls an ablation"),
        ({"a": {"change": {"stage": {}}, "expected": [{"measure": "success", "is": "lower"}]}}, "a.change.stage"),
        ({"a": {"change": {}, "expected": []}}, "a.expected"),
        ({"a": {"change": {}, "expected": [{"measure": "luck", "is": "lower"}]}}, "measure"),
        ({"a": {"change": {}, "expected": [{"measure": "success", "is": "lower"}] * 2}}, "two things"),
        ({"a": {"change": {"robots": 0}, "expected": [{"measure": "success", "is": "lower"}]}}, "robots"),
    ],
)  # fmt: skip
def test_files_that_say_nonsense_are_refused(tmp_path, content, why):
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(WallOSSError, match=why):
        read_ablations(tmp_path / "mine.yaml")


def test_a_folder_of_another_budget_is_not_gone_on_with(tmp_path):
    variant = runs.variants(CURRICULUM, {}, 100)[0]
    (tmp_path / "recipe.yaml").write_text("name: another\n")
    budget = runs.Budget(100, None, 1, 1, "franka")
    with pytest.raises(WallOSSError, match="another recipe or budget"):
        runs.train(variant, tmp_path, tmp_path, budget)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_handful_of_steps_go_all_the_way(tmp_path, monkeypatch, capsys):
    base = small_recipe().model_dump()
    base["stages"].insert(0, base["stages"][0] | {"name": "see", "trains": "language", "acting_branches": 0})
    recipe = tmp_path / "small.yaml"
    recipe.write_text(yaml.safe_dump(json.loads(Recipe.model_validate(base).model_dump_json())))
    monkeypatch.setattr(ablate.published, "head", lambda what, command, **more: HEAD | {"what": what, **more})
    args = arguments(
        tmp_path / "out", recipe=str(recipe), only=["without Inspiration"], steps=3, episodes=1, frames=1
    )  # fmt: skip
    assert ablate.ablate(args) == 0
    content = ablate.published.read(tmp_path / "out" / "ablations.json")
    assert {name: one["steps"] for name, one in content["trained"].items()} == {BASE: 3, "without Inspiration": 3}
    one = content["ablations"]["without Inspiration"]
    assert one["variant"]["success"]["of"] == 1 and one["base"]["grounding"]["of"] >= 3
    log = tmp_path / "out" / "base" / "training.log"
    before = log.read_text()
    assert ablate.ablate(args) == 0 and log.read_text() == before, "nothing is done twice"
