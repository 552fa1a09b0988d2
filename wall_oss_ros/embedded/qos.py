# SPDX-License-Identifier: Apache-2.0
"""Quality of service profiles, with rclpy's names and presets."""

from __future__ import annotations

from enum import Enum, IntEnum
from typing import Any

from wall_oss_ros.embedded.time import Duration


class InvalidQoSProfileException(Exception):
    """A profile that cannot be: neither history nor depth, or a depth that is not one."""

    def __init__(self, *args):
        super().__init__("Invalid QoSProfile", *args)


class _Policy(IntEnum):
    @classmethod
    def short_keys(cls) -> list[str]:
        return [member.name.lower() for member in cls]

    @classmethod
    def get_from_short_key(cls, name: str) -> _Policy:
        return cls[name.upper()]

    @property
    def short_key(self) -> str:
        return self.name.lower()


class HistoryPolicy(_Policy):
    SYSTEM_DEFAULT = 0
    KEEP_LAST = 1
    KEEP_ALL = 2
    UNKNOWN = 3


class ReliabilityPolicy(_Policy):
    SYSTEM_DEFAULT = 0
    RELIABLE = 1
    BEST_EFFORT = 2
    UNKNOWN = 3
    BEST_AVAILABLE = 4


class DurabilityPolicy(_Policy):
    SYSTEM_DEFAULT = 0
    TRANSIENT_LOCAL = 1
    VOLATILE = 2
    UNKNOWN = 3
    BEST_AVAILABLE = 4


class LivelinessPolicy(_Policy):
    SYSTEM_DEFAULT = 0
    AUTOMATIC = 1
    MANUAL_BY_TOPIC = 3
    UNKNOWN = 4
    BEST_AVAILABLE = 5


QoSHistoryPolicy, QoSReliabilityPolicy = HistoryPolicy, ReliabilityPolicy
QoSDurabilityPolicy, QoSLivelinessPolicy = DurabilityPolicy, LivelinessPolicy


class QoSProfile:
    """What a topic or service promises and asks for.

    Args (all by keyword, as in rclpy): depth, history, reliability, durability, lifespan, deadline, liveliness,
    liveliness_lease_duration (Durations), avoid_ros_namespace_conventions. Either ``depth`` or ``history`` is needed.
    """

    __slots__ = (
        "avoid_ros_namespace_conventions",
        "deadline",
        "depth",
        "durability",
        "history",
        "lifespan",
        "liveliness",
        "liveliness_lease_duration",
        "reliability",
    )  # fmt: skip

    def __init__(self, **kwargs: Any):
        unknown = kwargs.keys() - set(self.__slots__)
        assert not unknown, f"Invalid arguments passed to constructor: {unknown}"
        if "history" not in kwargs and "depth" not in kwargs:
            raise InvalidQoSProfileException("History and/or depth settings are required.")
        self.history = HistoryPolicy(kwargs.get("history", HistoryPolicy.KEEP_LAST))
        if self.history == HistoryPolicy.KEEP_LAST and "depth" not in kwargs:
            raise InvalidQoSProfileException("History set to KEEP_LAST without a depth setting.")
        self.depth = kwargs.get("depth", 0)
        if not isinstance(self.depth, int) or self.depth < 0:
            raise ValueError(f"depth must be an integer of at least 0, not {self.depth!r}")
        self.reliability = ReliabilityPolicy(kwargs.get("reliability", ReliabilityPolicy.RELIABLE))
        self.durability = DurabilityPolicy(kwargs.get("durability", DurabilityPolicy.VOLATILE))
        self.lifespan = kwargs.get("lifespan", Duration())
        self.deadline = kwargs.get("deadline", Duration())
        self.liveliness = LivelinessPolicy(kwargs.get("liveliness", LivelinessPolicy.SYSTEM_DEFAULT))
        self.liveliness_lease_duration = kwargs.get("liveliness_lease_duration", Duration())
        self.avoid_ros_namespace_conventions = bool(kwargs.get("avoid_ros_namespace_conventions", False))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, QoSProfile) and all(getattr(self, s) == getattr(other, s) for s in self.__slots__)

    __hash__ = None

    def __repr__(self) -> str:
        return f"QoSProfile({', '.join(f'{slot}={getattr(self, slot)!r}' for slot in self.__slots__)})"


def as_profile(value: QoSProfile | int) -> QoSProfile:
    """A profile as given, or the default one with that depth.

    Raises:
        TypeError: neither a profile nor an integer.
    """
    if isinstance(value, QoSProfile):
        return value
    if isinstance(value, int):
        if value < 0:
            raise ValueError("Cannot construct a QoSProfile with a negative history size")
        return QoSProfile(depth=value)
    raise TypeError(f"Expected QoSProfile or int, but received {type(value)!r}")


_BEST_EFFORT, _VOLATILE = ReliabilityPolicy.BEST_EFFORT, DurabilityPolicy.VOLATILE
qos_profile_default = QoSProfile(depth=10)
qos_profile_sensor_data = QoSProfile(depth=5, reliability=_BEST_EFFORT, durability=_VOLATILE)
qos_profile_services_default = QoSProfile(depth=10)
qos_profile_parameters = QoSProfile(depth=1000)
qos_profile_parameter_events = QoSProfile(depth=1000)
qos_profile_system_default = QoSProfile(
    history=HistoryPolicy.SYSTEM_DEFAULT,
    reliability=ReliabilityPolicy.SYSTEM_DEFAULT,
    durability=DurabilityPolicy.SYSTEM_DEFAULT,
)
qos_profile_best_available = QoSProfile(
    depth=10, reliability=ReliabilityPolicy.BEST_AVAILABLE, durability=DurabilityPolicy.BEST_AVAILABLE
)
qos_profile_action_status_default = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
qos_profile_rosout_default = QoSProfile(
    depth=1000, durability=DurabilityPolicy.TRANSIENT_LOCAL, lifespan=Duration(seconds=10)
)


class QoSPresetProfiles(Enum):
    SYSTEM_DEFAULT = qos_profile_system_default
    SENSOR_DATA = qos_profile_sensor_data
    SERVICES_DEFAULT = qos_profile_services_default
    PARAMETERS = qos_profile_parameters
    PARAMETER_EVENTS = qos_profile_parameter_events
    ACTION_STATUS_DEFAULT = qos_profile_action_status_default
    BEST_AVAILABLE = qos_profile_best_available

    @classmethod
    def short_keys(cls) -> list[str]:
        return [member.name.lower() for member in cls]

    @classmethod
    def get_from_short_key(cls, name: str) -> QoSProfile:
        return cls[name.upper()].value
