# SPDX-License-Identifier: Apache-2.0
"""Inference for one robot: what has been seen and read already is kept, and only what is new runs.

Exact, because words and images are causal: a token's keys and values depend on nothing behind it. So they stay valid up
to the first token that differs from last time: the fixed words in front for ever, the views up to the first that has
changed, a whole observation for every prompt on it, and a prompt for the next chunk. Actions see everything and nothing
sees them, so a denoising step runs the action tokens alone, without a mask.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from itertools import combinations, islice

import torch
from torch import Tensor

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.model import WallOSS
from wall_oss_ros.model.arguments import NOISE, check_shape, flow_steps
from wall_oss_ros.model.positions import multimodal_positions
from wall_oss_ros.model.sampling import Guide, TokenChoice, generate_tokens, integrate
from wall_oss_ros.policy.linear import CastMatmuls
from wall_oss_ros.policy.pictures import Picture
from wall_oss_ros.policy.processor import Prefix
from wall_oss_ros.policy.runtime import CudaCapture, GraphCache, Runtime
from wall_oss_ros.policy.ways import Way, usual_way

NARROWEST = 32
"""Tokens behind the prefix, for which work is recorded: that many, twice that many, and so on."""


class Engine:
    """Holds the keys and values of one observation. Not thread-safe; :class:`Policy` locks it.

    Weights are read when it is built, and partly copied: changes after that do not all reach it.
    """

    def __init__(
        self,
        model: WallOSS,
        capacity: int = 1024,
        accelerate: bool = True,
        twin: Engine | None = None,
        way: Way | None = None,
    ):
        """
        Args:
            capacity: tokens to allocate for; grows when a prompt needs more.
            accelerate: on a GPU, compile the layers and record CUDA graphs.
            twin: one on the same model: weights are shared, and only what belongs to an observation is this one's own.
            way: how to compute; the twin's, or what is usual for the model's type and device, when None.

        Raises:
            WallOSSError: the model has adapters that are not merged.
        """
        self.model = model.eval()
        gpu = model.device.type == "cuda" and accelerate
        self.way: Way = way or (usual_way(model.dtype, model.device) if twin is None else twin.way)
        with torch.inference_mode():
            compiler, shared = torch.compile if gpu else None, None if twin is None else twin.runtime
            self.runtime: Runtime = Runtime(
                model, capacity, self.way.steps, compiler, shared, self.way.packed, self.way.whole
            )
        self.graphs = GraphCache(CudaCapture() if gpu else None)
        self._layout: tuple[list[int], list[list[int]]] | None = None  # ids and grids of the prefix
        self._places: list[slice] = []  # of each view's tokens
        self._views: list[Picture | None] = []  # what each showed last
        self._patches = torch.empty(0)  # of all views, where recordings find them
        self._prefix: list[object] = []  # a label for each token: equal labels behind equal labels mean equal keys
        self._ran: list[object] = []  # labels of the tokens whose keys and values are there
        self._next = 0  # position of what follows the prefix

    @contextmanager
    def computing(self) -> Iterator[None]:
        """Within it, the model and the runtime compute in this engine's way."""
        way = self.way
        cast = CastMatmuls(way.widen) if way.widen or way.steps != way.weights else nullcontext()
        with torch.inference_mode(), cast:
            yield

    def observe(self, prefix: Prefix) -> None:
        """Takes a new observation. Pictures that are not those of the last one are encoded, unless a twin has done so;
        the rest runs with a prompt."""
        with self.computing():
            ids, grids = prefix.input_ids[0].tolist(), prefix.image_grid_thw.tolist()
            if self._layout != (ids, grids):
                self._lay_out(prefix, ids, grids)
            changed = {view: new for view, new in enumerate(prefix.pictures) if new is not self._views[view]}
            for view in changed:
                self._views[view] = None  # should this fail half way, it is done again
            unseen = [view for view, picture in changed.items() if picture.tokens is None]
            if unseen:
                self._encode(unseen, prefix.pictures)
            for view, picture in changed.items():
                place = self._places[view]
                if view in unseen:
                    picture.tokens = self.runtime.embeds[0, place].clone()
                else:
                    self.runtime.embeds[0, place] = picture.tokens
                self._prefix[place] = [picture] * (place.stop - place.start)
                self._views[view] = picture

    def _lay_out(self, prefix: Prefix, ids: list[int], grids: list[list[int]]) -> None:
        """Everything about the prefix that does not depend on what the pictures show."""
        model, runtime = self.model, self.runtime
        positions = multimodal_positions(model.config, prefix.input_ids, prefix.image_grid_thw)[:, 0]  # (3, P)
        merge = model.config.vision.spatial_merge_size
        images = iter([i for i, token in enumerate(ids) if token == model.config.image_token_id])
        places = []
        for t, h, w in grids:
            tokens = list(islice(images, t * (h // merge) * (w // merge)))
            places.append(slice(tokens[0], tokens[-1] + 1))
        self._layout = None  # until all is in place
        self._prefix, self._places, self._next = list(ids), places, int(positions.max()) + 1
        self._reserve(len(ids))
        runtime.place(0, positions)
        self._place_following()
        runtime.embeds[0, : len(ids)] = model.model.embed_tokens(prefix.input_ids.to(model.device))[0]
        self._views = [None] * len(grids)
        self._patches = torch.cat([picture.patches for picture in prefix.pictures])
        self.graphs.clear()
        self._layout = (ids, grids)

    def _encode(self, views: list[int], pictures: list[Picture]) -> None:
        """Pictures of these views to tokens at their places."""
        sizes = [len(picture.patches) for picture in pictures]
        rows = [slice(sum(sizes[:view]), sum(sizes[: view + 1])) for view in range(len(sizes))]
        for view in views:
            self._patches[rows[view]] = pictures[view].patches
        whole = len(views) == len(sizes)
        grids = torch.tensor([pictures[view].grid for view in views])

        def encode() -> None:
            patches = self._patches if whole else torch.cat([self._patches[rows[view]] for view in views])
            tokens, start = self.runtime.see(patches, grids), 0
            for place in (self._places[view] for view in views):
                count = place.stop - place.start
                self.runtime.embeds[0, place] = tokens[start : start + count]
                start += count

        self.graphs.run(("vision", *views), encode)

    def _reserve(self, tokens: int) -> None:
        if tokens > self.runtime.capacity:
            self.runtime.grow(2 * tokens)
            self.graphs.clear()
            self._place_following()

    def _place_following(self) -> None:
        """Words and actions behind the prefix count on from its last position, as far as there is room."""
        begin = len(self._prefix)
        self.runtime.place(begin, torch.arange(self._next, self._next + self.runtime.capacity - begin).expand(3, -1))

    def _prompt(
        self,
        suffix: list[int],
        more: int,
        hidden: bool,
        state: Tensor | None = None,
        state_mask: Tensor | None = None,
    ) -> Tensor | None:
        """Runs what is new of prefix and suffix.

        Args:
            more: tokens that will follow.
            hidden: whether the last token's hidden state is wanted.
            state, state_mask: (A,), for the proprioception token of the suffix.

        Returns:
            (1, H) or None.
        """
        if self._layout is None:
            raise WallOSSError("The policy was asked before it saw anything.", "Give it an observation first.")
        model, begin = self.model, len(self._prefix)
        stop = begin + len(suffix)
        self._reserve(begin + self._width(len(suffix) + more) + self.runtime.actions.shape[1])
        embeds, labels = (
            model.model.embed_tokens(torch.tensor([suffix], device=model.device))[0],
            [*self._prefix, *suffix],
        )
        if state is not None:
            where = [i for i, token in enumerate(suffix) if token == model.config.propri_token_id]
            if len(where) != 1:
                raise WallOSSError(
                    "The acting prompt needs exactly one <|propri|> token.", "Use policy.prompts.act_suffix."
                )
            embeds[where[0]] = model.action_preprocessor.embed_state(
                state.to(model.device), state_mask.to(model.device)
            )
            labels[begin + where[0]] = (state.numpy().tobytes(), state_mask.numpy().tobytes())
        self.runtime.embeds[0, begin:stop] = embeds
        same = next((i for i, (new, old) in enumerate(zip(labels, self._ran)) if new != old), None)
        same = min(len(labels), len(self._ran)) if same is None else same
        self._ran = labels[:same]
        result, first = None, min(same, stop - 1) if hidden else same
        if self.graphs.capture is None:
            result = self._run(first, stop, hidden) if first < stop else None
        elif first < stop:
            if first < begin:  # from the view that has changed, so that few different beginnings are recorded
                cuts = [0, *(place.start for place in self._places)]
                self._run(max(cut for cut in cuts if cut <= first), begin, False)
            self.runtime.at.fill_(stop - 1)
            result = self._run(begin, begin + self._width(len(suffix)), hidden, padded=True)
        self._ran = labels
        return result

    def _width(self, count: int) -> int:
        """For how many tokens behind the prefix the work is done that ``count`` of them need. Recordings need few
        different lengths: what is too long is not looked at."""
        return count if self.graphs.capture is None else max(NARROWEST, 1 << (count - 1).bit_length())

    def _run(self, start: int, stop: int, hidden: bool, padded: bool = False) -> Tensor | None:
        return self.graphs.run(
            ("prefill", start, stop, hidden), lambda: self.runtime.prefill(start, stop, hidden, padded)
        )

    def _follow(self) -> Tensor:
        """The hidden state of the token behind all that ran."""
        place, begin = len(self._ran), len(self._prefix)
        if self.graphs.capture is None:
            return self._run(place, place + 1, True)
        room = begin + self._width(place + 1 - begin)
        self.runtime.at.fill_(place)
        return self.graphs.run(("token", room), lambda: self.runtime.placed_token(room))

    def generate(
        self,
        suffix: list[int],
        max_new_tokens: int,
        state: Tensor | None = None,
        state_mask: Tensor | None = None,
        choose: Callable[[Tensor], Tensor] | None = None,
    ) -> list[int]:
        """Token ids behind the prefix and this suffix, up to the end token, which is left out.

        Args:
            state, state_mask: (A,), for a suffix with a proprioception token.
            choose: which token comes next; the likeliest when None.

        Raises:
            WallOSSError: a logit is not finite.
        """
        model, eos = self.model, self.model.config.eos_token_id

        def advance(token: Tensor, _) -> Tensor:
            place = len(self._ran)
            self.runtime.embeds[0, place] = model.model.embed_tokens(token)[0]
            hidden = self._follow()
            self._ran.append(int(token))
            return model.lm_head(hidden)

        with self.computing():
            hidden = self._prompt(suffix, max_new_tokens, True, state, state_mask)
            choose = choose or TokenChoice()
            ids = generate_tokens(model.lm_head(hidden), advance, choose, max_new_tokens, eos, eos)[0].tolist()
        return ids[:-1] if ids[-1] == eos else ids

    def act(
        self,
        suffix: list[int],
        state: Tensor | None,
        state_mask: Tensor | None,
        dof_mask: Tensor,
        noise: Tensor,
        steps: int,
        guide: Guide | None = None,
    ) -> Tensor:
        """One action chunk by Euler steps from noise (t = 0) to action (t = 1).

        Args:
            state, state_mask: (A,), normalised; None where the suffix has the state in words.
            dof_mask: (A,), which degrees of freedom the robot has.
            noise: (horizon, A), standard normal.
            guide: takes the steps, where the chunk is to go on from another one.

        Returns:
            (horizon, A) float32, normalised, on the CPU.

        Raises:
            WallOSSError: a tensor has another shape, it is no number of steps, or the result is not finite.
        """
        runtime, config, steps = self.runtime, self.model.config, flow_steps(steps, self.model.config)
        check_shape("The noise", noise, tuple(runtime.actions.shape[1:]), NOISE)
        for name, mask in (("state", state), ("state_mask", state_mask)) if state is not None else ():
            check_shape(name, mask, (config.propri_dim,))
        check_shape("dof_mask", dof_mask, (config.action_dim,))
        with self.computing():
            self._prompt(suffix, len(noise), False, state, state_mask)
            runtime.actions.copy_(noise)
            runtime.stride.fill_(1 / steps)
            biases = runtime.flow.biases(dof_mask.to(runtime.device), steps)

            def advance(index: int) -> None:
                runtime.bias.copy_(biases[index])
                self._step()

            integrate(runtime.actions, steps, advance, guide)
            return runtime.actions[0].cpu().clone()

    def _step(self) -> None:
        start, begin = len(self._ran), len(self._prefix)
        if self.graphs.capture is None:
            self.graphs.run(("step", start), lambda: self.runtime.step(start))
            return
        room = begin + self._width(start - begin) + self.runtime.actions.shape[1]
        self.runtime.at.fill_(start)
        self.graphs.run(("step", room), lambda: self.runtime.placed_step(room))

    def warm_up(self, prefix: Prefix, longest: int) -> None:
        """Runs, and on a GPU records, what later prompts need, so that none of them is slow.

        Args:
            prefix: pictures of the sizes that the cameras give; what they show is forgotten.
            longest: tokens behind the prefix, of a prompt with what is said behind it. On a GPU, all up to it are
                recorded, and longer ones when they come.
        """
        token, horizon = int(prefix.input_ids[0, 0]), self.runtime.actions.shape[1]
        views = range(len(prefix.image_grid_thw))
        again = self.graphs.capture is not None
        subsets = [subset for size in views for subset in combinations(views, size + 1)] if again else [tuple(views)]
        widths = [self._width(1)]
        while again and widths[-1] < longest:
            widths.append(2 * widths[-1])
        self.observe(prefix)
        with self.computing():
            # Answers may be allowed more than they take, and nothing must move for that later.
            self._reserve(len(self._prefix) + 2 * widths[-1] + horizon)
            self._prompt([token], horizon, False)  # all of the prefix has run, whatever runs again below
        for _ in range(2 if again else 1):  # the first run of a kind sets up, the second records
            for subset in subsets:
                for view in subset:
                    self._views[view] = prefix.pictures[view].tokens = None
                self.observe(prefix)
            for place in self._places:
                self._ran = self._prefix[: place.start]
                with self.computing():
                    self._prompt([token], horizon, False)
            for width in widths:
                with self.computing():
                    for hidden in (False, True):
                        self._ran = self._prefix[:]
                        self._prompt([token] * width, horizon, hidden)
                    self._step()
                    self._ran.pop()
                    self._follow()
        self._views = [None for _ in views]
        self._ran = self._ran[: min((place.start for place in self._places), default=0)]
