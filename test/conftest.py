# SPDX-License-Identifier: Apache-2.0
"""What holds for the whole suite."""

import io
import logging
import os
import signal
from importlib.util import find_spec

import pytest

import wall_oss_ros.nodes  # noqa: F401  gives rclpy and the messages where there is no ROS 2
from wall_oss_ros.errors import EXTRAS, missing_package

# Started in the background of a script, a shell has its children ignore Ctrl-C, and they would hand that on to every
# process that a test starts and means to interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Nor does a test measure how to compute, unless it is about that, or look into the user's cache.
os.environ["WALL_OSS_MEASURE"] = "0"

RERUNS = 2

if find_spec("hypothesis"):
    from hypothesis import settings

    settings.register_profile("wall_oss", deadline=None)  # a machine that is busy fails no test
    settings.load_profile("wall_oss")


class _Stopped(pytest.Module):
    """A file that came to no tests: skipped, or with an error."""

    why: BaseException

    def collect(self):
        raise self.why


# Before a test can make one look missing.
ABSENT = frozenset(module for modules in EXTRAS.values() for module in modules if find_spec(module) is None)


def absent(error: BaseException | None) -> str:
    """What to install, where an import failed because the package of an extra is not there at all; else empty."""
    if not isinstance(error, ModuleNotFoundError) or (error.name or "").partition(".")[0] not in ABSENT:
        return ""
    return str(missing_package(error))


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makemodule(module_path, parent):
    """Files that need an extra which is not installed are skipped.

    With launch_testing, which ROS 2 brings, one file that cannot be imported would end the collection of all. Why one
    stopped is kept: imported a second time it would be found in sys.modules, without the tests that it did not come to.
    """
    module = pytest.Module.from_parent(parent, path=module_path)
    try:
        return None if hasattr(module.obj, "generate_test_description") else module
    except (Exception, pytest.skip.Exception) as error:
        why = absent(error.__cause__)
        module = _Stopped.from_parent(parent, path=module_path)
        module.why = pytest.skip.Exception(why, allow_module_level=True) if why else error
        return module


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    """So are tests that come across such an extra only when they run, in a command or in themselves."""

    def missing(error):
        if why := absent(error):
            pytest.skip(why)
        return missing_package(error)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("wall_oss_ros.commands.main.missing_package", missing)
        try:
            return (yield)
        except ModuleNotFoundError as error:
            if why := absent(error):
                pytest.skip(why)
            raise


def pytest_collection_modifyitems(config, items):
    """Files with slow tests come first, so that at the end no worker is left alone with one of them.

    What runs against the clock is run again where a machine that stalls has failed it; the report counts it as rerun.
    """
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)
    if config.pluginmanager.has_plugin("rerunfailures"):
        for item in items:
            if item.get_closest_marker("real_time"):
                item.add_marker(pytest.mark.flaky(reruns=RERUNS))


@pytest.fixture(autouse=True)
def state_of_its_own(tmp_path, monkeypatch):
    """A test's robot is not stopped because another test's was."""
    monkeypatch.setenv("ROS_HOME", str(tmp_path / "ros_home"))


@pytest.fixture
def logged():
    """Gives what the package has logged so far, as text. pytest's caplog hears nothing where launch_testing is
    installed: its loggers hand nothing on."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    loggers = [
        logging.getLogger(name) for name in logging.Logger.manager.loggerDict if name.startswith("wall_oss_ros.")
    ]
    for logger in loggers:
        logger.addHandler(handler)
    yield stream.getvalue
    for logger in loggers:
        logger.removeHandler(handler)
