# SPDX-License-Identifier: Apache-2.0
"""The command line: help that helps, and one clear line for whatever cannot be done."""

import argparse
import io
import socket
import subprocess
import sys

import pytest

from wall_oss_ros.commands.main import COMMANDS, build_parser, main
from wall_oss_ros.errors import WallOSSError


@pytest.fixture
def empty_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ROS_DOMAIN_ID", "93")
    return tmp_path


@pytest.mark.parametrize("command", COMMANDS)
def test_help_describes_the_command_with_examples(command, capsys):
    with pytest.raises(SystemExit) as end:
        main([command, "--help"])
    shown = capsys.readouterr().out
    assert end.value.code == 0
    assert "examples:" in shown and f"wall-oss {command}" in shown


def test_help_imports_nothing_heavy():
    code = (
        "import sys\nfrom wall_oss_ros.commands.main import build_parser\nbuild_parser().format_help()\n"
        "print([m for m in ('torch', 'mujoco', 'numpy', 'rclpy', 'rich', 'viser', 'cyclonedds') if m in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.strip() == "[]"


@pytest.mark.parametrize(
    "words",
    [
        ["put the red cube in the left tray"],
        ["put", "the", "red", "cube", "in", "the", "left", "tray"],
        ["put", "the red", "--seed", "3", "cube", "in", "the", "left", "tray"],
    ],
)
def test_an_instruction_needs_no_quotes(words, monkeypatch):
    def choose(task, instruction, seed):
        raise WallOSSError(f"was given: {instruction}")

    monkeypatch.setattr("wall_oss_ros.commands.instruction.choose", choose)
    monkeypatch.setattr(sys, "stderr", said := io.StringIO())
    assert main(["run", "--headless", *words]) == 2
    assert said.getvalue().strip() == "error: was given: put the red cube in the left tray"


def test_without_an_instruction_one_is_found(monkeypatch):
    given = []
    monkeypatch.setattr("wall_oss_ros.commands.instruction.choose", lambda *words: (given.append(words[1]), 0))
    monkeypatch.setattr("wall_oss_ros.commands.run.check_port", lambda port: sys.exit(7))
    with pytest.raises(SystemExit, match="7"):
        main(["run"])
    assert given == [None]


BAD_INPUT = {
    "empty instruction": (["run", "--headless", " "], "The instruction is empty."),
    "unknown instruction": (["run", "--headless", "make me a coffee"], '"make me a coffee" was not understood'),
    "unknown robot": (["run", "--headless", "--robot", "r2d2"], "There is no robot 'r2d2'"),
    "no such profile": (["run", "--headless", "--robot", "nowhere/robot.yaml"], "cannot be read"),
    "missing checkpoint": (["run", "--headless", "--model", "no-such-model"], "There is no checkpoint no-such-model."),
    "negative seed": (["run", "--headless", "--seed", "-3"], "--seed: '-3' is no whole number from 0"),
    "no time": (["run", "--headless", "--timeout", "0"], "--timeout: '0' is no number from 0.1"),
    "no speed": (["run", "--headless", "--speed", "0"], "--speed: '0' is no number from 0.05 to 20"),
    "domain out of range": (
        ["run", "--headless", "--model", "MODEL", "--domain", "4000"],
        "--domain: '4000' is no whole number from 0 to 232",
    ),
    "port out of range": (
        ["run", "--model", "MODEL", "--port", "70000"],
        "--port: '70000' is no whole number from 1 to 65535",
    ),
    "no such option": (["run", "--no-such-option"], "unknown arguments: --no-such-option"),
    "no such command": (["fly"], "'fly' is no command. There are run, page, eval"),
    "no command": ([], "the following arguments are required: COMMAND"),
    "a name of two lines": (["inspect", "a\nb"], "There is no checkpoint a b."),
    "an endless robot": (["check", "r" * 5000], "There is no robot"),
    "an endless checkpoint": (["inspect", "m" * 5000], "There is no checkpoint"),
    "an endless recipe": (["train", "--recipe", "x" * 5000], "There is no recipe"),
    "an endless output": (["train", "--output", "o" * 5000], "cannot be made: File name too long."),
    "results into a file": (["eval", "--model", "MODEL", "--output", "MODEL/config.json"], "config.json is no folder"),
    "data into a file": (["train", "--data", "/dev/null/data"], "/dev/null is no folder"),
    "no topic": (["topic", "pub", "a b", "std_msgs/msg/String"], "Names are words of letters"),
    "nothing to evaluate": (["eval", "--episodes", "0"], "nothing to run"),
    "evaluate nothing known": (["eval", "--model", "no-such-model"], "There is no checkpoint"),
    "unknown recipe": (["train", "--recipe", "no-such-recipe"], 'There is no recipe "no-such-recipe"'),
    "serve for no robot": (["serve", "--robot", "r2d2"], "There is no robot 'r2d2'"),
    "serve nothing known": (["serve", "no-such-model"], "There is no checkpoint"),
    "serve at no port": (["serve", "--port", "70000"], "no whole number from 0 to 65535"),
    "serve nowhere": (["serve", "--host", "no.such.host.invalid"], "is unknown"),
    "serve with no token": (["serve", "--token-file", "nowhere"], "The token file nowhere cannot be read"),
    "serve no view": (["serve", "--view", "face_view"], "is no VIEW=KEY"),
    "serve another's view": (["serve", "--view", "side=a"], "There is no view 'side'"),
    "serve by no mapping": (["serve", "--mapping", "nowhere.yaml"], "cannot be read"),
    "serve nobody": (["serve", "--clients", "0"], "no whole number from 1 to 1000"),
    "a command misspelt": (["rply", "a b.mcap"], "Did you mean: wall-oss replay 'a b.mcap'"),
    "an instruction and no command": (["pick", "up", "it"], 'To have that done: wall-oss run "pick up it"'),
    "a quoted one": (["open the drawer"], 'To have that done: wall-oss run "open the drawer"'),
    "an unknown command": (["foo"], "'foo' is no command. There are run, page, eval"),
    "record over a file": (["run", "--record", "MODEL/there.mcap"], "There is a MODEL/there.mcap already"),
    "nothing to resume": (["train", "--output", "nowhere", "--resume"], "has no save to go on from"),
}


@pytest.mark.parametrize("words", BAD_INPUT.values(), ids=BAD_INPUT)
def test_bad_input_ends_in_one_clear_line(words, empty_directory, capsys):
    argv, expected = words
    (empty_directory / "MODEL").mkdir()
    for name in ("config.json", "model.safetensors"):
        (empty_directory / "MODEL" / name).touch()
    (empty_directory / "MODEL" / "there.mcap").touch()
    assert main(argv) == 2
    shown = capsys.readouterr()
    assert shown.err.startswith("error: ") and expected in shown.err
    assert shown.err.count("\n") == 1, "one line"
    assert not (empty_directory / "runs").exists(), "nothing was begun"


def leaves(parser, words=()):
    """Each command and verb: the words that call it, those it needs filled in, and its options that take a value."""
    verbs = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    for name, below in [(name, below) for action in verbs for name, below in action.choices.items()]:
        yield from leaves(below, (*words, name))
    if not verbs:
        needed = [action for action in parser._actions if not action.option_strings and action.nargs is None]
        yield (
            (*words, *("x" for _ in needed)),
            [action for action in parser._actions if action.option_strings and action.nargs is None],
        )


OPTIONS = [(words, option) for words, options in leaves(build_parser()) for option in options]
NO_NUMBERS = ["nan", "inf", "-inf", "1e400", "", " ", "x", "0x10", "1_0", "\u0661\u0662", "true", "9" * 30, "9" * 5000]


@pytest.mark.parametrize(("words", "option"), OPTIONS, ids=lambda value: getattr(value, "dest", None))
def test_no_option_takes_what_is_no_number_or_no_text(words, option, empty_directory, capsys):
    assert option.type not in (int, float), "these take nan, 1_0 and whatever is beyond all bounds"
    numeric = getattr(option.type, "__name__", "") == "convert"
    if not numeric and option.default == "":  # empty is what it is by itself
        return
    for value in NO_NUMBERS if numeric else ["", " "]:
        with pytest.raises(argparse.ArgumentTypeError) as refused:
            option.type(value)
        assert len(str(refused.value)) < 100, "not the whole of what was given"
    assert main([*words, f"{option.option_strings[-1]}="]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ") and option.option_strings[-1] in said and said.count("\n") == 1
    assert not list(empty_directory.iterdir()), "nothing was begun"


def test_port_in_use_says_which_other(empty_directory, capsys):
    (empty_directory / "MODEL").mkdir()
    for name in ("config.json", "model.safetensors"):
        (empty_directory / "MODEL" / name).touch()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["run", "--model", "MODEL", "--port", str(port)]) == 2
    shown = capsys.readouterr().err
    assert f"Port {port} cannot be used" in shown and "--port" in shown and "--headless" in shown


def test_a_folder_that_is_no_checkpoint(empty_directory, capsys):
    (empty_directory / "photos").mkdir()
    assert main(["run", "--headless", "--model", "photos"]) == 2
    assert "photos is no checkpoint: it has no config.json" in capsys.readouterr().err


def test_wall_oss_test_passes_arguments_on(monkeypatch):
    commands = []
    monkeypatch.setattr(
        subprocess, "run", lambda command, **_: commands.append(command) or subprocess.CompletedProcess([], 5)
    )
    assert main(["test", "-k", "verdict", "-x", "test/commands/test_verdict.py"]) == 5
    assert commands[0][1:] == ["-m", "pytest", "-k", "verdict", "-x", "test/commands/test_verdict.py"]
