# SPDX-License-Identifier: Apache-2.0
"""Exceptions with rclpy's names, and those that say what of ROS 2 is not here."""

from __future__ import annotations

from typing import Any

_ONLY_IN_RCLPY = {
    "handle", "is_cft_enabled", "set_content_filter", "get_content_filter", "get_clients_info_by_service",
    "get_servers_info_by_service",
}  # fmt: skip


class NotOffered(Exception):
    """Something of ROS 2 that the embedded library does not have."""


class NotOfferedModule(NotOffered, ModuleNotFoundError):
    def __init__(self, name: str):
        super().__init__(
            f"{name} is not part of the embedded library, which stands in because ROS 2 is not installed. "
            "Source a ROS 2 installation to use it; docs/embedded.md lists what is offered.",
            name=name,
        )


class NotOfferedName(NotOffered, AttributeError):
    """Of a module: its attribute, or the class of an interface."""


class NotOfferedInterface(NotOffered, ImportError):
    """No such message, service or action."""


class NotOfferedFeature(NotOffered, NotImplementedError):
    def __init__(self, feature: str):
        super().__init__(f"The embedded library does not offer {feature}; ROS 2's own rclpy does.")


class NamesWhatIsMissing:
    """Mixed into nodes and what they own: rclpy's attributes that have no counterpart here are refused by name."""

    def __getattr__(self, name: str) -> Any:
        where = f"{type(self).__name__}.{name}"
        if name in _ONLY_IN_RCLPY:
            raise NotOfferedName(f"The embedded library does not offer {where} (see docs/embedded.md).")
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}", name=name, obj=self)


class NotInitializedException(Exception):
    """rclpy.init has not been called, or shutdown has."""

    def __init__(self, *args):
        super().__init__("rclpy.init() has not been called", *args)


class NodeNameNonExistentError(RuntimeError):
    """The graph has no node of that name."""


class InvalidHandle(RuntimeError):
    """Something was used after it had been destroyed."""


class UnsupportedEventTypeError(RuntimeError):
    """An event of which the middleware does not tell."""


class NoTypeSupportImportedException(Exception):
    """A class that is not a message, service or action was given where one was expected."""


class NameValidationException(Exception):
    """A node, namespace, topic or service name that ROS 2 does not allow."""

    _kind = "name"

    def __init__(self, name: str, error_msg: str, invalid_index: int = 0):
        text = f"Invalid {self._kind}: {error_msg}:\n  '{name}'\n   {' ' * invalid_index}^"
        super().__init__(text)
        self.name, self.reason = name, error_msg


class InvalidNamespaceException(NameValidationException):
    _kind = "namespace"


class InvalidNodeNameException(NameValidationException):
    _kind = "node name"


class InvalidTopicNameException(NameValidationException):
    _kind = "topic name"


class InvalidServiceNameException(NameValidationException):
    _kind = "service name"


class ParameterException(Exception):
    """Base of the errors about parameters; its arguments are a message and the parameters concerned."""

    def __str__(self) -> str:
        text, *concerned = self.args or ("",)
        names = [concerned[0]] if concerned and isinstance(concerned[0], (str, list)) else []
        named = all(str(name) in text for name in names)  # most texts have them
        return text if named else f"{text}: {concerned[0]}"


class ParameterNotDeclaredException(ParameterException):
    def __init__(self, parameters, *args):
        super().__init__("Invalid access to undeclared parameter(s)", parameters, *args)


class ParameterAlreadyDeclaredException(ParameterException):
    def __init__(self, parameters, *args):
        super().__init__("Parameter(s) already declared", parameters, *args)


class InvalidParameterException(ParameterException):
    def __init__(self, parameter, *args):
        super().__init__("Invalid parameter name", parameter, *args)


class InvalidParameterTypeException(ParameterException):
    def __init__(self, desired_parameter, expected_type, *args):
        super().__init__(
            f"Trying to set parameter '{desired_parameter.name}' to '{desired_parameter.value}' of type "
            f"'{desired_parameter.type_.name}', expecting type '{expected_type}'",
            desired_parameter,
            *args,
        )


class InvalidParameterValueException(ParameterException):
    def __init__(self, parameter, value, reason, *args):
        text = f"Invalid parameter value ({value}) for parameter '{parameter}'. Reason: {reason}"
        super().__init__(text, parameter, *args)


class ParameterImmutableException(ParameterException):
    def __init__(self, parameter, *args):
        super().__init__("Attempted to modify read-only parameter", parameter, *args)


class ParameterUninitializedException(ParameterException):
    def __init__(self, parameter, *args):
        super().__init__(f"The parameter '{parameter}' is not initialized", parameter, *args)


class ROSInterruptException(Exception):
    """A sleep was cut short by shutdown."""

    def __init__(self, *args):
        super().__init__("rclpy.shutdown() has been called", *args)
