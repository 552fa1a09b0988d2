# SPDX-License-Identifier: Apache-2.0
"""A recipe that trains in seconds."""

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


def small_recipe(dagger_episodes: int = 0) -> Recipe:
    recipe = load_recipe("tiny").model_dump()
    recipe["model"] |= SMALL
    recipe["data"] |= {"episodes": 4, "posed_frames": 100, "held_out": 16}
    recipe["vision"] |= {"steps": 2, "batch": 4}
    stage = recipe["stages"][-1] | {"steps": 2, "batch": 4, "warmup": 0, "decay": 0, "dagger_episodes": 0}
    recipe["stages"] = [
        stage | {"name": "first"},
        stage | {"name": "second", "dagger_episodes": dagger_episodes, "dagger_share": 0.5},
    ]
    return Recipe.model_validate(recipe)
