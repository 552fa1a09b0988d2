# SPDX-License-Identifier: Apache-2.0
"""A recipe that trains in seconds, and a packed batch for the networks of network_support."""

from functools import cache

import torch
from network_support import END, IMAGE, PAD, PROPRI, START

from wall_oss_ros.model.positions import multimodal_positions
from wall_oss_ros.training.losses import Batch
from wall_oss_ros.training.packing import pack
from wall_oss_ros.training.recipe import Recipe, load_recipe

SMALL = {
    "hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1,
    "intermediate_size": 64, "mrope_section": [4, 4, 4],
    "experts": [
        {"hidden_size": 48, "intermediate_size": 64, "hidden_act": "silu"},
        {"hidden_size": 48, "intermediate_size": 64, "hidden_act": "silu"},
    ],
    "vision_config": {
        "depth": 2, "hidden_size": 32, "intermediate_size": 48, "num_heads": 2, "window_size": 56,
        "fullatt_block_indexes": [1], "out_hidden_size": 48,
    },
}  # fmt: skip


tiny = cache(lambda: load_recipe("tiny"))


def small_recipe(dagger_episodes: int = 0) -> Recipe:
    recipe = tiny().model_dump()
    recipe["model"] |= SMALL
    recipe["data"] |= {"episodes": 4, "posed_frames": 100, "held_out": 16}
    recipe["vision"] |= {"steps": 2, "batch": 4}
    stage = recipe["stages"][-1] | {"steps": 2, "batch": 4, "warmup": 0, "decay": 0, "dagger_episodes": 0}
    recipe["stages"] = [
        stage | {"name": "first"},
        stage | {"name": "second", "dagger_episodes": dagger_episodes, "dagger_share": 0.5},
    ]
    return Recipe.model_validate(recipe)


PREFIX = [2, START, *[IMAGE] * 4, END]
HORIZON, WIDTH = 4, 20
LANGUAGE = [("ask", [10, 11], [12, 13]), ("ask", [14], [15])]
ACTING = [[20, PROPRI, 21], [22, PROPRI]]


def packed_batch(model, rows: int = 2, draws: int = 2, acting=ACTING, language=LANGUAGE) -> Batch:
    generator = torch.Generator().manual_seed(1)
    grid = torch.tensor([[1, 4, 4]])
    positions = multimodal_positions(model.config, torch.tensor([PREFIX]), grid)[:, 0].numpy()
    count = len(acting)
    mask = torch.zeros(WIDTH)
    mask[:7] = 1
    return Batch(
        packed=pack(
            [(PREFIX, positions)] * rows,
            [language] * rows,
            [[(prompt, []) for prompt in acting]] * rows,
            draws if count else 0,
            HORIZON,
            PAD,
        ),
        pixel_values=torch.randn(16 * rows, 1176, generator=generator),
        image_grid_thw=grid.repeat(rows, 1),
        pictures=torch.ones(rows, dtype=torch.long),
        state=torch.randn(rows, WIDTH, generator=generator),
        state_mask=mask.expand(rows, -1),
        actions=torch.randn(rows, count, HORIZON, WIDTH, generator=generator),
        dof_mask=mask,
    )


class Samples:
    """A dataset that is only asked how large it is."""

    def __init__(self, count: int, held_out: int = 16):
        self.count, self.held_out = count, held_out

    def __len__(self) -> int:
        return self.count
