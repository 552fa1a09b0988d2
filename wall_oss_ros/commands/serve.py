# SPDX-License-Identifier: Apache-2.0
"""Serves a model over websockets to other people's programs: openpi's client, or whatever asks in wall-x's form.

On this machine alone unless --host says otherwise; then clients must show a token (header Authorization: Bearer TOKEN),
which is read from --token-file or the variable WALL_OSS_TOKEN, or else made and printed. What to send, and what comes
back: docs/how-to/serve.md.

exit status: 0 ended by Ctrl-C or SIGTERM, 2 bad input

examples:
  wall-oss serve --robot franka
  wall-oss serve runs/mine --robot my_robot.yaml --view face_view=observation/image --mode plan
  wall-oss serve runs/mine --robot my_robot.yaml --mapping my_mapping.yaml --action-mode step
  wall-oss serve runs/mine --robot franka --host 0.0.0.0 --token-file ~/.wall_oss_token --device cuda
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys

from wall_oss_ros.commands.arguments import SEED_LIMIT, folder, number, text, whole
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.policy.number_types import HELP, NAMES, named

BYTES = 2**20
GRACE = 5.0  # s that the chunk under way has to end


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("checkpoint", nargs="?", type=text, metavar="CHECKPOINT", help="its folder, or owner/name on the hub"
        " (default: the one that ships for the robot)")  # fmt: skip
    add("--robot", type=text, default="franka", help="profile in config/robots, or a path (default: %(default)s)")
    add("--host", type=text, default="127.0.0.1", help="address to listen on; 0.0.0.0 for all (default: %(default)s)")
    add("--port", type=whole(0, 65535), action="append", metavar="P", help="openpi's clients ask at 8000, wall-x's at"
        " 32195; 0 takes a free one; may be given again (default: 8000)")  # fmt: skip
    add("--token-file", type=folder, metavar="FILE", help="with the token that clients must show")
    add("--mapping", type=text, metavar="FILE", help="what clients call views, state and actions, and their units, as"
        " recordings have it: in config/mappings, or a path")  # fmt: skip
    add("--view", type=text, action="append", default=[], metavar="VIEW=KEY", help="what clients call a view; may be"
        " given again")  # fmt: skip
    add("--action-mode", type=text, choices=("absolute", "relative", "step"), help="actions as targets, as"
        " displacements from the observed state, or from step to step (default: absolute, or what the mapping says)"
    )  # fmt: skip
    add("--mode", type=text, choices=("act", "subtask", "plan"), default="act", help="for requests that name none: move"
        " for the instruction as it is, for the subtask that the model names first, or for that of a plan (default:"
        " %(default)s)")  # fmt: skip
    add("--prompt", default="", metavar="TEXT", help="instruction for requests that have none")
    add("--device", type=text, default="cpu", help="torch device (default: %(default)s)")
    add("--dtype", type=text, choices=NAMES, default="auto", help=f"{HELP} (default: %(default)s)")
    add("--threads", type=whole(1, 4096), metavar="N", help="of torch on a CPU (default: torch's number, or"
        " fewer if these are measured faster)")  # fmt: skip
    add("--steps", type=whole(1, 1000), metavar="N", help="of the flow (default: the checkpoint's)")
    add("--seed", type=whole(0, SEED_LIMIT), metavar="S", help="of the noise, for chunks that can be repeated")
    add("--clients", type=whole(1, 1000), default=16, metavar="N", help="that may be connected at a time (default:"
        " %(default)s)")  # fmt: skip
    add("--largest", type=number(0.01, 1000), default=32.0, metavar="MB", help="request that is taken (default:"
        " %(default)s)")  # fmt: skip


def main(args: argparse.Namespace) -> int:
    """Serves until it is told to end.

    Raises:
        WallOSSError: no such checkpoint, robot, port or file, or numbers that make no sense.
    """
    from wall_oss_ros.policy.checkpoints import model_directory
    from wall_oss_ros.robots.layout import Layout
    from wall_oss_ros.robots.policy_robot import load_embodiment
    from wall_oss_ros.serving.access import is_loopback, read_token
    from wall_oss_ros.serving.mapped import read_keys
    from wall_oss_ros.serving.server import PolicyServer, ServerSettings

    ports = args.port or [8000]
    if len(set(ports)) < len(ports) and any(ports):
        raise WallOSSError("--port names one port twice.", "Name each once.")
    profile = load_embodiment(args.robot)
    keys = read_keys(args.mapping, Layout(profile), _views(args.view), args.action_mode)
    token, made = read_token(args.token_file, is_loopback(args.host))
    checkpoint = model_directory(args.checkpoint, profile)

    from wall_oss_ros.policy import Policy

    policy = Policy.from_pretrained(checkpoint, args.device, named(args.dtype), args.threads, profile=profile)
    policy.warm_up()
    settings = ServerSettings(
        args.host, tuple(ports), token, args.clients, int(args.largest * BYTES), args.mode, args.prompt, args.steps,
        args.seed,
    )  # fmt: skip
    server = PolicyServer(policy, profile, keys, settings)

    def ready(ports: list[int]) -> None:
        host = f"[{args.host}]" if ":" in args.host else args.host
        where = " and ".join(f"ws://{host}:{port}" for port in ports)
        if made:
            print(f"token: {token}")
        print(f"serving {policy.checkpoint} for {profile.full_name} on {where}; Ctrl-C ends it", flush=True)

    try:
        asyncio.run(_until_told(server, ready))
    finally:
        idle = server.close(GRACE)
    if not idle:  # a chunk that takes longer than anybody waits: the interpreter cannot end around it
        sys.stdout.flush()
        os._exit(0)
    return 0


def _views(pairs: list[str]) -> dict[str, str]:
    found = {}
    for pair in pairs:
        view, equals, key = pair.partition("=")
        if not (view and equals and key):
            raise WallOSSError(f"--view {pair} is no VIEW=KEY.", "Such as --view face_view=observation/image")
        found[view] = key
    return found


async def _until_told(server, ready) -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for signum in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signum, stop.set)
    await server.run(ready, stop)
