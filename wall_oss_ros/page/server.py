# SPDX-License-Identifier: Apache-2.0
"""The server that browsers fetch the page from."""

from __future__ import annotations

import socket

import viser

from wall_oss_ros.errors import WallOSSError


def open_server(host: str, port: int) -> viser.ViserServer:
    """The page's server on exactly that port; viser itself would take the next free one.

    Raises:
        WallOSSError: the port is taken or may not be used.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise WallOSSError(
                f"Port {port} of {host} cannot be used for the page: {error.strerror}.",
                "Choose another with the parameter or option port.",
            ) from None
    return viser.ViserServer(host=host, port=port, label="WALL-OSS", verbose=False)
