# SPDX-License-Identifier: Apache-2.0
"""The losses of a packed batch: against their definitions written out, and against those of whole prompts."""

import numpy as np
import pytest
import torch
from network_support import ACTION, LINEAGE, small_model
from torch.nn import functional as F
from training_support import ACTING, HORIZON, LANGUAGE, PREFIX, WIDTH, packed_batch

from wall_oss_ros.model.flow import flow_loss, sample_time
from wall_oss_ros.training.losses import Batch, compute


def losses(model, batch: Batch, draws: int = 2, seed: int = 0):
    return compute(model, batch, draws, torch.Generator().manual_seed(seed))


def draws_of(model, batch: Batch, draws: int, seed: int = 0):
    """Times and noise as :func:`compute` draws them."""
    generator = torch.Generator().manual_seed(seed)
    rows, count = batch.actions.shape[:2]
    time = sample_time((rows, count, draws), model.config.noise_scheduler, generator=generator)
    return time, torch.randn(rows, count, draws, HORIZON, WIDTH, generator=generator)


@torch.no_grad()
@pytest.mark.parametrize("kind", LINEAGE)
@pytest.mark.parametrize("use_x_loss", [False, True])
def test_the_flow_loss_is_that_of_the_same_prompts_one_by_one(kind, use_x_loss):
    """Of the whole network on each prompt: sign, path, mask and weighting included."""
    model = small_model(**LINEAGE[kind], use_x_loss=use_x_loss)
    batch = packed_batch(model)
    time, noise = draws_of(model, batch, 2)
    alone = []
    for row in range(2):
        for branch, prompt in enumerate(ACTING):
            for draw in range(2):
                output = model(
                    {
                        "input_ids": torch.tensor([PREFIX + prompt + [ACTION] * HORIZON]),
                        "pixel_values": batch.pixel_values[16 * row : 16 * row + 16],
                        "image_grid_thw": batch.image_grid_thw[:1],
                        "proprioception": batch.state[row][None, None],
                        "agent_pos_mask": batch.state_mask[row][None, None],
                        "dof_mask": batch.dof_mask.expand(1, HORIZON, -1),
                        "action_chunk": batch.actions[row, branch][None],
                        "noise": noise[row, branch, draw][None],
                        "time": time[row, branch, draw][None],
                    }
                )
                alone.append(float(output.flow_loss))
    found = float(losses(model, batch).flow)
    assert found == pytest.approx(np.mean(alone) * WIDTH / 7, rel=1e-4)  # a mean over the entries that the robot has


def test_the_flow_loss_is_least_for_the_velocity_from_noise_to_action():
    model = small_model()
    noise, actions = torch.randn(2, HORIZON, WIDTH), torch.randn(2, HORIZON, WIDTH)
    mask, t = torch.ones(WIDTH), torch.full((2, 1, 1), 0.3)
    mask[3] = 0

    def loss(velocity, **changes):
        return float(
            flow_loss(velocity, noise, actions, mask, t, small_model(**changes).config if changes else model.config)
        )

    assert loss(actions - noise) == 0
    assert loss(noise - actions) == pytest.approx(float((4 * (actions - noise) ** 2 * mask).mean()), rel=1e-5)
    off = actions - noise
    off[..., 3] += 5  # an entry that the robot does not have
    assert loss(off) == 0
    off[..., 0] += 1
    assert loss(off) == pytest.approx(1 / WIDTH, rel=1e-4)
    assert loss(off, use_x_loss=True) == pytest.approx(0.7**2 / WIDTH, rel=1e-4)


@torch.no_grad()
def test_the_language_loss_is_of_the_answers_alone():
    model = small_model()
    batch = packed_batch(model, acting=[])
    found = losses(model, batch)
    assert float(found.flow) == 0
    expected = []
    for row in range(2):
        for _, prompt, answer in LANGUAGE:
            ids = torch.tensor([PREFIX + prompt + answer])
            images = {
                "pixel_values": batch.pixel_values[16 * row : 16 * row + 16],
                "image_grid_thw": batch.image_grid_thw[:1],
            }
            logits = model({"input_ids": ids, **images}).logits[0]
            expected += [F.cross_entropy(logits[-1 - n - 1], ids[0, -1 - n]) for n in range(len(answer))]
    assert float(found.cross_entropy) == pytest.approx(float(torch.stack(expected).mean()), rel=1e-4)


@pytest.mark.slow
def test_training_on_the_flow_loss_teaches_the_flow():
    """Down the loss, sampled actions come to be those that were shown; up, or with another sign, they would not."""
    model = small_model()
    batch = packed_batch(model, rows=1, acting=ACTING[:1], draws=8)
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    for step in range(100):
        loss = losses(model, batch, 8, seed=step).flow
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    prompt = {
        "input_ids": torch.tensor([PREFIX + ACTING[0] + [ACTION] * HORIZON]),
        "pixel_values": batch.pixel_values,
        "image_grid_thw": batch.image_grid_thw,
        "proprioception": batch.state[None],
        "agent_pos_mask": batch.state_mask[None],
        "dof_mask": batch.dof_mask.expand(1, HORIZON, -1),
    }
    noise = torch.randn(1, HORIZON, WIDTH, generator=torch.Generator().manual_seed(5))
    error = (model.sample_actions(prompt, noise)[0] - batch.actions[0, 0])[:, :7].abs().mean()
    assert error < 0.5 * batch.actions[0, 0, :, :7].abs().mean()
