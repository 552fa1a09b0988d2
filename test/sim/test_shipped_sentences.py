# SPDX-License-Identifier: Apache-2.0
"""The models that ship understand every sentence that their config.json lists, on scenes that training never saw."""

import re

import numpy as np
import pytest

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.model.checkpoint import read_config
from wall_oss_ros.policy import Policy
from wall_oss_ros.policy.checkpoints import model_directory
from wall_oss_ros.sim.closed_loop import ClosedLoop
from wall_oss_ros.sim.evaluate import SEED_SPACE
from wall_oss_ros.sim.goals import COLOURS, absent, index_of
from wall_oss_ros.sim.registry import task_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
NEAR = 14  # pixels of 112: half a cube beside its middle, and what a hand hides


def choices(template: str) -> list[str]:
    """The template with each of its choices made; slots stay."""
    match = re.search(r"\{([^{}]*\|[^{}]*)\}", template)
    if match is None:
        return [template]
    ends = template[: match.start()], template[match.end() :]
    return [one for word in match[1].split("|") for one in choices(word.join(ends))]


def filled(template: str, rng: np.random.Generator, colours) -> str:
    first, second = rng.permutation(list(colours))[:2]
    said = template.replace("{colour 2}", second).replace("{colour}", first)
    return re.sub(r"\{tray\}", lambda _: str(rng.choice(["left", "right"])), said)


@pytest.fixture(scope="module", params=["franka", "dual_arm"])
def loop(request):
    task = task_of(request.param)
    try:
        folder = model_directory(None, task.profile)
    except WallOSSError:
        pytest.skip("there is no trained checkpoint in models/")
    policy = Policy.from_pretrained(folder, threads=1, profile=task.profile)
    assert read_config(folder).extra["known_sentences"] == task.language.sentences()
    return ClosedLoop(policy, task.environment(np.random.default_rng(0)))


def look(loop: ClosedLoop, number: int):
    """Observation and truth of an unseen scene."""
    scene = loop.task.scene([SEED_SPACE + 91, number])
    loop.environment.simulator.reset(scene)
    return scene, loop._observe(), loop.environment.frame()[1]


@pytest.mark.parametrize("number", [100, 101])
def test_instructions_that_are_listed_become_the_right_plans(loop, number):
    scene, obs, frame = look(loop, number)
    rng, language = np.random.default_rng(number), loop.task.language
    for template in (one for listed in language.instructions for one in choices(listed)):
        said, fault = loop.policy.understood(filled(template, rng, scene.colours), "instructions")
        goals = language.parse(said)
        assert (fault, loop.policy.plan(obs, said)) == ("", language.plan_text(frame, goals)), said
        assert loop.policy.reason(obs, said) == language.active_subtask(frame, goals), said


@pytest.mark.parametrize("number", [100, 101])
def test_questions_that_are_listed_get_right_answers(loop, number):
    scene, obs, frame = look(loop, number)
    language = loop.task.language
    here, gone = scene.colours[0], next(colour for colour in COLOURS if colour not in scene.colours)
    for template in (one for listed in language.questions for one in choices(listed)):
        for colour in (here, gone) if template.startswith("Where") else (here,):
            asked = template.replace("{colour}", colour).replace("{tray}", "left").lower().rstrip("?.")
            question, fault = loop.policy.understood(asked, "questions")
            assert fault == "" and question[0].isupper()
            answer = loop.policy.ask(obs, question)
            if question.startswith("Where"):
                right = (
                    absent(gone, language.thing) if colour == gone else language.place_of(frame, index_of(frame, here))
                )
                assert answer == right, question
            elif question.startswith("What"):
                assert answer == "nothing", question
            else:
                column, row = map(int, re.fullmatch(r"<point>\[(\d+), (\d+)\]</point>", answer).groups())
                assert np.hypot(*(np.array([column, row]) - _pixel(loop, frame, question, here))) < NEAR, question


def _pixel(loop: ClosedLoop, frame: np.void, question: str, colour: str) -> np.ndarray:
    if "left tray" in question:
        return frame["tray_pixels"][0]
    if loop.task.language.thing == "cube":
        return frame["cube_pixels"][index_of(frame, colour)]
    return frame["tray_pixels"][0][index_of(frame, colour)]


@pytest.mark.parametrize(
    "asked",
    ["How many cubes are there?", "Is the weather nice?", "Which cubes are there?", "is it done", "Point to the moon."],
)
def test_what_it_would_answer_wrongly_it_refuses(loop, asked):
    assert loop.policy.understood(asked, "questions")[1]
