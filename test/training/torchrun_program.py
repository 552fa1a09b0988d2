# SPDX-License-Identifier: Apache-2.0
"""What torchrun starts in test_sharded.py: wall-oss with recordings in memory, once for each line of arguments.

A file of arguments is a JSON list of {"arguments": [...], "kill": [rank, step], "machines": n}.
"""

import dataclasses
import json
import os
import signal
import sys
from functools import cache
from pathlib import Path
from types import SimpleNamespace

from recipe_support import lay_out

from wall_oss_ros.commands.main import main
from wall_oss_ros.training import distributed
from wall_oss_ros.training.trainer import Trainer

jobs = Path(sys.argv[1])
(jobs.parent / f"rank{os.environ['RANK']}").mkdir(exist_ok=True)
lay_out(jobs.parent / f"rank{os.environ['RANK']}", SimpleNamespace(setattr=setattr))
train_step, join, leave = Trainer._train_step, distributed.join, distributed.leave
joined = cache(join)  # once, for all jobs


def run(job: dict) -> int:
    def step(trainer, stage, within):
        if job.get("kill") == [int(os.environ["RANK"]), trainer.step]:
            os.kill(os.getpid(), signal.SIGKILL)
        return train_step(trainer, stage, within)

    def on_machines(device):
        processes = joined(device)
        return dataclasses.replace(processes, on_machine=processes.size // job.get("machines", 1))

    Trainer._train_step, distributed.join, distributed.leave = step, on_machines, lambda: None
    return main(job["arguments"])


status = max(run(job) for job in json.loads(jobs.read_text()))
leave()
sys.exit(status)
