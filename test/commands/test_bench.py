# SPDX-License-Identifier: Apache-2.0
"""wall-oss bench, on benchmarks that are made up: what it runs, for how long, what it writes and how it compares."""

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest

from wall_oss_ros.commands.benching import catalogue, checkout, comparison, report, running
from wall_oss_ros.commands.benching.catalogue import BENCHMARKS, Benchmark
from wall_oss_ros.commands.benching.report import Figure
from wall_oss_ros.commands.main import main

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))
import result_form

# Writes what it was told to, by the name of what is to happen.
PROGRAM = """
import json, os, subprocess, sys, time
what, file = sys.argv[1], sys.argv[sys.argv.index("--json") + 1]
here = os.path.dirname(os.path.abspath(__file__))
open(os.path.join(here, "ran"), "a").write(" ".join(sys.argv[1:-2]) + "\\n")
open(os.path.join(here, "waiting"), "w").write(os.environ.get("OMP_WAIT_POLICY", ""))
if what == "hangs":
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    open(os.path.join(here, "pids"), "w").write(f"{os.getpid()} {child.pid}")
    while True:
        try:
            time.sleep(600)
        except KeyboardInterrupt:
            pass
if what == "fails":
    sys.exit("The \\x1b[31mengine is missing.")
open(file, "w").write(open(os.path.join(here, what + ".json")).read() if what != "silent" else "")
"""


def figure(median, low=None, high=None, unit="ms", better="less", n=10) -> dict:
    return {"median": median, "low": low, "high": high, "n": n, "unit": unit, "better": better}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A checkout with one program, which measures what its own file says."""
    folder = tmp_path / "benchmarks"
    folder.mkdir()
    (folder / "made_up.py").write_text(PROGRAM)
    (folder / "result_form.py").write_text("")
    steady(folder, figure(2.0, 1.9, 2.1))
    names = ("steady", "fails", "silent", "hangs")
    table = {name: Benchmark(name, "a made-up thing", "made_up.py", (name,), (name, "--few"), 60, 60) for name in names}
    table["hangs"] = Benchmark("hangs", "no end", "made_up.py", ("hangs",), ("hangs",), 1.0, 1.0)
    table["vast"] = Benchmark("vast", "too much", "made_up.py", ("steady",), ("steady",), 60, 60, memory=1e9)
    monkeypatch.setattr(catalogue, "BENCHMARKS", table)
    monkeypatch.setattr(checkout, "benchmarks", lambda: folder)
    monkeypatch.setattr(checkout, "ROOT", tmp_path)
    monkeypatch.setattr(running, "GRACE", 0.2)
    monkeypatch.setenv("COLUMNS", "200")
    return folder


def steady(folder, *figures, **named) -> None:
    content = {"figures": {f"time {n}": one for n, one in enumerate(figures)} | named, "threads": 2}
    (folder / "steady.json").write_text(json.dumps(content))


@pytest.mark.parametrize(("policy", "left"), [("PASSIVE", ""), ("ACTIVE", "ACTIVE")])
def test_a_program_alone_does_not_wait_as_nodes_do(folder, monkeypatch, policy, left):
    monkeypatch.setenv("OMP_WAIT_POLICY", policy)
    assert running.run(catalogue.BENCHMARKS["steady"], folder, True).figures
    assert (folder / "waiting").read_text() == left


def test_a_run_is_written_and_shown(folder, capsys, tmp_path):
    assert main(["bench", "--only", "steady", "--quick"]) == 0
    (file,) = (tmp_path / "runs" / "bench").iterdir()
    written = report.read(file)
    assert written.benchmarks["steady"].figures["time 0"].median == 2.0 and written.quick
    assert written.machine.cores >= 1 and written.machine.processor and written.commit
    assert (folder / "ran").read_text() == "steady --few\n"
    shown = capsys.readouterr().out
    assert (
        "2 ms" in shown and "1.9 to 2.1" in shown and "before" not in shown.split("steady")[-1] and str(file) in shown
    )


@pytest.mark.parametrize(
    ("now", "verdict"),
    [
        (figure(2.1, 2.0, 2.2), "1.05 (0.9524 to 1.158) no clear difference"),
        (figure(1.0, 0.9, 1.1), "0.5 (0.4286 to 0.5789) better"),
        (figure(4.0, 3.0, 4.5), "2 (1.429 to 2.368) worse"),
        (figure(4.0, n=1), "2 too few runs to say"),
        (figure(4.0, 3.0, 4.5, unit="s"), "was measured in ms, less being better"),
    ],
)
def test_the_last_run_is_what_it_is_compared_with(folder, capsys, tmp_path, now, verdict):
    assert main(["bench", "--only", "steady", "--output", str(tmp_path / "out" / "1.json")]) == 0
    steady(folder, now)
    (tmp_path / "out" / "0.json").write_text("{}")
    (tmp_path / "out" / "9.json").write_text("no file of ours")
    capsys.readouterr()
    assert main(["bench", "--only", "steady", "--output", str(tmp_path / "out" / "2.json")]) == 0
    shown = capsys.readouterr().out
    assert verdict in " ".join(shown.split()) and "against" in shown and "1.json" in shown
    assert main(["bench", "--only", "steady", "--against", str(tmp_path / "out" / "1.json")]) == 0
    assert verdict in " ".join(capsys.readouterr().out.split())


def test_more_may_be_better():
    old, new = Figure(**figure(5, 4.8, 5.2, "times", "more")), Figure(**figure(6, 5.9, 6.1, "times", "more"))
    assert comparison.compare(new, old).verdict == "better" and comparison.compare(old, new).verdict == "worse"
    nothing = Figure(**figure(0, 0, 0))
    assert comparison.compare(Figure(**figure(1, 1, 1)), nothing) == comparison.Change(None, None, None, "worse")


def test_another_machine_is_named(folder, capsys, tmp_path):
    old = tmp_path / "old.json"
    main(["bench", "--only", "steady", "--output", str(old)])
    content = json.loads(old.read_text())
    content["machine"] |= {"processor": "abacus", "torch": "1.0"}
    old.write_text(json.dumps(content))
    capsys.readouterr()
    main(["bench", "--only", "steady", "--against", str(old)])
    shown = " ".join(capsys.readouterr().out.split())
    assert "That was another machine: processor abacus, now" in shown and "torch 1.0, now" in shown


def test_what_gives_no_figures_says_why_and_the_rest_goes_on(folder, capsys, tmp_path):
    assert main(["bench", "--output", str(tmp_path / "all.json")]) == 1
    found = report.read(tmp_path / "all.json").benchmarks
    assert found["steady"].figures and not found["steady"].why
    assert found["fails"].why == "failed: The [31mengine is missing."
    assert found["silent"].why.startswith("left no figures")
    assert found["hangs"].why == "not done within its 1 s"
    assert found["vast"].why.startswith("left out: it wants 1e+09 GiB of memory")
    for pid in map(int, (folder / "pids").read_text().split()):
        state = Path(f"/proc/{pid}/stat")
        assert not state.exists() or state.read_text().split()[2] == "Z", "nothing is left behind"
    assert "not done within its 1 s" in capsys.readouterr().out
    assert main(["bench", "--only", "vast,steady"]) == 0, "too little memory is no failure"


@pytest.mark.parametrize(
    "content",
    [
        '{"figures": {}}', "[]", '{"figures": {"a": 3}}', json.dumps({"figures": {"a": figure(float("nan"))}}),
        json.dumps({"figures": {"a": figure(2.0, 3.0, 4.0)}}), json.dumps({"figures": {"a": figure(2.0, 1.0, None)}}),
        json.dumps({"figures": {"a": figure("2.0")}}), json.dumps({"figures": {"a": figure(1.0, better="fast")}}),
        json.dumps({"figures": {"": figure(1.0)}}), json.dumps({"figures": {"a": figure(1.0, n=0)}}),
    ],
)  # fmt: skip
def test_figures_that_make_no_sense_are_not_taken(folder, content):
    (folder / "steady.json").write_text(content)
    outcome = running.run(catalogue.BENCHMARKS["steady"], folder, False)
    assert outcome.why.startswith("left no figures: ") and not outcome.figures


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--only", "stedy"], "Did you mean steady?"), (["--only", "x"], "There are steady, fails"),
        (["--only", ","], "names no benchmark"), (["--only", ""], "the text is empty"),
        (["--against", "nowhere.json"], "nowhere.json is no file"), (["--against", "."], ". is no file"),
        (["--output", "."], ". is a folder"), (["--output", "/proc/none/x.json"], "/proc"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_for_is_said_before_anything_runs(folder, capsys, words, why):
    assert main(["bench", *words]) == 2
    error = capsys.readouterr().err
    assert why in error and error.count("\n") == 1 and not (folder / "ran").exists()


@pytest.mark.parametrize("change", [{"machine": 3}, {"benchmarks": {"a": {"figures": {"b": {}}}}}, {"date": "soon"}])
def test_a_file_that_is_no_run_is_not_compared_with(folder, capsys, tmp_path, change):
    file = tmp_path / "run.json"
    main(["bench", "--only", "steady", "--output", str(file)])
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    assert main(["bench", "--only", "steady", "--against", str(file)]) == 2
    assert "is no file of benchmarks" in capsys.readouterr().err


def test_an_installation_without_benchmarks_says_what_to_do(capsys, monkeypatch, tmp_path):
    there = checkout.benchmarks
    monkeypatch.setattr(checkout, "benchmarks", lambda: there(tmp_path))
    assert main(["bench"]) == 2
    assert "The benchmarks are not part of an installation. Run ./wall-oss bench in a clone" in capsys.readouterr().err
    assert main(["bench", "--list", "--only", "chunk"]) == 0 and "chunk" in capsys.readouterr().out


def test_the_catalogue_is_of_programs_that_are_there_and_write_figures():
    folder = checkout.benchmarks()
    for one in BENCHMARKS.values():
        text = (folder / one.program).read_text()
        assert '"--json"' in text and "figures" in text
        for words in (one.words, one.quick):
            assert all(f'"{word}"' in text for word in words if word.startswith("--")), one.name
        assert 0 < one.quick_seconds <= one.seconds
    assert report.this_code(Path(os.sep)) is None


# The form in which benchmarks write


def test_intervals_are_those_of_the_median():
    rng, held = np.random.default_rng(0), 0
    for _ in range(300):
        low, high = result_form.interval(rng.lognormal(size=15))
        held += low <= 1.0 <= high
    assert 0.93 * 300 <= held < 300
    assert result_form.interval(np.array([1.0, 2.0])) == (None, None)
    assert result_form.interval(np.array([3.0, 1.0, 2.0])) == (1.0, 3.0)


def test_runs_that_drift_have_a_wider_interval_than_their_number_suggests():
    rng = np.random.default_rng(0)
    drift = np.repeat(rng.normal(10, 1, 20), 100) + rng.normal(0, 0.01, 2000)
    low, high = result_form.interval(drift)
    assert high - low > 0.3, "not a hundredth, as 2000 runs by themselves would have it"


def test_figures_can_be_read_again(tmp_path):
    made = {"a": result_form.figure([3.0, 1.0, 2.0], "ms"), "b": result_form.ratios([2.0, 4.0], [1.0, 1.0])}
    assert made["b"]["median"] == 3.0 and made["b"]["better"] == "more" and made["b"]["low"] is None
    result_form.write(tmp_path / "x.json", made, threads=1)
    assert {name: Figure(**one).median for name, one in json.loads((tmp_path / "x.json").read_text())["figures"].items()
            } == {"a": 2.0, "b": 3.0}  # fmt: skip
