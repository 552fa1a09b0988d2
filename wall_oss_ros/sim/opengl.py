# SPDX-License-Identifier: Apache-2.0
"""Which OpenGL library draws the pictures when there is no display: EGL, else OSMesa."""

from __future__ import annotations

import ctypes
import os

from wall_oss_ros.errors import WallOSSError

PACKAGES = "libegl1 libgl1-mesa-dri libosmesa6"
_EGL_PLATFORM_DEVICE = 0x313F


def _loads(*names: str) -> ctypes.CDLL | None:
    for name in names:
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue
    return None


def egl_works() -> bool:
    """Whether some EGL device opens. It is asked through ctypes: PyOpenGL cannot change its mind once imported."""
    egl = _loads("libEGL.so.1")
    if egl is None:
        return False
    address = egl.eglGetProcAddress
    address.restype, address.argtypes = ctypes.c_void_p, [ctypes.c_char_p]
    query, display = address(b"eglQueryDevicesEXT"), address(b"eglGetPlatformDisplayEXT")
    if not query or not display:
        return False
    query = ctypes.CFUNCTYPE(ctypes.c_uint, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)(query)
    display = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_uint, ctypes.c_void_p, ctypes.c_void_p)(display)
    initialize, terminate = egl.eglInitialize, egl.eglTerminate
    initialize.argtypes, terminate.argtypes = [ctypes.c_void_p] * 3, [ctypes.c_void_p]
    devices, count = (ctypes.c_void_p * 16)(), ctypes.c_int(0)
    if not query(16, devices, ctypes.byref(count)):
        return False
    for device in devices[: count.value]:
        handle = display(_EGL_PLATFORM_DEVICE, device, None)
        if handle and initialize(handle, None, None):
            terminate(handle)
            return True
    return False


def osmesa_works() -> bool:
    """Whether the OSMesa library is there."""
    return _loads("libOSMesa.so.8", "libOSMesa.so.6", "libOSMesa.so") is not None


def choose_backend() -> str:
    """Sets ``MUJOCO_GL`` unless the user did: ``egl``, ``osmesa`` or ``disabled`` (physics still runs). Returns it."""
    chosen = os.environ.get("MUJOCO_GL", "").lower()
    if not chosen:
        chosen = "egl" if egl_works() else "osmesa" if osmesa_works() else "disabled"
        os.environ["MUJOCO_GL"] = chosen
    return chosen


def no_rendering(cause: str) -> WallOSSError:
    """The error to raise when pictures are asked for and nothing can draw them."""
    return WallOSSError(
        f"No OpenGL library for off-screen rendering works on this machine ({cause}).",
        f"Install one with: sudo apt-get install -y --no-install-recommends {PACKAGES}, and leave MUJOCO_GL unset.",
    )
