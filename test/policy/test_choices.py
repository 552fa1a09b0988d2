# SPDX-License-Identifier: Apache-2.0
"""How a policy comes to compute: told, measured or remembered. Times are made up; none is taken from this machine."""

import json
import os
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from checkpoint_support import INSTRUCTION, VIEWS, make_checkpoint

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.model.checkpoint import read_config
from wall_oss_ros.paths import data_path
from wall_oss_ros.policy import Observation, Policy, choices, race, remembered, sample_layers, ways
from wall_oss_ros.policy.race import Race, Runner, decide
from wall_oss_ros.policy.sample_layers import PARTS, Rows, SampleLayers
from wall_oss_ros.policy.ways import Way
from wall_oss_ros.robots.profile import load_profile

CPU, FULL, LOW = torch.device("cpu"), torch.float32, torch.bfloat16
PACKED, PLAIN = Way(FULL, FULL, packed=True), Way(FULL, FULL)
NATIVE, MIXED, WIDE = Way(LOW, LOW), Way(LOW, FULL, packed=True), Way(LOW, FULL, True, True)
WHOLE, STEPS_PACKED = Way(LOW, LOW, packed=True, whole=True), Way(LOW, LOW, packed=True)
TINY = read_config(data_path("models/wall-oss-tiny"))


class Machine:
    """A processor of made-up speed, in place of the layers that are timed.

    Attributes:
        times: of a chunk in each way on one thread, s; ``scaling``: what each number of threads makes of them.
        ratio: of one product in bfloat16; busy: whether others use the cores; runs: what was timed.
    """

    def __init__(self, times, scaling=None, ratio=1.0, busy=False, noise=lambda: 1.0):
        self.times, self.scaling, self.ratio, self.busy, self.noise = times, scaling or {}, ratio, busy, noise
        self.runs, self.now, self.built = [], 0.0, 0

    def __call__(self, config, threads, now):
        self.built += 1
        return self

    def seconds(self, way, threads, part):
        self.runs.append((way, threads, part))
        took = self.times[way] * self.scaling.get(threads, 1.0) * self.noise() / len(PARTS)
        self.now += took
        return took

    def bfloat16_ratio(self):
        return self.ratio

    def waiting(self):
        return self.now if self.busy else 0.0


@pytest.fixture(autouse=True)
def measuring(monkeypatch, tmp_path):
    """On, with a processor that can all and a cache of its own."""
    monkeypatch.delenv(choices.SWITCH, raising=False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(ways, "can_pack", lambda dtype=FULL: dtype == FULL or ways.multiplies_bfloat16())
    monkeypatch.setattr(ways, "multiplies_bfloat16", lambda: False)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 4)


@pytest.fixture
def machine(monkeypatch):
    def make(times=None, **more):
        usual = {PACKED: 0.010, PLAIN: 0.011, NATIVE: 0.1, MIXED: 0.08, WIDE: 0.02}
        usual |= {WHOLE: 0.1, STEPS_PACKED: 0.1}
        plain = {replace(way, packed=False): took * 1.01 for way, took in usual.items()}
        made = Machine({**plain, **usual, **(times or {})}, **more)
        monkeypatch.setattr(choices, "SampleLayers", made)
        monkeypatch.setattr(choices, "waiting", made.waiting)
        monkeypatch.setattr(choices, "_stopwatch", lambda config, threads: lambda: made.now)
        monkeypatch.setattr(choices.time, "monotonic", lambda: made.now)
        return made

    return make


# What decides


def test_the_usual_stays_where_nothing_is_clearly_faster(machine):
    made = machine({PLAIN: 0.0095})
    found = choices.choose(TINY, CPU, threads=1)
    assert found.way == PACKED and found.threads == 1 and "nothing was 10 % faster" in found.why
    assert {way for way, _, _ in made.runs} >= {PACKED, PLAIN, NATIVE}


def test_plain_weights_where_packed_ones_are_clearly_slower(machine):
    machine({PACKED: 4.40e-3, PLAIN: 3.41e-3})
    found = choices.choose(TINY, CPU, threads=1)
    assert (
        found.way == PLAIN and "1.29 times faster than the usual" in found.why and "packed, 1 thread 4.4" in found.why
    )


@pytest.mark.parametrize(("took", "taken"), [(0.0085, PACKED), (0.0075, NATIVE)])
def test_bfloat16_rounds_and_must_gain_more(machine, took, taken):
    machine({NATIVE: took})
    assert choices.choose(TINY, CPU, threads=1).way == taken


def test_steps_stay_in_float32_where_only_they_lose(machine):
    machine({NATIVE: 0.007, MIXED: 0.004})
    found = choices.choose(TINY, CPU, threads=1)
    assert found.way == MIXED and str(found).startswith("Computes in bfloat16 with float32 steps, packed, 1 thread: ")


def test_emulated_bfloat16_is_not_even_tried(machine):
    made = machine(ratio=5.0)
    found = choices.choose(TINY, CPU, threads=1)
    assert {way.weights for way, _, _ in made.runs} == {FULL}
    assert "one product in bfloat16 itself takes 5 times as long" in found.why


def test_what_is_far_behind_runs_once_and_not_to_its_end(machine):
    made = machine({NATIVE: 1.0})
    assert "bfloat16, plain, 1 thread too slow" in choices.choose(TINY, CPU, threads=1).why
    assert [part for way, _, part in made.runs if way == NATIVE] == ["step"]


@pytest.mark.parametrize(
    ("scaling", "taken"),
    [({4: 1.0, 2: 0.95, 1: 0.93}, 4), ({4: 1.0, 2: 0.7, 1: 0.6}, 1), ({4: 1.0, 2: 0.7, 1: 1.2}, 2), ({4: 0.3}, 4)],
)
def test_fewer_threads_where_they_are_clearly_faster(machine, scaling, taken):
    made = machine(scaling=scaling)
    assert choices.choose(TINY, CPU).threads == taken
    if scaling == {4: 0.3}:
        assert not [one for one in made.runs if one[1] == 1], "two are hopeless, so one is, too"


def test_what_packs_badly_on_many_threads_may_pack_well_on_one(machine):
    made = machine({PACKED: 0.010, PLAIN: 0.012}, scaling={4: 1.0, 2: 0.8, 1: 0.5})
    times = made.times
    original = made.seconds
    made.seconds = lambda way, threads, part: original(way, threads, part) * (2 if way.packed and threads == 4 else 1)
    found = choices.choose(TINY, CPU)
    assert (found.way, found.threads) == (PACKED, 1) and times[PACKED] < times[PLAIN]


def test_disturbed_runs_do_not_count(machine):
    rng = np.random.default_rng(0)
    machine({PLAIN: 0.0099}, noise=lambda: 1 + rng.exponential(2.0) * (rng.random() < 0.7))
    assert choices.choose(TINY, CPU, threads=1).way == PACKED


def test_the_time_is_kept_and_what_was_not_reached_is_said():
    clock = [0.0]

    def seconds(way, threads, part):
        clock[0] += 1.0
        return 1.0 if way == PACKED else 0.5

    one = Race(seconds, lambda: clock[0], budget=1.4)
    assert decide(one, PACKED, [PACKED, PLAIN], 1, False) == Runner(PACKED, 1) and clock[0] <= 2 * len(PARTS)
    words = choices.reason(one, [PACKED, PLAIN], Runner(PACKED, 1), Runner(PACKED, 1), 1.0)
    assert words.startswith("the usual;") and "no time for float32, plain" in words


def test_a_budget_grows_with_the_network():
    assert choices.LEAST_SECONDS <= choices.budget(TINY) < 0.21
    released = replace(TINY, extra={})
    released.hidden_size, released.num_hidden_layers = 2048, 36
    released.experts = [type(TINY.experts[0])(2048, 11008), TINY.experts[1]]
    assert 1.2 < choices.budget(released) <= choices.MOST_SECONDS


# What is told is not measured


def test_arguments_and_the_environment_override(machine, monkeypatch):
    made = machine({NATIVE: 0.001}, scaling={1: 0.1})
    told = choices.choose(TINY, CPU, FULL, 2)
    assert told.way.weights == FULL and told.threads == 2 and {threads for _, threads, _ in made.runs} == {2}
    assert choices.choose(TINY, CPU, LOW, 1).way == NATIVE
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    made.runs.clear()
    assert choices.choose(TINY, CPU, FULL).threads == 4 and {threads for _, threads, _ in made.runs} == {4}
    made.runs.clear()
    assert choices.choose(TINY, CPU, torch.float16, 3) == choices.Choice(
        Way(torch.float16, torch.float16), 3, "the only way with such weights"
    )
    monkeypatch.setenv(choices.SWITCH, "0")
    assert choices.choose(TINY, CPU).way == PACKED and choices.choose(TINY, CPU).threads is None
    assert not made.runs


@pytest.mark.parametrize("native", [True, False])
def test_weights_in_bfloat16_are_widened_unless_the_processor_multiplies_them(monkeypatch, machine, native):
    monkeypatch.setattr(ways, "multiplies_bfloat16", lambda: native)
    usual = ways.usual_way(LOW, CPU)
    assert usual == (NATIVE if native else WIDE)
    machine({NATIVE: 0.02, WIDE: 0.019})
    assert choices.choose(TINY, CPU, LOW, 1).way == usual, "no clear difference"
    machine({NATIVE: 0.02, WIDE: 0.002} if native else {NATIVE: 0.002})
    assert choices.choose(TINY, CPU, LOW, 1).way == usual, "remembered"


def test_all_weights_are_packed_where_that_pays_and_there_is_room(monkeypatch, machine):
    monkeypatch.setattr(ways, "multiplies_bfloat16", lambda: True)
    monkeypatch.setattr(choices, "free_memory", lambda: 1.0)  # GiB, for 5 M weights
    machine({NATIVE: 0.006, WHOLE: 0.004, STEPS_PACKED: 0.005})
    found = choices.choose(TINY, CPU, threads=1)
    assert found.way == WHOLE and str(found).startswith("Computes in bfloat16, all packed, 1 thread: ")
    assert choices.choose(TINY, CPU, threads=1).way == WHOLE, "remembered"
    monkeypatch.setattr(choices, "free_memory", lambda: 0.01)  # other programs have come
    assert choices.choose(TINY, CPU, threads=1).way == STEPS_PACKED
    monkeypatch.setattr(choices, "free_memory", lambda: None)
    assert choices.choose(TINY, CPU, threads=1).way == STEPS_PACKED


def test_a_gpu_measures_nothing(machine):
    made = machine()
    found = choices.choose(TINY, torch.device("cuda"))
    assert found.way == NATIVE and found.threads is None and made.built == 0


def test_a_config_that_promises_more_than_there_is_takes_no_memory(machine):
    made, vast = machine(), replace(TINY, extra={})
    vast.hidden_size = 1 << 20
    assert "larger than all weights" in choices.choose(vast, CPU, numbers=5_000_000).why and made.built == 0


def test_a_measurement_that_fails_leaves_the_usual(machine):
    made = machine()
    made.seconds = lambda *_: (_ for _ in ()).throw(RuntimeError("not enough memory: you tried to allocate 9 GB\nand"))
    found = choices.choose(TINY, CPU, threads=1)
    assert found.way == PACKED and found.why.endswith("not enough memory: you tried to allocate 9 GB")
    assert not remembered.place().exists()


# What is remembered


def test_a_choice_is_measured_once_for_a_machine_and_a_network(machine, monkeypatch):
    made = machine({PACKED: 0.02})
    first = choices.choose(TINY, CPU, threads=1)
    assert first.way == PLAIN and first.why.endswith("(measured now)")
    again = choices.choose(TINY, CPU, threads=1)
    assert (again.way, again.threads, made.built) == (PLAIN, 1, 1) and again.why.endswith("(measured before)")
    other = replace(TINY, extra={})
    other.action_horizon = 32
    for number, ask in enumerate((
        lambda: choices.choose(other, CPU, threads=1),
        lambda: choices.choose(TINY, CPU, FULL, threads=1),
        lambda: choices.choose(TINY, CPU, threads=2),
        lambda: choices.choose(TINY, CPU),
    )):  # fmt: skip
        ask()
        assert made.built == 2 + number
    for name, value in (("processor", "another"), ("cores", 99)):
        monkeypatch.setattr(choices, name, lambda value=value: value)
        before = made.built
        choices.choose(TINY, CPU, threads=1)
        assert made.built == before + 1, name


def test_a_busy_machine_decides_nothing_that_lasts(machine):
    machine({PACKED: 0.010, PLAIN: 0.007}, busy=True)
    found = choices.choose(TINY, CPU, threads=1)
    assert found.way == PACKED and "the usual; float32, plain, 1 thread seemed 1.43 times faster" in found.why
    assert found.why.endswith("(measured now, on a busy machine: for a day)")
    assert choices.choose(TINY, CPU, threads=1).why.endswith("(measured before)")
    made = machine({PACKED: 0.010, PLAIN: 0.002}, busy=True)
    found = choices.choose(TINY, CPU, threads=1, disturbed=False)
    assert (found.way, made.built) == (PLAIN, 1), "so far ahead that it counts all the same"
    (entry,) = remembered._entries().values()
    for late, known in ((0.0, True), (remembered.A_DAY + 60, False), (-60.0, False)):
        assert (remembered.recall(entry.asked, now=lambda late=late: time.time() + late) is not None) == known
    made = machine({PACKED: 0.010, PLAIN: 0.007})
    assert choices.choose(TINY, CPU, threads=1, disturbed=False).why.endswith("(measured now)")
    assert remembered.recall(entry.asked, disturbed=False, now=lambda: time.time() + 1e9).packed is False


def test_a_small_network_is_not_measured_where_all_starts_at_once(machine, monkeypatch):
    """What waited before it came to that would measure nothing that lasts, start after start."""
    monkeypatch.setattr(choices, "has_waited", lambda: True)
    made = machine({PACKED: 0.010, PLAIN: 0.002}, busy=True)
    found = choices.choose(TINY, CPU, threads=1)
    assert (found.way, found.threads) == (PACKED, 1) and "too busy" in found.why and not made.runs
    assert choices.choose(TINY, CPU, threads=1, disturbed=False).way == PLAIN, "a person has asked"
    remembered.place().unlink()
    made.runs.clear()
    monkeypatch.setattr(choices, "SMALL", choices.numbers_in_layers(TINY))  # now it is large enough
    assert choices.choose(TINY, CPU, threads=1).way == PLAIN and made.runs


@pytest.mark.parametrize("waited, long", [(None, False), (0.0, False), (1e6, True)])
def test_a_process_has_waited_by_the_time_it_had_a_core(monkeypatch, waited, long):
    monkeypatch.setattr(choices, "waiting", lambda: waited)
    assert choices.has_waited() is long


def broken(text):
    return lambda file: file.write_text(text)


def changed(**changes):
    def change(file):
        content = json.loads(file.read_text())
        for entry in content["choices"].values():
            entry.update(changes)
        file.write_text(json.dumps(content))

    return change


@pytest.mark.parametrize(
    "damage",
    [
        broken(""), broken("{"), broken("[]"), broken("3"), broken("[" * 100_000), broken('{"version": 1}'),
        broken('{"version": 1, "choices": [1]}'), broken('{"version": 2, "choices": {}}'), broken("x" * (1 << 21)),
        broken('{"version": 1, "version": 1, "choices": {}}'),
        lambda file: file.write_bytes(b"\xff\xfe\x00"), lambda file: (file.unlink(), os.mkfifo(file)),
        lambda file: (file.unlink(), file.symlink_to(file)), lambda file: (file.unlink(), file.symlink_to("/dev/zero")),
        changed(threads=0), changed(threads=True), changed(threads=4096), changed(threads="1"), changed(threads=2),
        changed(weights="float8"), changed(weights="bfloat16", steps="bfloat16", packed=True), changed(widen=True),
        changed(widen=1), changed(asked={}), changed(why="\x1b[31mred"), changed(why="x" * 5000), changed(extra=1),
        changed(steps="bfloat16"), changed(until=0.0), changed(until="never"), changed(until=float("nan")),
        changed(until=4e9), changed(asked={"processor": "another"}), changed(why=""),
    ],
)  # fmt: skip
def test_a_file_that_says_nothing_sensible_is_measured_and_written_anew(machine, damage):
    made = machine({PACKED: 0.02})
    choices.choose(TINY, CPU, threads=1)
    damage(remembered.place())
    found = choices.choose(TINY, CPU, threads=1)
    assert (found.way, made.built) == (PLAIN, 2) and found.why.endswith("(measured now)")
    assert choices.choose(TINY, CPU, threads=1).why.endswith("(measured before)")


def test_where_nothing_can_be_written_it_is_measured_each_time(machine, monkeypatch, tmp_path):
    made = machine()
    (tmp_path / "cache").write_text("a file where a folder should be")
    for number in (1, 2):
        assert choices.choose(TINY, CPU, threads=1).why.endswith("cannot be remembered)")
        assert made.built == number
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "other"))
    remembered.place().mkdir(parents=True)  # a folder where the file should be
    assert choices.choose(TINY, CPU, threads=1).why.endswith("cannot be remembered)")
    assert os.listdir(remembered.place().parent) == ["choices.json"], "no half of a file stays behind"
    monkeypatch.setattr(remembered.Path, "home", lambda: (_ for _ in ()).throw(RuntimeError("no home")))
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")  # which XDG says to ignore
    assert remembered.place() is None
    assert choices.choose(TINY, CPU, threads=1).why.endswith("cannot be remembered)")


def test_writers_at_the_same_time_leave_a_whole_file(machine):
    machine()
    choices.choose(TINY, CPU, threads=1)
    (entry,) = remembered._entries().values()
    barrier = threading.Barrier(4)

    def write(number):
        barrier.wait()
        for count in range(20):
            one = entry.model_copy(update={"asked": {"who": number, "count": count}})
            assert remembered.remember(one)
            assert json.loads(remembered.place().read_text())["version"] == remembered._VERSION

    writers = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    kept = remembered._entries()
    assert 1 <= len(kept) <= remembered.MOST_ENTRIES
    assert os.listdir(remembered.place().parent) == ["choices.json"]


def test_only_the_newest_are_kept(machine):
    machine()
    choices.choose(TINY, CPU, threads=1)
    (entry,) = remembered._entries().values()
    for count in range(remembered.MOST_ENTRIES + 5):
        remembered.remember(entry.model_copy(update={"asked": {"count": count}}))
    counts = [one.asked["count"] for one in remembered._entries().values()]
    assert counts == list(range(5, remembered.MOST_ENTRIES + 5))


# What is timed


def test_a_sample_has_the_networks_own_layers_and_each_way_runs():
    layers = SampleLayers(TINY, 1, iter(range(10**6)).__next__)  # a clock that counts its readings
    for way in (PACKED, PLAIN, NATIVE, MIXED, WIDE):
        took = {part: layers.seconds(way, 1, part) for part in PARTS}
        assert took == {
            "step": TINY.num_hidden_layers * TINY.noise_scheduler.num_inference_timesteps,
            "prefix": TINY.num_hidden_layers,
            "images": TINY.vision.depth * len(TINY.views),
        }, "one reading for each run, times what a chunk has of it"
        engine = layers._engines[way]
        assert torch.isfinite(engine.runtime.actions).all() and engine.runtime.dtype == way.steps
    model = layers._engines[PACKED].model.model.layers[0]
    assert len(layers._engines[PACKED].model.model.layers) == 1 and model.moe.experts[0].up_proj.out_features == 512
    assert TINY.num_hidden_layers == 6 and TINY.vision.depth == 4, "the config itself is left as it was"
    assert layers.bfloat16_ratio() > 0


def test_large_layers_are_measured_with_fewer_rows():
    whole, part = Rows.of(TINY, 1e12), Rows.of(TINY, 2e7)
    assert (whole.tokens, whole.patches * len(TINY.views)) == (whole.all_tokens, whole.all_patches) == (95, 128)
    assert sample_layers.LEAST_ROWS <= part.tokens < 95 and part.all_tokens == 95 and part.cells < whole.cells


def test_this_machine_is_told_apart():
    assert choices.processor() and "\n" not in choices.processor() and choices.cores() >= 1
    waited = choices.waiting()
    assert waited is None or waited >= 0.0
    assert race.fewer(12) == [12, 6, 3, 1] and race.fewer(1) == [1]


# What comes of it


def observe(views, side: int = 112) -> Observation:
    rng = np.random.default_rng(0)
    mask = np.zeros(20, bool)
    mask[7:14] = True
    state = np.where(mask, np.float32(0.3), 0).astype(np.float32)
    return Observation(0.0, {view: rng.integers(0, 256, (side, side, 3), np.uint8) for view in views}, state, mask)


def test_a_policy_computes_as_was_chosen_and_says_so(tmp_path, machine, monkeypatch):
    folder = make_checkpoint(tmp_path / "checkpoint")
    made, told = machine({MIXED: 0.001}, scaling={1: 0.5}), []
    monkeypatch.setattr(torch, "set_num_threads", told.append)
    policy = Policy.from_pretrained(folder)
    assert told == [1] and policy.choice.way == policy._engine.way == MIXED and policy.model.dtype == LOW
    assert policy.twin()._engine.way == MIXED
    assert np.isfinite(policy.act(observe(VIEWS, 56), INSTRUCTION, seed=0)).all()
    assert policy.reason(observe(VIEWS, 56), INSTRUCTION) is not None
    assert Policy.from_pretrained(folder, dtype=FULL, threads=2).choice.threads == 2 and told == [1, 2]
    assert made.built == 2
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"hidden_size": 1 << 20, "num_attention_heads": 1 << 10}))
    with pytest.raises(WallOSSError):  # as without a measurement
        Policy.from_pretrained(folder)
    assert made.built == 2


def test_a_node_logs_the_choice_in_one_line(tmp_path, machine, monkeypatch):
    from wall_oss_ros.nodes import parameters

    made, said = machine(), []
    monkeypatch.setattr(parameters, "get_logger", lambda name: type("Log", (), {"info": said.append}))
    folder = make_checkpoint(tmp_path / "checkpoint")
    parameters.load_policy(str(folder), "cpu", "auto", 1, "auto", load_profile("franka"))
    assert len(said) == 1 and said[0].startswith("Computes in float32, packed, 1 thread: ") and "\n" not in said[0]
    assert {threads for _, threads, _ in made.runs} == {1}


def test_types_change_the_shipped_models_chunks_by_rounding_alone(record_property):
    """The largest difference of a chunk from float32's, of the largest number in it; docs/speed.md quotes it."""
    policy, found = Policy.from_pretrained(data_path("models/wall-oss-tiny"), dtype=FULL, threads=1), {}
    exact = policy.act(observe(policy.views), INSTRUCTION, seed=0)
    half = Policy.from_pretrained(data_path("models/wall-oss-tiny"), dtype=LOW, threads=1)
    for way, model in ((PLAIN, policy), (NATIVE, half), (MIXED, half), (WIDE, half)):
        one = Policy(model.model, policy.processor, policy.robot, choice=choices.Choice(way, None, "told"))
        one.temperature = policy.temperature
        difference = np.abs(one.act(observe(policy.views), INSTRUCTION, seed=0) - exact).max() / np.abs(exact).max()
        found[str(way)] = float(difference)
        record_property(str(way), float(difference))
        assert difference < (1e-4 if way == PLAIN else 0.03), found
