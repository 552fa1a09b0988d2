"""WALL-OSS: a vision-language model and an action expert that share one attention (arXiv 2509.11766).

A batch is a dictionary of tensors: input_ids, attention_mask, moe_token_types and labels (B, L); pixel_values
(patches, 3*2*14*14) and image_grid_thw (images, 3); proprioception and agent_pos_mask (B, 1, A); dof_mask,
action_chunk and noise (B, horizon, A); time (B,). What a method does not need may be left out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.model.cache import KVCache
from wall_oss_ros.model.config import WallOSSConfig
from wall_oss_ros.model.decoder import Decoder
from wall_oss_ros.model.flow import ActionPreprocessor, sample_time
from wall_oss_ros.model.rope import multimodal_positions
from wall_oss_ros.model.sampling import generate, sample_actions
from wall_oss_ros.model.token_choice import TokenChoice
from wall_oss_ros.model.vision import VisionTower

Batch = Mapping[str, Tensor]


@dataclass
class WallOSSOutput:
    """What :meth:`WallOSS.forward` computes; a loss is None where the batch has no target for it."""

    logits: Tensor  # (B, L, V)
    cross_entropy_loss: Tensor | None
    flow_loss: Tensor | None


@dataclass
class Prepared:
    """A batch as the decoder takes it."""

    embeds: Tensor  # (B, L, H), action tokens not filled in yet
    positions: Tensor  # (3, B, L)
    types: Tensor  # (B, L)
    alive: Tensor  # (B, L) bool, False for padding
    padded: bool


class WallOSS(nn.Module):
    """The network. Parameter names are those of the released checkpoints."""

    def __init__(self, config: WallOSSConfig, initialise: bool = True):
        super().__init__()
        self.config = config
        self.visual = VisionTower(config.vision)
        self.model = Decoder(config)
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.action_preprocessor = ActionPreprocessor(config)
        if config.tie_word_embeddings:
            self.lm_head.weight = self.model.embed_tokens.weight
        if initialise:
            self.initialise()

    @classmethod
    def from_pretrained(cls, path, device="cpu", dtype: torch.dtype | None = None) -> WallOSS:
        """Reads a folder, or a repository on the Hugging Face hub; see :mod:`wall_oss_ros.model.checkpoint`."""
        from wall_oss_ros.model.checkpoint import load

        return load(cls, path, device, dtype)

    def save_pretrained(self, path) -> None:
        """Writes config.json and model.safetensors into a folder."""
        from wall_oss_ros.model.checkpoint import save

        save(self, path)

    @torch.no_grad()
    def initialise(self) -> None:
        """Fresh weights: normal with variance 1 / inputs; a constant deviation fails at small widths.

        What adds to the residual stream starts smaller, so that depth does not grow it; embeddings start about as
        large as the vision tower's tokens.
        """
        for name, module in self.named_modules():
            if isinstance(module, (nn.Linear, nn.Conv3d)):
                std = module.weight[0].numel() ** -0.5
                if name.endswith(("o_proj", "attn.proj", "down_proj")):
                    depth = self.config.vision.depth if name.startswith("visual") else self.config.num_hidden_layers
                    std /= math.sqrt(2 * depth)
                nn.init.normal_(module.weight, std=std)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        tied = self.config.tie_word_embeddings
        nn.init.normal_(self.model.embed_tokens.weight, std=self.config.hidden_size**-0.5 if tied else 0.5)

    @property
    def device(self) -> torch.device:
        return self.lm_head.weight.device

    @property
    def dtype(self) -> torch.dtype:
        return self.lm_head.weight.dtype

    # Parts, for training and for the inference engine

    def encode_images(self, pixel_values: Tensor, image_grid_thw: Tensor) -> Tensor:
        """(patches, 3*2*14*14) and (images, 3) -> tokens of all images (image tokens, H)."""
        return self.visual(pixel_values, image_grid_thw)

    def position_ids(
        self, input_ids: Tensor, image_grid_thw: Tensor | None, attention_mask: Tensor | None = None
    ) -> Tensor:
        """(B, L), (images, 3), (B, L) -> positions in time, height and width (3, B, L)."""
        merge = self.config.vision.spatial_merge_size
        return multimodal_positions(input_ids, image_grid_thw, attention_mask, self.config.image_token_id, merge)

    def embed_tokens(self, input_ids: Tensor) -> Tensor:
        """(B, L) -> (B, L, H)."""
        return self.model.embed_tokens(input_ids)

    def embed_state(self, state: Tensor, mask: Tensor) -> Tensor:
        """Normalised state and its mask (..., A) -> proprioception tokens (..., H)."""
        return self.action_preprocessor.embed_state(state, mask)

    def embed_actions(self, noisy: Tensor, dof_mask: Tensor, t: Tensor) -> Tensor:
        """Noisy actions and mask (..., A) at flow time t, broadcastable to (...) -> action tokens (..., H)."""
        return self.action_preprocessor.embed_actions(noisy, dof_mask, t)

    def velocity(self, hidden: Tensor) -> Tensor:
        """(..., H) after the final norm -> velocities (..., A)."""
        return self.action_preprocessor.velocity(hidden)

    def logits(self, hidden: Tensor) -> Tensor:
        """(..., H) after the final norm -> (..., V)."""
        return self.lm_head(hidden)

    def decode(
        self,
        inputs_embeds: Tensor,
        position_ids: Tensor,
        attention_mask: Tensor | None = None,
        token_types: Tensor | int = 0,
        cache: KVCache | None = None,
        causal: bool = False,
    ) -> Tensor:
        """Runs the decoder.

        Args:
            inputs_embeds: (B, L, H).
            position_ids: (3, B, L).
            attention_mask: bool, broadcastable to (B, 1, L, cached + L), True where a query sees a key; None for all.
            token_types: (B, L) the expert of each token, or an int n: the first n positions are vision and language,
                the rest actions, which needs no gathering.
            cache: keys and values of earlier tokens, seen by the new ones, which are appended.
            causal: instead of a mask: each token sees the cached ones, itself and those before it.

        Returns:
            (B, L, H) after the final norm.
        """
        return self.model(inputs_embeds, position_ids, attention_mask, token_types, cache, causal)

    def new_cache(self, batch: int, capacity: int) -> KVCache:
        """Buffers for ``capacity`` tokens."""
        c = self.config
        return KVCache(c.num_hidden_layers, batch, c.num_key_value_heads, capacity, c.head_dim, self.device, self.dtype)

    def prepare(self, batch: Batch) -> Prepared:
        """Embeds a batch: words, images, proprioception.

        Raises:
            WallOSSError: the tokens for images or states in the text do not match what the batch brings.
        """
        ids = batch["input_ids"]
        alive = (
            batch["attention_mask"].bool()
            if batch.get("attention_mask") is not None
            else torch.ones_like(ids, dtype=torch.bool)
        )
        types = batch.get("moe_token_types")
        types = (ids == self.config.action_token_id).long() if types is None else types.long()
        grids = batch.get("image_grid_thw")
        embeds = self.embed_tokens(ids)
        if grids is not None:
            embeds = _fill(
                embeds, ids == self.config.image_token_id, self.encode_images(batch["pixel_values"], grids), "image"
            )
        if batch.get("proprioception") is not None:
            state = batch["proprioception"]
            states = self.embed_state(state, batch["agent_pos_mask"]).flatten(0, 1)
            embeds = _fill(embeds, ids == self.config.propri_token_id, states, "proprioception")
        positions = self.position_ids(ids, grids, alive)
        return Prepared(embeds, positions, types, alive, not bool(alive.all()))

    def attention_mask(self, prepared: Prepared) -> Tensor:
        """(B, 1, L, L) bool: causal, action tokens also see each other, nobody sees padding but itself."""
        length = prepared.types.shape[1]
        causal = torch.ones(length, length, dtype=torch.bool, device=prepared.types.device).tril()
        action = prepared.types == 1
        mask = (causal | (action[:, :, None] & action[:, None, :])) & prepared.alive[:, None, :]
        return (mask | torch.eye(length, dtype=torch.bool, device=mask.device))[:, None]

    # Whole batches

    def forward(self, batch: Batch, noise: Tensor | None = None, time: Tensor | None = None) -> WallOSSOutput:
        """Logits and both losses.

        Args:
            batch: see the module; ``labels`` gives the language loss, ``action_chunk`` the flow loss.
            noise: (B, horizon, A), standard normal; the batch's own, or fresh, when None.
            time: (B,) in [0, 1), 0 is noise; the batch's own, or sampled, when None.

        Returns:
            The flow loss is the mean of squared error times DoF mask, over every element.
        """
        prepared = self.prepare(batch)
        embeds, action = prepared.embeds, prepared.types == 1
        chunk, target = batch.get("action_chunk"), None
        if chunk is not None:
            if noise is None:
                noise = batch["noise"] if "noise" in batch else torch.randn_like(chunk)
            if time is None:
                time = (
                    batch["time"]
                    if "time" in batch
                    else sample_time(len(chunk), self.config.noise_scheduler, chunk.device)
                )
            t = time.view(-1, 1, 1)
            target = chunk - noise
            tokens = self.embed_actions((1 - t) * noise + t * chunk, batch["dof_mask"], time.view(-1, 1))
            embeds = _fill(embeds, action, tokens.flatten(0, 1), "action")
        hidden = self.decode(embeds, prepared.positions, self.attention_mask(prepared), prepared.types)
        logits = self.logits(hidden)
        cross_entropy = flow = None
        if batch.get("labels") is not None:
            cross_entropy = F.cross_entropy(
                logits[:, :-1].flatten(0, 1).float(), batch["labels"][:, 1:].flatten(), ignore_index=-100
            )
        if target is not None:
            velocity = self.velocity(hidden[action]).view_as(target)
            flow = ((velocity.float() - target) ** 2 * batch["dof_mask"]).mean()
        return WallOSSOutput(logits, cross_entropy, flow)

    @torch.inference_mode()
    def sample_actions(
        self, batch: Batch, noise: Tensor | None = None, steps: int | None = None, use_cache: bool = True
    ) -> Tensor:
        """Normalised action chunks (B, horizon, A); see :func:`wall_oss_ros.model.sampling.sample_actions`."""
        return sample_actions(
            self, batch, noise, steps or self.config.noise_scheduler.num_inference_timesteps, use_cache
        )

    @torch.inference_mode()
    def generate(
        self,
        batch: Batch,
        max_new_tokens: int = 64,
        eos: int | None = None,
        use_cache: bool = True,
        choose: TokenChoice | None = None,
    ) -> Tensor:
        """Words, one by one: ids (B, at most max_new_tokens); see :mod:`wall_oss_ros.model.sampling`.

        Args:
            choose: the likeliest token when None; sampling by temperature and top-p, or a restricted set of tokens, by
                :class:`~wall_oss_ros.model.token_choice.TokenChoice`.
        """
        eos = self.config.eos_token_id if eos is None else eos
        return generate(self, batch, max_new_tokens, eos, use_cache, choose or TokenChoice())


def _fill(embeds: Tensor, where: Tensor, values: Tensor, kind: str) -> Tensor:
    """Puts values (n, H), in order, at the n True places of where (B, L)."""
    room = int(where.sum())
    if room != len(values):
        raise WallOSSError(
            f"The text has {room} {kind} tokens, the batch brings {len(values)}.",
            f"Check the {kind} token's id in config.json and how the prompt was expanded.",
        )
    return embeds.masked_scatter(where.unsqueeze(-1), values.to(embeds.dtype))
