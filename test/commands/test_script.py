# SPDX-License-Identifier: Apache-2.0
"""The script wall-oss in a copy of the checkout, with stand-ins for Python, pip and the system's tools."""

import shutil
import stat
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOLS = (
    "bash cat chmod cksum cp date dirname env flock grep head id ln mkdir mv readlink rm sed sleep sort "
    "tail touch uname"
).split()
CAN_RENDER = "libEGL.so.1 libGLESv2.so.2 libgallium.so"

# A Python that makes an environment as venv does, and whose pip notes its calls and fails when told to.
PYTHON = """#!/usr/bin/env bash
case "$*" in
  *version_info*print* | *"print("*) echo python3.11-venv ;;
  "-c "*) [[ -n ${OLD_PYTHON:-} ]] && exit 1; exit 0 ;;
  "-m venv "*)
    mkdir -p "$3/bin" && touch "$3/pyvenv.cfg" && cp "$0" "$3/bin/python" ;;
  "-m pip "*)
    echo "$*" >>"$PIP_CALLS"
    if [[ -n ${PIP_SAYS:-} ]]; then echo "$PIP_SAYS"; exit 1; fi
    printf '#!/usr/bin/env bash\\necho "command: $* policy=$OMP_WAIT_POLICY"\\nexit 7\\n' >"$(dirname "$0")/wall-oss"
    chmod +x "$(dirname "$0")/wall-oss" ;;
esac
"""


def script(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


@pytest.fixture
def checkout(tmp_path):
    root = tmp_path / "checkout"
    (root / "wall_oss_ros").mkdir(parents=True)
    files = ("wall-oss", "pyproject.toml", "setup.py", "setup.cfg", "constraints.txt", "wall_oss_ros/starting.py")
    for name in files:
        shutil.copy(ROOT / name, root / name)
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in TOOLS:
        if (found := shutil.which(name)) is not None:
            (tools / name).symlink_to(found)
    script(tools / "python3", PYTHON)
    script(tools / "ldconfig", f"#!/usr/bin/env bash\necho '{CAN_RENDER}'\n")
    return root


def start(root: Path, *words: str, **environment: str) -> subprocess.CompletedProcess:
    tools = str(root.parent / "tools")
    return subprocess.run(
        [str(root / "wall-oss"), *words],
        env={"PATH": tools, "HOME": str(root), "PIP_CALLS": str(root.parent / "calls"), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def calls(root: Path) -> list[str]:
    path = root.parent / "calls"
    return path.read_text().splitlines() if path.exists() else []


def error(result: subprocess.CompletedProcess) -> str:
    """The error line; there must be exactly one."""
    assert result.returncode == 2
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert result.stderr.rstrip().endswith(line), "it comes last"
    return line


def test_first_start_installs_torch_first_and_hands_over(checkout):
    result = start(checkout, "topic", "list")
    assert result.returncode == 7, "the command's own status"
    assert result.stdout == "command: topic list policy=PASSIVE\n"
    installs = [call for call in calls(checkout) if "install" in call]
    torch, rest = installs[-2:]
    assert torch.endswith("torch==2.13.0") and "-c" in torch
    assert rest.endswith(f"-e {checkout}[test]") and "constraints.txt" in rest


def test_second_start_does_not_call_pip(checkout):
    start(checkout, "topic")
    before = calls(checkout)
    result = start(checkout, "topic")
    assert result.returncode == 7 and result.stderr == ""
    assert calls(checkout) == before


def test_new_constraints_are_installed(checkout):
    start(checkout)
    before = len(calls(checkout))
    with open(checkout / "constraints.txt", "a") as file:
        file.write("another==1.0\n")
    start(checkout)
    assert len(calls(checkout)) > before


def test_a_setup_that_was_broken_off_is_taken_up_again(checkout):
    assert start(checkout, PIP_SAYS="Killed").returncode == 2
    assert start(checkout).returncode == 7


def test_no_suitable_python(checkout):
    assert "Python 3.10, 3.11, 3.12 or 3.13 is needed" in error(start(checkout, OLD_PYTHON="yes"))


@pytest.mark.parametrize(
    "said, expected",
    [
        ("NewConnectionError: Temporary failure in name resolution", "the package index was not reached"),
        ("ERROR: No matching distribution found for torch==2.13.0", "the package index was not reached"),
        ("OSError: [Errno 28] No space left on device", "The disk is full"),
        ("ERROR: something else went wrong", "something else went wrong"),
    ],
)
def test_a_failed_installation_is_explained_in_one_line(checkout, said, expected):
    assert expected in error(start(checkout, PIP_SAYS=said))


def user(root: Path, number: int) -> None:
    """Has the script believe that it runs as that user."""
    (root.parent / "tools" / "id").unlink()
    script(root.parent / "tools" / "id", f"#!/usr/bin/env bash\necho {number}\n")


def test_without_rendering_libraries_an_ordinary_user_is_told_the_command(checkout):
    user(checkout, 1000)
    script(checkout.parent / "tools" / "ldconfig", "#!/usr/bin/env bash\necho libc.so.6\n")
    script(checkout.parent / "tools" / "apt-get", "#!/usr/bin/env bash\nexit 0\n")
    assert "sudo apt-get install -y libegl1" in error(start(checkout, "run"))


def test_as_root_rendering_libraries_are_installed(checkout):
    tools = checkout.parent / "tools"
    user(checkout, 0)
    script(tools / "ldconfig", f"#!/usr/bin/env bash\n[[ -e {tools}/done ]] && echo '{CAN_RENDER}' || echo libc.so.6\n")
    script(tools / "apt-get", f'#!/usr/bin/env bash\necho "$*" >>{tools}/done\n')
    assert start(checkout, "run").returncode == 7
    assert "libegl1" in (tools / "done").read_text()


def test_help_needs_no_rendering_libraries(checkout):
    script(checkout.parent / "tools" / "ldconfig", "#!/usr/bin/env bash\necho libc.so.6\n")
    assert start(checkout, "run", "--help").returncode == 7
    assert start(checkout, "topic", "list").returncode == 7


def test_it_works_through_a_link_and_from_anywhere(checkout, tmp_path):
    link = tmp_path / "wall-oss-link"
    link.symlink_to(checkout / "wall-oss")
    result = subprocess.run(
        [str(link)], env={"PATH": str(tmp_path / "tools"), "PIP_CALLS": str(tmp_path / "calls")}, cwd="/", check=False
    )
    assert result.returncode == 7
    assert (checkout / ".venv").is_dir()
