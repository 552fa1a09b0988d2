# SPDX-License-Identifier: Apache-2.0
"""Quality of service profiles, with rclpy's names and presets."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum

from wall_oss_ros.embedded import qos_compatibility
from wall_oss_ros.embedded.qos_compatibility import QoSCompatibility
from wall_oss_ros.embedded.time import Duration


class QoSPolicyKind(IntEnum):
    """The policies, numbered as in the events about incompatible ones."""

    INVALID = 1
    DURABILITY = 2
    DEADLINE = 4
    LIVELINESS = 8
    RELIABILITY = 16
    HISTORY = 32
    LIFESPAN = 64
    DEPTH = 128
    LIVELINESS_LEASE_DURATION = 256
    AVOID_ROS_NAMESPACE_CONVENTIONS = 512


def qos_policy_name_from_kind(policy_kind: QoSPolicyKind | int) -> str:
    """The name of a policy."""
    return QoSPolicyKind(policy_kind).name


class InvalidQoSProfileException(Exception):
    """A profile that cannot be: neither history nor depth, or a depth that is not one."""

    def __init__(self, *args):
        super().__init__("Invalid QoSProfile", *args)


class _ShortKeys:
    """Names of an enumeration's members in lower case, as on command lines."""

    @classmethod
    def short_keys(cls) -> list[str]:
        return [member.name.lower() for member in cls]


class _Policy(_ShortKeys, IntEnum):
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


_NO_LIMIT = Duration()
# As strict as all the other ends of the topic allow; here, no limit.
DeadlineBestAvailable = LivelinessLeaseDurationeBestAvailable = Duration(nanoseconds=2**63 - 2)


@dataclass(kw_only=True, slots=True)
class QoSProfile:
    """What a topic or service promises and asks for; either `depth` or `history` is needed."""

    history: HistoryPolicy | None = None
    depth: int | None = None
    reliability: ReliabilityPolicy = ReliabilityPolicy.RELIABLE
    durability: DurabilityPolicy = DurabilityPolicy.VOLATILE
    lifespan: Duration = _NO_LIMIT
    deadline: Duration = _NO_LIMIT
    liveliness: LivelinessPolicy = LivelinessPolicy.SYSTEM_DEFAULT
    liveliness_lease_duration: Duration = _NO_LIMIT
    avoid_ros_namespace_conventions: bool = False

    def __post_init__(self) -> None:
        if self.history is None and self.depth is None:
            raise InvalidQoSProfileException("History and/or depth settings are required.")
        self.history = HistoryPolicy.KEEP_LAST if self.history is None else HistoryPolicy(self.history)
        if self.history == HistoryPolicy.KEEP_LAST and self.depth is None:
            raise InvalidQoSProfileException("History set to KEEP_LAST without a depth setting.")
        self.depth = 0 if self.depth is None else self.depth
        if not isinstance(self.depth, int) or self.depth < 0:
            raise ValueError(f"depth must be an integer of at least 0, not {self.depth!r}")
        self.reliability = ReliabilityPolicy(self.reliability)
        self.durability = DurabilityPolicy(self.durability)
        self.liveliness = LivelinessPolicy(self.liveliness)


def qos_check_compatible(publisher_qos: QoSProfile, subscription_qos: QoSProfile) -> tuple[QoSCompatibility, str]:
    """Whether a publisher and a subscription with these profiles communicate, and why not or why it is not certain."""
    return qos_compatibility.check(publisher_qos, subscription_qos)


def as_profile(value: QoSProfile | int) -> QoSProfile:
    """A profile as given, or the default one with that depth.

    Raises:
        TypeError: neither a profile nor an integer.
    """
    if isinstance(value, QoSProfile):
        return value
    if isinstance(value, int):
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
    depth=10,
    reliability=ReliabilityPolicy.BEST_AVAILABLE,
    durability=DurabilityPolicy.BEST_AVAILABLE,
    deadline=DeadlineBestAvailable,
    liveliness=LivelinessPolicy.BEST_AVAILABLE,
    liveliness_lease_duration=LivelinessLeaseDurationeBestAvailable,
)
qos_profile_unknown = QoSProfile(
    history=HistoryPolicy.UNKNOWN,
    reliability=ReliabilityPolicy.UNKNOWN,
    durability=DurabilityPolicy.UNKNOWN,
    liveliness=LivelinessPolicy.UNKNOWN,
)
qos_profile_action_status_default = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
qos_profile_rosout_default = QoSProfile(
    depth=1000, durability=DurabilityPolicy.TRANSIENT_LOCAL, lifespan=Duration(seconds=10)
)


class QoSPresetProfiles(_ShortKeys, Enum):
    UNKNOWN = qos_profile_unknown
    DEFAULT = qos_profile_default
    SYSTEM_DEFAULT = qos_profile_system_default
    SENSOR_DATA = qos_profile_sensor_data
    SERVICES_DEFAULT = qos_profile_services_default
    PARAMETERS = qos_profile_parameters
    PARAMETER_EVENTS = qos_profile_parameter_events
    ACTION_STATUS_DEFAULT = qos_profile_action_status_default
    BEST_AVAILABLE = qos_profile_best_available

    @classmethod
    def get_from_short_key(cls, name: str) -> QoSProfile:
        return cls[name.upper()].value
