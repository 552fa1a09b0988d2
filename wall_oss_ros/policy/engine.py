"""Inference for one robot: the observation's prefix once, then words and actions on top of it, without masks.

Exact, because the prefix is causal and sees neither words nor actions that come later; an action token sees everything.
"""

from __future__ import annotations

import torch
from torch import Tensor

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.model import KVCache, WallOSS
from wall_oss_ros.policy.processor import Prefix


class Engine:
    """Holds the keys and values of one observation. Not thread-safe; :class:`Policy` locks it."""

    def __init__(self, model: WallOSS, capacity: int = 1024):
        """Args: capacity: tokens to allocate for; grows when a prompt needs more."""
        self.model = model.eval()
        self._cache: KVCache = model.new_cache(1, capacity)
        self._pending: tuple[Tensor, Tensor] | None = None  # embeddings and positions of a prefix not run yet
        self._size = 0  # tokens of the prefix
        self._next = 0  # position of what follows it

    @torch.inference_mode()
    def observe(self, prefix: Prefix) -> None:
        """Takes a new observation; its prefix runs together with the first prompt on it."""
        model = self.model
        prepared = model.prepare(
            {
                "input_ids": prefix.input_ids.to(model.device),
                "pixel_values": prefix.pixel_values.to(model.device),
                "image_grid_thw": prefix.image_grid_thw,
            }
        )
        self._cache.truncate(0)
        self._pending = (prepared.embeds, prepared.positions)
        self._size = prepared.embeds.shape[1]
        self._next = int(prepared.positions.max()) + 1

    def _positions(self, start: int, count: int) -> Tensor:
        return torch.arange(start, start + count, device=self.model.device).expand(3, 1, -1)

    def _prompt(
        self, suffix: list[int], more: int, state: Tensor | None = None, state_mask: Tensor | None = None
    ) -> Tensor:
        """Runs the suffix behind the prefix. Returns the hidden state of its last token (1, H).

        Args:
            more: tokens that will follow.
            state, state_mask: (A,), for the proprioception token of the suffix.
        """
        if self._size == 0:
            raise WallOSSError("The policy was asked before it saw anything.", "Give it an observation first.")
        model = self.model
        ids = torch.tensor([suffix], device=model.device)
        embeds, positions = model.embed_tokens(ids), self._positions(self._next, len(suffix))
        if state is not None:
            where = ids == model.config.propri_token_id
            if int(where.sum()) != 1:
                raise WallOSSError(
                    "The acting prompt needs exactly one <|propri|> token.", "Use uni_cot.prompts.act_suffix."
                )
            embeds[where] = model.embed_state(state[None].to(model.device), state_mask[None].to(model.device)).to(
                embeds.dtype
            )
        self._reserve(self._size + len(suffix) + more)
        if self._pending is not None:
            embeds = torch.cat((self._pending[0], embeds), dim=1)
            positions = torch.cat((self._pending[1], positions), dim=2)
            self._cache.truncate(0)
        else:
            self._cache.truncate(self._size)
        hidden = model.decode(embeds, positions, token_types=embeds.shape[1], cache=self._cache, causal=True)
        self._pending = None
        return hidden[:, -1]

    def _reserve(self, tokens: int) -> None:
        if tokens <= self._cache.capacity:
            return
        old, kept = self._cache, min(self._cache.length, self._size)
        self._cache = self.model.new_cache(1, 2 * tokens)
        self._cache.keys[..., :kept, :] = old.keys[..., :kept, :]
        self._cache.values[..., :kept, :] = old.values[..., :kept, :]
        self._cache.length = kept

    @torch.inference_mode()
    def generate(self, suffix: list[int], max_new_tokens: int) -> list[int]:
        """Greedy token ids behind the prefix and this suffix, up to the end token, which is left out.

        Raises:
            WallOSSError: a logit is not finite.
        """
        model, words = self.model, []
        hidden = self._prompt(suffix, max_new_tokens)
        position = self._next + len(suffix)
        while True:
            logits = model.logits(hidden)
            if not torch.isfinite(logits).all():
                raise WallOSSError(
                    "The model computed logits that are not finite.", "Check the checkpoint and the observation."
                )
            word = int(logits.argmax())
            if word == model.config.eos_token_id:
                return words
            words.append(word)
            if len(words) >= max_new_tokens:
                return words
            embed = model.embed_tokens(torch.tensor([[word]], device=model.device))
            hidden = model.decode(embed, self._positions(position, 1), token_types=1, cache=self._cache)[:, -1]
            position += 1

    @torch.inference_mode()
    def act(
        self, suffix: list[int], state: Tensor, state_mask: Tensor, dof_mask: Tensor, noise: Tensor, steps: int
    ) -> Tensor:
        """One action chunk by Euler steps from noise (t = 0) to action (t = 1).

        Args:
            state, state_mask: (A,), normalised.
            dof_mask: (A,), which degrees of freedom are alive.
            noise: (horizon, A), standard normal.

        Returns:
            (horizon, A) float32, normalised, on the CPU.

        Raises:
            WallOSSError: the result is not finite.
        """
        model, horizon = self.model, noise.shape[0]
        self._prompt(suffix, horizon, state, state_mask)
        seen = self._cache.length
        positions = self._positions(self._next + len(suffix), horizon)
        actions = noise[None].to(model.device, torch.float32)
        mask = dof_mask.to(model.device).expand_as(actions)
        times = torch.arange(steps, device=model.device) / steps
        for index in range(steps):
            tokens = model.embed_actions(actions, mask, times[index])
            hidden = model.decode(tokens, positions, token_types=0, cache=self._cache)
            self._cache.truncate(seen)
            actions = actions + model.velocity(hidden).float() / steps
        if not torch.isfinite(actions).all():
            raise WallOSSError(
                "The model computed actions that are not finite.", "Check the checkpoint and the observation."
            )
        return actions[0].cpu()
