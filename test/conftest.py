# SPDX-License-Identifier: Apache-2.0
"""What holds for the whole suite."""

import io
import logging
import signal

import pytest

import wall_oss_ros.nodes  # noqa: F401  gives rclpy and the messages where there is no ROS 2

# Started in the background of a script, a shell has its children ignore Ctrl-C, and they would hand that on to every
# process that a test starts and means to interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items):
    """Files with slow tests come first, so that at the end no worker is left alone with one of them."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


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
