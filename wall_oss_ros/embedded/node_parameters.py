# SPDX-License-Identifier: Apache-2.0
"""The parameters of a node: declaring, getting and setting, with rclpy's rules."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from wall_oss_ros.embedded.exceptions import (
    InvalidParameterException,
    InvalidParameterTypeException,
    InvalidParameterValueException,
    ParameterAlreadyDeclaredException,
    ParameterImmutableException,
    ParameterNotDeclaredException,
    ParameterUninitializedException,
)
from wall_oss_ros.embedded.interfaces import get_interface
from wall_oss_ros.embedded.parameter import Parameter, nearly_equal, range_refusal


class NodeParameters:
    """Mixed into Node; keeps declared parameters and their descriptors."""

    def _init_parameters(self, overrides: dict[str, Any], allow_undeclared: bool) -> None:
        self._parameters: dict[str, Parameter] = {}
        self._descriptors: dict[str, Any] = {}
        self._parameter_overrides = {name: Parameter(name, value=value) for name, value in overrides.items()}
        self._allow_undeclared_parameters = allow_undeclared
        self._pre_set_callbacks: list[Callable] = []
        self._on_set_callbacks: list[Callable] = []
        self._post_set_callbacks: list[Callable] = []

    # Declaring

    def declare_parameter(
        self, name: str, value: Any = None, descriptor: Any = None, ignore_override: bool = False
    ) -> Parameter:
        """Declares a parameter; a value given on the command line or in a file goes before `value`.

        Args:
            name: the parameter's name.
            value: default value, or a `Parameter.Type` for one that must be given from outside.
            descriptor: rcl_interfaces/ParameterDescriptor: description, read_only, ranges, dynamic_typing.
            ignore_override: do not look for a value from outside.

        Raises:
            ParameterAlreadyDeclaredException, InvalidParameterException, InvalidParameterTypeException,
            InvalidParameterValueException: as their names say.
        """
        return self.declare_parameters("", [(name, value, descriptor)], ignore_override)[0]

    def declare_parameters(
        self, namespace: str, parameters: list[tuple], ignore_override: bool = False
    ) -> list[Parameter]:
        """Declares several: tuples of name, value, descriptor, of which the last two may be missing."""
        made: list[tuple[Parameter, Any]] = []
        for entry in parameters:
            name, value, descriptor = (*entry, None, None)[:3]
            if not isinstance(name, str):
                raise TypeError(f"Expected str type for name, got {name!r}")
            full = f"{namespace}.{name}" if namespace else name
            made.append(self._prepare_declaration(full, value, descriptor, ignore_override, len(entry) > 1))
        for parameter, descriptor in made:
            self._descriptors[parameter.name] = descriptor
            result = self._apply([parameter], declaring=True)
            if not result.successful:
                del self._descriptors[parameter.name]
                if result.reason.startswith("Wrong parameter type"):
                    raise InvalidParameterTypeException(parameter, Parameter.Type(descriptor.type).name)
                raise InvalidParameterValueException(parameter.name, parameter.value, result.reason)
        return [self._parameters[parameter.name] for parameter, _ in made]

    def _prepare_declaration(
        self, name: str, value: Any, descriptor: Any, ignore_override: bool, has_value: bool
    ) -> tuple[Parameter, Any]:
        if name in self._parameters:
            raise ParameterAlreadyDeclaredException(name)
        if not name:
            raise InvalidParameterException(name)
        # A copy: declaring fills in name and type, and one descriptor may serve several parameters.
        descriptor = copy.deepcopy(descriptor or get_interface("rcl_interfaces", "msg", "ParameterDescriptor")())
        descriptor.name = name
        override = None if ignore_override else self._parameter_overrides.get(name)
        if isinstance(value, Parameter.Type):
            if value is Parameter.Type.NOT_SET:
                raise ValueError(f"Cannot declare parameter {name!r} as statically typed of type NOT_SET")
            if descriptor.dynamic_typing:
                raise ValueError(f"Parameter {name!r} is declared with a type, but its typing is dynamic")
            descriptor.type = value.value
            return override or Parameter(name), descriptor
        initial = Parameter(name, value=value)
        if initial.type_ is Parameter.Type.NOT_SET:
            descriptor.dynamic_typing = descriptor.dynamic_typing or not has_value or descriptor.type == 0
        elif not descriptor.dynamic_typing:
            descriptor.type = initial.type_.value
        return override or initial, descriptor

    def undeclare_parameter(self, name: str) -> None:
        """Forgets a parameter; raises ParameterNotDeclaredException or ParameterImmutableException (read-only)."""
        if name not in self._parameters:
            raise ParameterNotDeclaredException(name)
        if self._descriptors[name].read_only:
            raise ParameterImmutableException(name)
        del self._parameters[name], self._descriptors[name]

    def has_parameter(self, name: str) -> bool:
        return name in self._parameters

    # Getting

    def get_parameter(self, name: str) -> Parameter:
        """A parameter.

        Raises:
            ParameterNotDeclaredException: not declared (unless undeclared ones are allowed: then NOT_SET).
            ParameterUninitializedException: declared with a type only, and no value was given.
        """
        if name in self._parameters:
            parameter = self._parameters[name]
            if parameter.type_ is Parameter.Type.NOT_SET and not self._descriptors[name].dynamic_typing:
                raise ParameterUninitializedException(name)
            return parameter
        if self._allow_undeclared_parameters:
            return Parameter(name)
        raise ParameterNotDeclaredException(name)

    def get_parameters(self, names: list[str]) -> list[Parameter]:
        if not all(isinstance(name, str) for name in names):
            raise TypeError("All names must be instances of type str")
        return [self.get_parameter(name) for name in names]

    def get_parameter_or(self, name: str, alternative_value: Parameter | None = None) -> Parameter:
        """The parameter, or the alternative where it is not declared or has no value."""
        if name in self._parameters and self._parameters[name].type_ is not Parameter.Type.NOT_SET:
            return self._parameters[name]
        return alternative_value if alternative_value is not None else Parameter(name)

    def get_parameters_by_prefix(self, prefix: str) -> dict[str, Parameter]:
        """Parameters below a prefix, by the rest of their names."""
        start = f"{prefix}." if prefix else ""
        return {name[len(start) :]: p for name, p in self._parameters.items() if name.startswith(start)}

    def get_parameter_type(self, name: str) -> Parameter.Type:
        return self.get_parameter(name).type_

    def get_parameter_types(self, names: list[str]) -> list[Parameter.Type]:
        if not all(isinstance(name, str) for name in names):
            raise TypeError("All names must be instances of type str")
        return [self.get_parameter_type(name) for name in names]

    def set_descriptor(self, name: str, descriptor: Any, alternative_value: Any = None) -> Any:
        """Gives a parameter another descriptor.

        Args:
            name: of the parameter; that in the descriptor is ignored.
            descriptor: rcl_interfaces/ParameterDescriptor, with the type unless typing is dynamic.
            alternative_value: rcl_interfaces/ParameterValue for it where its value does not comply.

        Returns:
            Its value then, as rcl_interfaces/ParameterValue.

        Raises:
            ParameterNotDeclaredException: not declared, and undeclared ones are not allowed.
            ParameterImmutableException: it is read-only.
            InvalidParameterValueException: neither value complies.
        """
        if name not in self._parameters:
            return self.get_parameter(name).get_parameter_value()  # or raises
        former = self._descriptors[name]
        if former.read_only:
            raise ParameterImmutableException(name)
        current = self.get_parameter(name)
        self._descriptors[name] = descriptor = copy.deepcopy(descriptor)
        descriptor.name = name
        if descriptor.dynamic_typing:
            descriptor.type = current.type_.value
        if self._refusal(current, declaring=True):
            message = get_interface("rcl_interfaces", "msg", "Parameter")
            given = current.get_parameter_value() if alternative_value is None else alternative_value
            alternative = Parameter.from_parameter_msg(message(name=name, value=given))
            result = self._apply([alternative], replacing=True)
            if not result.successful:
                self._descriptors[name] = former
                raise InvalidParameterValueException(name, alternative.value, result.reason)
        return self._parameters[name].get_parameter_value()

    def describe_parameter(self, name: str) -> Any:
        """Its descriptor; raises ParameterNotDeclaredException."""
        if name in self._descriptors:
            return self._descriptors[name]
        if self._allow_undeclared_parameters:
            return get_interface("rcl_interfaces", "msg", "ParameterDescriptor")()
        raise ParameterNotDeclaredException(name)

    def describe_parameters(self, names: list[str]) -> list[Any]:
        return [self.describe_parameter(name) for name in names]

    def list_parameters(self, prefixes: list[str], depth: int) -> Any:
        """Names below the prefixes, as rcl_interfaces/ListParametersResult; depth 0 has no limit."""
        result = get_interface("rcl_interfaces", "msg", "ListParametersResult")()
        names, found = [], set()
        for name in self._parameters:
            below = [p for p in prefixes if name == p or name.startswith(f"{p}.")]
            if prefixes and not below:
                continue
            base = max((p.count(".") + 1 for p in below), default=0)
            if depth == 0 or name.count(".") + 1 - base <= depth:
                names.append(name)
                if "." in name:
                    found.add(name.rpartition(".")[0])
        result.names, result.prefixes = names, sorted(found)
        return result

    # Setting

    def set_parameters(self, parameter_list: list[Parameter]) -> list[Any]:
        """Sets each on its own; the results (rcl_interfaces/SetParametersResult) say which were refused, and why.

        Raises:
            ParameterNotDeclaredException: one of them is not declared, and undeclared ones are not allowed.
        """
        self._check_declared(parameter_list)
        return [self._set_now([parameter]) for parameter in parameter_list]

    def set_parameters_atomically(self, parameter_list: list[Parameter]) -> Any:
        """Sets all or none; raises as `set_parameters`."""
        self._check_declared(parameter_list)
        return self._set_now(parameter_list)

    def _check_declared(self, parameters: list[Parameter]) -> None:
        for parameter in parameters:
            if not isinstance(parameter, Parameter):
                raise TypeError("parameter must be instance of type 'rclpy.parameter.Parameter'")
        missing = [p.name for p in parameters if p.name not in self._parameters]
        if missing and not self._allow_undeclared_parameters:
            raise ParameterNotDeclaredException(missing)

    def _set_now(self, parameters: list[Parameter]) -> Any:
        for callback in self._pre_set_callbacks:
            parameters = callback(parameters)
        return self._apply(parameters)

    def _apply(self, parameters: list[Parameter], declaring: bool = False, replacing: bool = False) -> Any:
        """Checks, asks the node's callbacks, and stores; or does nothing and says why."""
        result_class = get_interface("rcl_interfaces", "msg", "SetParametersResult")
        for parameter in parameters:
            reason = self._refusal(parameter, declaring or replacing)
            if reason:
                return result_class(successful=False, reason=reason)
        for callback in self._on_set_callbacks:
            result = callback(parameters)
            if not result.successful:
                return result
        for parameter in parameters:
            if parameter.type_ is Parameter.Type.NOT_SET and not declaring:
                self._parameters.pop(parameter.name, None)
                self._descriptors.pop(parameter.name, None)
                continue
            if parameter.name not in self._descriptors:
                descriptor = get_interface("rcl_interfaces", "msg", "ParameterDescriptor")
                self._descriptors[parameter.name] = descriptor(name=parameter.name, dynamic_typing=True)
            if self._descriptors[parameter.name].dynamic_typing:
                self._descriptors[parameter.name].type = parameter.type_.value
            self._parameters[parameter.name] = parameter
        self._parameters_changed(parameters, declaring)
        for callback in self._post_set_callbacks:
            callback(parameters)
        return result_class(successful=True)

    def _refusal(self, parameter: Parameter, declaring: bool) -> str:
        """Why a value is not acceptable; empty when it is."""
        descriptor = self._descriptors.get(parameter.name)
        if descriptor is None:
            return ""
        if descriptor.read_only and not declaring:
            return f"Trying to set a read-only parameter: {parameter.name}."
        if parameter.type_ is Parameter.Type.NOT_SET:
            if declaring or descriptor.dynamic_typing:
                return ""
            return "Static parameter cannot be undeclared"
        if not descriptor.dynamic_typing and descriptor.type != parameter.type_.value:
            expected = Parameter.Type(descriptor.type).name
            return f"Wrong parameter type, expected '{expected}' got '{parameter.type_.name}'"
        if parameter.type_ is Parameter.Type.INTEGER and descriptor.integer_range:
            return range_refusal(parameter, descriptor.integer_range[0], lambda a, b: a == b)
        if parameter.type_ is Parameter.Type.DOUBLE and descriptor.floating_point_range:
            return range_refusal(parameter, descriptor.floating_point_range[0], nearly_equal)
        return ""

    # Callbacks

    def add_on_set_parameters_callback(self, callback: Callable) -> None:
        """Before parameters are set: called with the list, returns a SetParametersResult that may refuse."""
        self._on_set_callbacks.insert(0, callback)

    def add_pre_set_parameters_callback(self, callback: Callable) -> None:
        """Before that: called with the list, returns the list to set instead."""
        self._pre_set_callbacks.insert(0, callback)

    def add_post_set_parameters_callback(self, callback: Callable) -> None:
        """After parameters were set: called with the list."""
        self._post_set_callbacks.insert(0, callback)

    def remove_on_set_parameters_callback(self, callback: Callable) -> None:
        self._on_set_callbacks.remove(callback)

    def remove_pre_set_parameters_callback(self, callback: Callable) -> None:
        self._pre_set_callbacks.remove(callback)

    def remove_post_set_parameters_callback(self, callback: Callable) -> None:
        self._post_set_callbacks.remove(callback)
