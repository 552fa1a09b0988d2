# SPDX-License-Identifier: Apache-2.0
"""A robot's cameras where they are not as its profile has them: other topics, other drivers, turned or cut pictures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from wall_oss_ros import strict_yaml
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.paths import data_path
from wall_oss_ros.robots.checked import checked, explain
from wall_oss_ros.robots.components import View
from wall_oss_ros.robots.profile import RobotProfile

PRESETS = "config/drivers/cameras"
_EXAMPLE = "Write {view: {field: value}}, such as {face_view: {image_topic: /front/image_raw, rotate: 180}}."
_FIXED = ("name", "prompt")  # the model's, not the camera's
_OF_PICTURES = ("depth_topic", "depth_info_topic", "rectified")
Value = str | bool | int | float  # as parameters have


class CameraDriver(BaseModel):
    """How a camera's driver is started: a node for each view, and the topics that it then publishes on.

    In all values ``{view}`` is the view's name and ``{device}`` what the user calls its camera.

    Attributes:
        package, executable: of the node.
        install: how to get the package.
        node, namespace: its name and namespace.
        device: the parameter that chooses the camera, and its value, after an = sign.
        default_device: which one where there is only one view and no choice was made; None leaves the parameter out.
        list_devices: how to find out what the cameras are called.
        parameters: of the node.
        view: fields of the profile's view: topics and frame.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    package: str
    executable: str
    install: str
    node: str
    namespace: str = ""
    device: Annotated[str, Field(pattern="^[^=]+=.+$")]
    default_device: str | None = None
    list_devices: str
    parameters: dict[str, Value] = Field(default_factory=dict)
    view: dict[str, Value]


class Cameras(BaseModel):
    """What a user says of the cameras.

    Attributes:
        driver: name of a preset in config/drivers/cameras, or the path of a file like those; None: they run already.
        views: by the view's name, fields of the profile's view; besides, ``device`` and ``parameters`` for the driver.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    driver: str | None = None
    views: dict[str, dict[str, Any]] = Field(default_factory=dict)


class CameraNode(BaseModel):
    """One camera driver to be started: names and parameters are filled in."""

    model_config = ConfigDict(frozen=True)

    view: str
    package: str
    executable: str
    install: str
    node: str
    namespace: str
    parameters: dict[str, Value]


def presets() -> list[str]:
    """Names of the camera drivers that are known."""
    return sorted(path.stem for path in data_path(PRESETS).glob("*.yaml"))


def read_cameras(given: str) -> Cameras:
    """Reads what was given: nothing, a preset's name, the path of a YAML file, or YAML itself within braces.

    Raises:
        WallOSSError: there is no such preset or file, or it does not say what it should.
    """
    text = given.strip()
    if not text:
        return Cameras()
    if not text.startswith("{"):
        if text in presets():
            return Cameras(driver=text)
        if not text.endswith((".yaml", ".yml")):
            raise WallOSSError(
                f"There are no cameras {text!r}.",
                f"Name one of {', '.join(presets())}, or the path of a YAML file, or write {{view: {{field: value}}}}.",
            )
        where, text = text, strict_yaml.read_text(text, "The cameras' file", _EXAMPLE)
    else:
        where = "What was given for the cameras"
    try:
        content = strict_yaml.load(text, where, _EXAMPLE)
        if not isinstance(content, dict):
            raise TypeError("a mapping was expected")
        if not content.keys() & Cameras.model_fields.keys():
            content = {"views": content}
        content["views"] = {name: fields or {} for name, fields in (content.get("views") or {}).items()}
        return checked(Cameras, content)
    except (TypeError, AttributeError, ValidationError) as error:
        raise WallOSSError(f"{where} does not describe cameras: {_cause(error)}.", _EXAMPLE) from error


def load_camera_driver(name: str) -> CameraDriver:
    """The driver of that name or in that file.

    Raises:
        WallOSSError: there is none, or the file does not describe one.
    """
    if not name.endswith((".yaml", ".yml")) and name not in presets():
        raise WallOSSError(
            f"There is no camera driver {name!r}.", f"Name one of {', '.join(presets())}, or a file like those."
        )
    path = Path(name) if name.endswith((".yaml", ".yml")) else data_path(PRESETS) / f"{name}.yaml"
    content = strict_yaml.read(path, "The camera driver")
    try:
        return checked(CameraDriver, content)
    except ValidationError as error:
        raise WallOSSError(
            f"{path} does not describe a camera driver: {_cause(error)}.", f"Compare it with those in {PRESETS}."
        ) from error


def with_cameras(profile: RobotProfile, given: str | Cameras) -> RobotProfile:
    """The profile with its views as ``read_cameras`` says; itself where nothing is said.

    Raises:
        WallOSSError: as ``read_cameras``; or a view is not the profile's, or has a field that is none or out of range.
    """
    cameras = read_cameras(given) if isinstance(given, str) else given
    names = [view.name for view in profile.views]
    if strange := [name for name in cameras.views if name not in names]:
        raise WallOSSError(
            f"The cameras name the view {', '.join(strange)}, which robot {profile.name} does not have.",
            f"Its views are {', '.join(names)}.",
        )
    if cameras.driver is None and not cameras.views:
        return profile
    driver = None if cameras.driver is None else load_camera_driver(cameras.driver)
    views = []
    for view in profile.views:
        said = {key: value for key, value in cameras.views.get(view.name, {}).items() if key not in _NODE_FIELDS}
        preset = {} if driver is None else _filled(driver.view, view.name, "")
        if fixed := [key for key in said if key in _FIXED]:
            raise WallOSSError(
                f"The {' and '.join(fixed)} of view {view.name} cannot be changed: the model knows it.", _EXAMPLE
            )
        kept, changed = view.model_dump(exclude_none=True), {**preset, **said}
        if "image_topic" in changed:  # another camera, and these were said of the former one
            kept = {key: value for key, value in kept.items() if key not in _OF_PICTURES}
        try:
            views.append(checked(View, {**kept, **changed}))
        except ValidationError as error:
            raise WallOSSError(f"The cameras' view {view.name} is not valid: {_cause(error)}.", _EXAMPLE) from error
    return profile.model_copy(update={"views": tuple(views)})


_NODE_FIELDS = ("device", "parameters")


def camera_nodes(profile: RobotProfile, cameras: Cameras) -> list[CameraNode]:
    """The drivers to start: none where no driver is named.

    Raises:
        WallOSSError: it is not said which camera is which, or one is there twice.
    """
    if cameras.driver is None:
        return []
    driver = load_camera_driver(cameras.driver)
    devices = {view.name: _device(cameras, view.name) for view in profile.views}
    if len(devices) == 1 and None in devices.values():
        devices = dict.fromkeys(devices, driver.default_device)
    elif missing := [view for view, device in devices.items() if device is None]:
        raise WallOSSError(
            f"Which camera is {' and which is '.join(missing)} is not known.",
            f"Give camera_devices:='{' '.join(f'{view}=...' for view in devices)}'; {driver.list_devices}.",
        )
    used = [device for device in devices.values() if device is not None]
    if len(set(used)) < len(used):
        raise WallOSSError(
            f"One camera was given for two views: {', '.join(f'{v}={d}' for v, d in devices.items())}.",
            "Each view has a camera of its own.",
        )
    nodes = []
    for view, device in devices.items():
        parameters = _filled(driver.parameters, view, device or "")
        if device is not None:
            key, _, value = driver.device.partition("=")
            parameters |= _filled({key: value}, view, device)
        parameters |= cameras.views.get(view, {}).get("parameters") or {}
        filled = _filled({"node": driver.node, "namespace": driver.namespace}, view, device or "")
        names = {key: str(text) for key, text in filled.items()}
        fixed = driver.model_dump(include={"package", "executable", "install"})
        nodes.append(CameraNode(view=view, parameters=parameters, **names, **fixed))
    return nodes


def with_devices(cameras: Cameras, text: str) -> Cameras:
    """The cameras with devices from words ``view=device``, with spaces between.

    Raises:
        WallOSSError: a word is not of this form.
    """
    pairs = [word.partition("=") for word in text.split()]
    if wrong := [word for word, sign, device in pairs if not (word and sign and device)]:
        raise WallOSSError(f"camera_devices has {wrong[0]!r}.", "Give view=device, with spaces between several.")
    views = {name: dict(fields) for name, fields in cameras.views.items()}
    for name, _, device in pairs:
        views.setdefault(name, {})["device"] = device
    return cameras.model_copy(update={"views": views})


def _device(cameras: Cameras, view: str) -> str | None:
    device = cameras.views.get(view, {}).get("device")
    return None if device is None else str(device)


def _filled(values: Mapping[str, Value], view: str, device: str) -> dict[str, Value]:
    words = {"{view}": view, "{device}": device}
    filled = dict(values)
    for key, value in values.items():
        if isinstance(value, str):
            for word, meant in words.items():
                value = value.replace(word, meant)
            filled[key] = value
    return filled


def _cause(error: Exception) -> str:
    if isinstance(error, ValidationError):
        return explain(error.errors()[0])
    return " ".join(str(error).split())
