# SPDX-License-Identifier: Apache-2.0
"""Subtask accuracy on held-out episodes: what is asked, what counts, and what is said where nothing is annotated."""

import json
from argparse import ArgumentParser

import numpy as np
import pytest
import torch
from recipe_support import OTHER, TASKS, lay_out, recipe

from wall_oss_ros.commands import train as command
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.policy import Observation, Policy, prompts
from wall_oss_ros.policy.processor import WallOSSProcessor
from wall_oss_ros.training.open_loop import open_loop
from wall_oss_ros.training.pipeline import prepare, train
from wall_oss_ros.training.sources import open_sources
from wall_oss_ros.training.subtasks import SubtaskQuestions, in_words
from wall_oss_ros.uni_cot.texts import readable


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setitem(TASKS, 0, "Pick up the cup.")
    monkeypatch.setitem(TASKS, 1, "Wipe  the table!")
    return lay_out(tmp_path, monkeypatch)


def prepared(folder, **changes):
    made = recipe(folder, **changes)
    mixture = open_sources(made, 56)
    return mixture, prepare(made, mixture, folder / "run")


class Answers:
    """Answers as they are wanted, in place of the network; notes what is asked."""

    def __init__(self, monkeypatch, model, tokenizer, *answers):
        self.tokenizer, self.asked, left = tokenizer, [], list(answers)
        end, pad = model.config.eos_token_id, model.config.pad_token_id

        def generate(batch, limit):
            rows = []
            for ids, mask in zip(batch["input_ids"], batch["attention_mask"]):
                text = tokenizer.decode(ids[mask.bool()].tolist(), skip_special_tokens=False)
                self.asked.append(text)
                rows.append([*tokenizer.encode(left.pop(0) if left else "nothing").ids, end])
            longest = max(map(len, rows))
            return torch.tensor([row + [pad] * (longest - len(row)) for row in rows])

        monkeypatch.setattr(model, "generate", generate)


def test_each_frame_is_asked_as_the_planner_asks_and_counted(folder, monkeypatch):
    mixture, (model, tokenizer, trainer) = prepared(folder)
    data = mixture.sources[0].data
    questions = SubtaskQuestions(trainer.batches.of[0], data.validation, 4)
    samples = data.samples(data.validation[0])
    assert questions.frames[0] == samples[0] and questions.frames[-1] == samples[-1] and len(questions.frames) == 4
    assert questions.begins == [samples[0]]
    plan = "reach the cup\n lift it "
    answers = Answers(monkeypatch, model, tokenizer, "reach the cup", "lift it", "lift it now", "lift it", plan)
    shares = questions.ask(model)
    said = data.words(data.validation[0]).subtasks
    rows = [data.place(index)[1] for index in questions.frames]
    assert [said[row] for row in rows] == ["reach the cup", "reach the cup", "lift it", "lift it"]
    assert shares["subtask"] == (2, 4), "the second is another subtask, the third has a word too many"
    assert shares["plan"] == (1, 1) and in_words(shares) == "subtasks 2/4, plans 1/1"
    assert shares["subtask"].report() == {"right": 2, "asked": 4, "share": 0.5}
    instruction = "pick up the cup" if data.validation[0] % 2 == 0 else "wipe the table"
    for text in answers.asked[:4]:
        assert f"\nInstruction: {instruction}\nPredict the next action in language.\n" in text
    assert f"\nInstruction: {instruction}\nList the subtasks in language.\n" in answers.asked[4]


def test_training_asks_in_the_planners_form(folder):
    mixture, _ = prepared(folder)
    data = mixture.sources[0].data
    asked = {data.language(np.random.default_rng(0), index, {"reason": 1.0}).prompt for index in range(len(data))}
    assert asked == {prompts.reason_suffix("pick up the cup"), prompts.reason_suffix("wipe the table")}


def test_the_answers_are_those_that_the_policy_gives(folder):
    mixture, (model, tokenizer, trainer) = prepared(folder)
    data, questions = (
        mixture.sources[0].data,
        SubtaskQuestions(trainer.batches.of[0], mixture.sources[0].data.validation, 3),
    )
    model.eval()
    found = questions._answers(model, questions.frames, lambda text: f"\nInstruction: {text}\n", 12)
    policy = Policy(model, WallOSSProcessor(model.config, tokenizer), "one")
    for index, (answer, (episode, row)) in zip(questions.frames, found):
        (felt,), (known,) = data.states(np.array([index]))
        obs = Observation(0.0, dict(zip(data.views, data.images(np.array([index]))[0])), felt, known)
        text = "pick up the cup" if episode % 2 == 0 else "wipe the table"
        said = readable(policy._speak(obs, f"\nInstruction: {text}\n", 12))
        assert answer == said and data.place(index) == (episode, row)


def test_logs_and_the_open_loop_report_have_the_shares_and_say_where_nothing_is_annotated(folder, monkeypatch):
    mixture, (model, tokenizer, trainer) = prepared(folder, subtask_frames=3, open_loop_episodes=1)
    Answers(monkeypatch, model, tokenizer, "reach the cup", "lift it", "lift it", "reach the cup\nlift it")
    with trainer._log:
        said = trainer.validate(trainer.recipe.stages[0])
    assert said.endswith("; talking: subtasks 2/3, plans 1/1; silent: no subtask is annotated in what is held out") or (
        "; talking: subtasks 3/3, plans 1/1; silent: no subtask" in said
    )
    line = json.loads((folder / "run" / "log.jsonl").read_text().splitlines()[-1])["subtasks"]
    assert line["talking"]["subtask"]["asked"] == 3 and line["talking"]["plan"] == {
        "right": 1,
        "asked": 1,
        "share": 1.0,
    }
    assert line["silent"] == {key: {"right": 0, "asked": 0, "share": None} for key in ("subtask", "plan")}
    lines = open_loop(model, tokenizer, mixture, 1, folder / "open_loop")
    rows = len(mixture.sources[0].data.samples(mixture.sources[0].data.validation[0]))
    assert f"open loop, talking: subtasks 0/{rows}, plans 0/1" in lines
    assert "open loop, silent: no subtask is annotated in what is held out" in lines
    report = json.loads((folder / "open_loop" / "open_loop.json").read_text())
    assert report["talking"]["subtasks"]["subtask"] == {"right": 0, "asked": rows, "share": 0.0}
    assert report["silent"]["subtasks"]["plan"]["share"] is None


def test_a_finished_run_is_compared_again_without_training(folder, capsys):
    made = recipe(folder, {"steps": 1}, open_loop_episodes=1, subtask_frames=0)
    train(made, folder / "out", open_sources(made, 56))
    first = (folder / "out" / "open_loop" / "open_loop.json").read_text()
    weights = (folder / "out" / "model.safetensors").read_bytes()
    (folder / "out" / "open_loop" / "open_loop.json").unlink()
    parser = ArgumentParser()
    command.add_arguments(parser)
    how = ["--recipe", str(folder / "recipe.yaml"), "--output", str(folder / "out"), "--open-loop"]
    assert command.main(parser.parse_args(how)) == 0
    assert "open loop, talking: subtasks " in capsys.readouterr().out
    again, before = json.loads((folder / "out" / "open_loop" / "open_loop.json").read_text()), json.loads(first)
    assert again["talking"]["subtasks"] == before["talking"]["subtasks"]
    assert again["talking"]["mean_absolute_error"] == pytest.approx(before["talking"]["mean_absolute_error"], rel=1e-3)
    assert (folder / "out" / "model.safetensors").read_bytes() == weights
    with pytest.raises(WallOSSError, match="has no checkpoint"):
        command.main(parser.parse_args([*how[:3], str(folder / "nothing"), "--open-loop"]))


def test_it_can_be_left_out(folder, monkeypatch):
    _, (model, tokenizer, trainer) = prepared(folder, subtask_frames=0, datasets=[OTHER])
    answers = Answers(monkeypatch, model, tokenizer)
    with trainer._log:
        trainer.validate(trainer.recipe.stages[0])
    assert not answers.asked
    assert "subtasks" not in json.loads((folder / "run" / "log.jsonl").read_text().splitlines()[-1])
