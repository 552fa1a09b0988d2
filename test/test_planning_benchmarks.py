# SPDX-License-Identifier: Apache-2.0
"""The benchmarks of failures and planning: what they run, that they go on where they were, and what they count."""

import argparse
import math
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("mujoco")

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.policy.known_sentences import KnownSentences
from wall_oss_ros.sim.cubes.instructions import FORMS
from wall_oss_ros.sim.cubes.language import FRAME, LANGUAGE
from wall_oss_ros.sim.results import Results, read_together

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))
from planning_runs import command, figures
from planning_runs.cases import MODES, UPSETS, instruction, jobs, phrasings

COLOURS = ("red", "green", "blue")
PICK, PLACE = "pick up the red cube", "place it in the left tray"


def test_instructions_are_understood_and_ask_for_what_is_said():
    known, seen = KnownSentences(LANGUAGE.sentences()), set()
    for number in range(200):
        said = instruction(0, number, COLOURS)
        assert known.understood(said.text, "instructions")[1] == ""
        assert LANGUAGE.parse(said.text) == list(said.goals)
        seen.add((said.trained, len(said.goals)))
        assert said == instruction(0, number, COLOURS)
    assert seen == {(False, 1), (True, 1), (False, 2), (True, 2)}


def test_phrasings_that_training_did_not_show_are_none_that_it_did():
    """What training shows is what the language makes of a frame."""
    rng, frame = np.random.default_rng(0), np.zeros((), FRAME)
    frame["colours"], frame["cubes"] = (0, 1, 2), [(0.5, y, 0.02) for y in (0.1, 0.03, -0.1)]
    shown = {LANGUAGE.instruction(rng, frame[()])[0] for _ in range(3000)}
    for number in range(300):
        said = instruction(3, number, COLOURS)
        assert said.trained or said.text not in shown
    assert len(phrasings(pair=False, trained=False)) >= 8 and len(phrasings(pair=True, trained=False)) >= 8
    assert set(phrasings(pair=False, trained=True)) == set(FORMS["place"].phrases)


def test_all_modes_and_upsets_share_scenes():
    todo = list(jobs(MODES, UPSETS, range(3)))
    assert len({job.key for job in todo}) == len(todo) == 3 * 5 * 5
    assert [job.number for job in todo] == sorted(job.number for job in todo)


def test_results_outlast_an_interruption(tmp_path):
    path, about = tmp_path / "deep" / "runs.jsonl", {"seed": 1, "watches": ("grip",)}
    results = Results(path, about)
    results.add({"key": "a", "success": True})
    with path.open("a") as file:
        file.write('{"key": "b", "succ')  # it was killed while it wrote
    results = Results(path, about)
    assert list(results.found) == ["a"]
    results.add({"key": "c", "success": False})
    assert list(Results(path, about).found) == ["a", "c"]


def test_several_processes_add_to_one_file_and_files_are_read_together(tmp_path):
    path, about = tmp_path / "runs.jsonl", {"seed": 1}
    ones = [Results(path, about) for _ in range(3)]  # each as a process of its own has it
    for number in range(30):
        ones[number % 3].add({"key": str(number), "long": "x" * 5000})
    other = Results(tmp_path / "more.jsonl", about)
    other.add({"key": "0", "long": "y"})
    other.add({"key": "z"})
    known, found = read_together([path, tmp_path / "more.jsonl"])
    assert known == about and len(found) == 31 and found["0"]["long"] == "y"
    assert [file.name for file in sorted(tmp_path.iterdir())] == ["more.jsonl", "runs.jsonl"], "nothing is left behind"
    Results(tmp_path / "alien.jsonl", {"seed": 2})
    for paths, why in (
        ([tmp_path / "alien.jsonl", path], "does not belong to"), ([path, tmp_path / "none"], "There is no file"),
        ([tmp_path], "There is no file"),
    ):  # fmt: skip
        with pytest.raises(WallOSSError, match=why):
            read_together(paths)
    with pytest.raises(WallOSSError, match="is no file"):
        Results(tmp_path, about)


@pytest.mark.parametrize("content", ["", "nonsense\n", '{"about": {"seed": 2}}\n', '[1]\n{"key": "a"}\n'])
def test_results_of_another_series_are_not_mixed(tmp_path, content):
    path = tmp_path / "runs.jsonl"
    path.write_text(content)
    with pytest.raises(WallOSSError, match="another model, seed or settings"):
        Results(path, {"seed": 1})


def result(events, upset="lost", success=True, mode="reasoning", **more):
    values = {"trained": True, "plan_right": True, "goals": [{}], "number": 0, "seconds": 10.0, "cpu_seconds": {}}
    return {"mode": mode, "upset": upset, "plan": [PICK, PLACE], "success": success, "events": events, **values, **more}


def began(*more):
    return [[0.0, "plan", PICK], [0.0, "truth", PICK], [3.0, "plan", PLACE], [4.0, "upset", "it falls"], *more]


def test_a_plan_that_goes_back_has_noticed():
    one = figures.Run.of(result(began([5.5, "plan", PICK], [8.0, "plan", PLACE], [10.0, "plan", "succeeded: done"])))
    assert (one.upset, one.reacted, one.needed, one.success) == (4.0, 5.5, True, True)
    assert one.detected("model") == 1.5 and one.detected("monitor") is None and one.detected("either") == 1.5


def test_a_plan_that_goes_on_has_not():
    one = figures.Run.of(result(began([10.0, "plan", "succeeded: done"])))
    assert one.reacted is None and not one.needed


def test_a_plan_that_is_given_up_has():
    one = figures.Run.of(result(began([9.0, "plan", "failed: no such cube"]), success=False))
    assert one.reacted == 9.0 and one.judged is None and one.needed


def test_alarms_count_for_what_they_are():
    """Before the upset, and where acting was enough, they are false; where it was not, they are right."""
    alarms = [[2.0, "monitor", "grip: closed"], [6.0, "monitor", "progress: nothing"], [7.0, "monitor", "progress: x"]]
    lost = figures.Run.of(result(began(*alarms), success=False))
    assert lost.false_alarms == ["grip"] and lost.detected("monitor") == 2.0 and lost.detected("model") is None
    fine = figures.Run.of(result(began(*alarms)))
    assert fine.false_alarms == ["grip", "progress", "progress"] and not fine.needed
    calm = figures.Run.of(result([[0.0, "plan", PICK], *alarms], upset="nothing"))
    assert len(calm.false_alarms) == 3 and not calm.needed
    came_to_nothing = figures.Run.of(result([[0.0, "plan", PICK], *alarms], upset="nothing", success=False))
    assert came_to_nothing.false_alarms == [] and came_to_nothing.needed
    assert math.isnan(came_to_nothing.detected("monitor")) and came_to_nothing.detected("model") is None
    rows = {row.split(" | ")[0]: row for row in figures.alarms([lost]).splitlines()}
    assert "1 of 1, 100 %" in rows["| progress"] and "0 of 1, 0 %" in rows["| grip"]


def test_a_run_that_took_much_longer_needed_more():
    for end, needed in ((14.0, False), (17.0, True)):
        done = [[end, "truth", "done"], [end + 0.5, "plan", "succeeded: done"]]
        assert figures.Run.of(result(began(*done))).needed == needed


def test_completion_is_right_when_the_truth_says_so_too():
    done = [[9.0, "truth", "done"], [9.5, "plan", "succeeded: done"]]
    right = figures.Run.of(result(began(*done)))
    wrong = figures.Run.of(result(began([9.5, "plan", "succeeded: done"]), success=False))
    late = figures.Run.of(result(began([9.0, "truth", "done"])))
    undone = figures.Run.of(result(began([5.0, "truth", "done"], [6.0, "truth", PLACE]), success=False))
    assert (right.reached, right.judged, wrong.reached, late.judged, undone.reached) == (9.0, 9.5, None, None, None)
    line = figures.completion([right, wrong, late, undone]).splitlines()[-1]
    assert line.split(" | ")[1].startswith("1 of 2") and line.split(" | ")[2].startswith("1 of 2") and "0.5 s" in line


def test_what_was_not_let_in_is_left_out():
    missed = result([[0.0, "plan", PICK]], success=False)
    table = figures.detection([figures.Run.of(one) for one in (missed, result(began(), success=False))])
    assert "| lost | 1 of 2 | 0 | 1 | 0 of 1" in table and "| all upsets | 1 of 2 | 0 | 1 |" in table
    assert "0 of 1" in figures.outcomes([figures.Run.of(missed), figures.Run.of(result(began(), success=False))])


def test_tables_and_plots_are_made_of_few_runs_and_of_none(tmp_path):
    pytest.importorskip("matplotlib")
    from planning_runs.plots import draw

    for found in ([], [result(began()), result(began(), success=False), result([], upset="nothing", mode="clock")]):
        runs = [figures.Run.of(one) for one in found]
        for table in (figures.detection, figures.alarms, figures.completion, figures.outcomes, figures.planning,
                      figures.replanning, figures.watching):  # fmt: skip
            assert table(runs)
        draw(runs, tmp_path / "plot.png")
        assert (tmp_path / "plot.png").stat().st_size > 1000


def test_tables_are_written_where_a_page_has_a_place_for_them(tmp_path):
    page, runs = tmp_path / "page.md", [figures.Run.of({**result(began()), "checkpoint": "tiny@1"})]
    args = argparse.Namespace(seed=0, write=page)
    page.write_text(f"# Page\n{command.BEGIN}\nold\n{command.END}\nrest\n")
    for _ in range(2):
        command.tell(args, runs, 250, ["| a |"])
        begin, end = f"# Page\n{command.BEGIN}\n1 of 250 runs, model tiny@1, seed 0.", f"| a |\n{command.END}\nrest\n"
        assert page.read_text().startswith(begin) and page.read_text().endswith(end) and "old" not in page.read_text()
    for text in ("# Page\n", f"{command.END}{command.BEGIN}", f"{command.BEGIN}{command.BEGIN}{command.END}"):
        page.write_text(text)
        with pytest.raises(WallOSSError, match="has no place for tables"):
            command.tell(args, runs, 250, ["| a |"])
        assert page.read_text() == text


def test_a_robot_without_cubes_is_refused(tmp_path):
    args = argparse.Namespace(robot="dual_arm", model=None, scenes=1, output=tmp_path, report=True)
    with pytest.raises(WallOSSError, match="has no cubes"):
        command.gather(args, MODES, UPSETS)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("page", ["watching", "planning"])
def test_the_pages_have_a_place_for_the_tables(page):
    text = (Path(__file__).resolve().parents[1] / "docs" / f"{page}.md").read_text()
    assert text.count(command.BEGIN) == text.count(command.END) == 1


def test_modes_are_compared_on_what_all_have_run():
    """An unfinished series has more of some."""
    runs = [figures.Run.of(result(began(), mode=mode, number=number)) for mode, number in (("clock", 0), ("truth", 0))]
    more = figures.Run.of(result(began(), success=False, mode="clock", number=1))
    assert figures.shared([*runs, more]) == runs and figures.outcomes([*runs, more]).count("1 of 1") == 2
