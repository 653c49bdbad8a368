"""What a language model is to DELRec: prompts with a soft prompt inside go in, states and likelihoods come out."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from transformers.pytorch_utils import Conv1D

from engine.backbones import STATE_SPACE
from engine.errors import StudioError
from engine.llm.activation_cache import ActivationCache
from engine.llm.chat_template import ChatFrame
from engine.llm.encoder import Encoded, PromptEncoder
from engine.llm.prompts import Prompt
from engine.subsets import places_in
from engine.transfer import to_device

if TYPE_CHECKING:
    from engine.llm.fingerprint import BackboneFingerprint
    from engine.llm.title_encoder import TitleEncoder

Continuations = Sequence[Sequence[Sequence[int]]]
"""Token ids ``[B][m][length]``: for each prompt of a batch, the texts whose likelihood is asked; lengths >= 1."""

ALL_LINEAR = "all-linear"
"""The word for every linear module in the lists of adapted ones, as in PEFT."""

LINEAR = (nn.Linear, Conv1D)
"""Modules that can be adapted; GPT-2's are of the second kind."""

TOKENS_AT_ONCE = 2048
"""Tokens of the vocabulary whose logits exist at the same time, so that they stay in the processor's cache."""
LOGITS_AT_ONCE = 1 << 24
"""Where an output layer cannot be split like that: numbers that exist at the same time."""


@dataclass(frozen=True)
class Embedded:
    """A batch ready for the model: ``inputs [B, T, width]`` padded on the right, ``lengths`` int64 ``[B]``.

    ``slots``: places of each prompt that are asked, ascending; without them each is asked at its end.
    """

    inputs: Tensor
    lengths: Tensor
    slots: tuple[tuple[int, ...], ...] = ()

    @property
    def padding_mask(self) -> Tensor | None:
        """bool ``[B, T]``, true at real tokens; ``None`` where no prompt is padded."""
        T = self.inputs.shape[1]
        if bool((self.lengths == T).all()):
            return None
        return torch.arange(T, device=self.lengths.device) < self.lengths[:, None]


def _again(forward: Callable[..., Any]) -> Callable[..., Any]:
    """``forward``, which a backward pass calls once more."""

    def asked(*args: Any, **kwargs: Any) -> Any:
        if not torch.is_grad_enabled():
            return forward(*args, **kwargs)
        return checkpoint(forward, *args, use_reentrant=False, **kwargs)

    return asked


class _Reached(Exception):
    """Ends a forward pass where its lower blocks have run, with their ``states``."""

    def __init__(self, states: Tensor) -> None:
        super().__init__()
        self.states = states


class Backbone(nn.Module, ABC):
    """A frozen language model of one family, in evaluation mode.

    ``model`` may be replaced by a PEFT wrapper of itself. Shapes below: B prompts of at most T tokens, m continuations.

    Args:
        model: a Hugging Face model of the family.
        tokenizer: its tokenizer.
        name: as configured.
        source: where the weights came from, for the record of a run.
        context: most tokens of a prompt.
        frame: of the run that prompts belong to; ``None`` makes it.
    """

    family: str
    """Its kind, by name in :data:`engine.backbones.BACKBONES`."""
    left_to_right: bool
    """Whether what a text's beginning is asked does not depend on how it goes on: every place of it can be asked."""
    default_targets: tuple[tuple[str, ...], ...]
    """Modules that AdaLoRA adapts by default, query and value projections, as families call them: the first that are
    there, or else all linear ones."""

    def __init__(
        self, model: Any, tokenizer: Any, name: str, source: str, context: int, frame: ChatFrame | None = None
    ) -> None:
        super().__init__()
        self.model = model.requires_grad_(False).eval()
        self.tokenizer = tokenizer
        self.name = name
        self.source = source
        self.context = context
        self.encoder = PromptEncoder(tokenizer, name, context, self.family, len(self.embedding().weight), frame)
        self.tokens = self.encoder.tokens
        self.log: Callable[[str], None] = lambda _: None
        """Hears what the reader of a run's log must know."""
        self.record: BackboneFingerprint | None = None
        """Of this model as it was loaded."""
        self.checkpointing = False
        """Whether blocks are computed again in backward passes, see :meth:`checkpoint_blocks`."""
        self.title_encoder: TitleEncoder | None = None
        """What reads titles for their vectors in the place of this model."""

    @property
    def encoder_decoder(self) -> bool:
        """Whether an encoder reads the prompt and a decoder answers."""
        return self.encoder.encoder_decoder

    @property
    def width(self) -> int:
        """Size of embeddings and of the states at the answer slot."""
        return int(self.embedding().weight.shape[1])

    @property
    def dtype(self) -> torch.dtype:
        return self.embedding().weight.dtype

    @property
    def device(self) -> torch.device:
        return self.embedding().weight.device

    def embedding(self) -> nn.Embedding:
        """The input embeddings ``[vocabulary, width]``."""
        embedding: nn.Embedding = self._core().get_input_embeddings()
        return embedding

    @property
    def layer_count(self) -> int:
        """Blocks in the order in which a forward pass meets them; a decoder's come after its encoder's."""
        return len(self.layers())

    def encode(self, prompt: Prompt, soft_tokens: int = 0) -> Encoded:
        """The prompt as this model reads it: see :meth:`PromptEncoder.encode`."""
        return self.encoder.encode(prompt, soft_tokens)

    def embed_tokens(self, ids: Tensor) -> Tensor:
        """``[..., width]`` for int64 ``ids [...]``, as the first block gets them where Transformers is given ids."""
        return cast(Tensor, self.embedding()(ids))

    def embed(self, batch: Sequence[Encoded], soft: Tensor | None = None) -> Embedded:
        """Embed and pad prompts, with ``soft [k, width]`` (any float dtype) at its places; differentiable in it."""
        ids = nn.utils.rnn.pad_sequence([encoded.ids for encoded in batch], True, self.encoder.pad_id)
        inputs = self.embed_tokens(to_device(ids, self.device))
        if soft is not None:
            inputs = inputs.clone()
            for row, encoded in enumerate(batch):
                inputs[row, encoded.soft] = soft.to(inputs)
        lengths = to_device([len(encoded) for encoded in batch], self.device)
        return Embedded(inputs, lengths, tuple(encoded.slots for encoded in batch))

    def prove(self, length: int = 0) -> None:
        """Make sure that texts of up to ``length`` tokens are read as Transformers itself reads them.

        Raises:
            StudioError: they are not.
        """

    def checkpoint_blocks(self) -> None:
        """From now on what blocks make of prompts is computed again in backward passes instead of being kept."""
        self.checkpointing = True
        for name in self.layers():
            block = self._core().get_submodule(name)
            block.forward = _again(block.forward)

    def layers_below(self, top_layers: int | None) -> int:
        """Blocks below the last ``top_layers``, which are those with adapters; ``None``: all have them."""
        return 0 if top_layers is None else self.layer_count - top_layers

    def cache_activations(self, cache: ActivationCache | None) -> None:
        """Keep in ``cache`` what the blocks that it names make of rows, as long as their weights stay; ``None``: no
        more. Where a prompt's rows are not packed, nothing is kept."""

    @abstractmethod
    def answer_states(self, batch: Embedded) -> Tensor:
        """Hidden state at the answer slot after the final norm, ``[B, width]`` in the model's dtype; differentiable."""

    @abstractmethod
    def slot_states(self, batch: Embedded) -> Tensor:
        """The same at each of the batch's slots, prompt after prompt: ``[slots, width]``."""

    @abstractmethod
    def continuation_logprobs(
        self, batch: Embedded, continuations: Continuations, vocabulary: Tensor | None = None
    ) -> Tensor:
        """Log-likelihood of each text behind its prompt, summed over its tokens: float32 ``[B, m]``; differentiable.

        The prompt runs once; all continuations follow in one row that shares it, and do not see each other.

        Args:
            vocabulary: int64, ascending: the tokens that are possible, those of the continuations among them; ``None``:
                all.
        """

    def lower_states(self, inputs: Tensor, depth: float) -> Tensor:
        """What the lower blocks make of texts ``inputs [B, T, width]``, none of them padding: same shape.

        Args:
            depth: how far up, as a share of the blocks that read texts; the rest of them does not run.
        """
        stack = self._reading_blocks()
        level = max(1, round(depth * len(stack)))

        def stop(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            raise _Reached(args[0] if args else kwargs["hidden_states"])

        if level == len(stack):
            return self._read_whole(inputs)
        hook = stack[level].register_forward_pre_hook(stop, with_kwargs=True)
        try:
            self._read_whole(inputs)
        except _Reached as reached:
            return reached.states
        finally:
            hook.remove()
        raise AssertionError("a block did not run")

    @abstractmethod
    def _reading_blocks(self) -> nn.ModuleList:
        """The blocks that read texts, in their order."""

    @abstractmethod
    def _read_whole(self, inputs: Tensor) -> Tensor:
        """What all of them make of texts ``[B, T, width]`` without padding, by Transformers' forward pass."""

    @abstractmethod
    def layers(self) -> list[str]:
        """Dotted names of the blocks inside the model, in the order of the forward pass."""

    @property
    def output_scale(self) -> float:
        """Factor between the answer state and the output embeddings."""
        return 1.0

    @property
    def linear_head(self) -> bool:
        """Whether logits are the product of states and :meth:`output_matrix`; some models cap, scale or shift them."""
        return True

    def output_matrix(self) -> Tensor:
        """Output embeddings ``[vocabulary, width]``, detached."""
        result: Tensor = self._core().get_output_embeddings().weight.detach() * self.output_scale
        return result

    def logits(self, states: Tensor) -> Tensor:
        """The model's own logits ``[N, vocabulary]`` of ``states [N, width]``; differentiable in these."""
        logits: Tensor = (states * self.output_scale) @ self._core().get_output_embeddings().weight.T
        return logits

    def adapter_targets(self, targets: Sequence[str] = (), top_layers: int | None = None) -> list[str]:
        """Full names of the linear modules called ``targets`` in the last ``top_layers`` blocks, for PEFT's config.

        Args:
            targets: last parts of module names; empty takes :attr:`default_targets`, :data:`ALL_LINEAR` all of them.
            top_layers: ``None`` takes all blocks.

        Raises:
            StudioError: no such module, or fewer blocks than asked for.
        """
        if top_layers is not None and top_layers > self.layer_count:
            raise StudioError(
                f"{self.name} has {self.layer_count} layers, not {top_layers}",
                where="finetune.top_layers",
                remedy="lower it, or leave it empty for all",
            )
        blocks = tuple(f"{name}." for name in self.layers()[-(top_layers or self.layer_count) :])
        linear = [
            name
            for name, module in self._core().named_modules()
            if isinstance(module, LINEAR) and name.startswith(blocks)
        ]
        if self._core().config.model_type in STATE_SPACE:
            linear = [name for name in linear if not name.endswith(".out_proj")]
        known = {name.rpartition(".")[2] for name in linear}
        default = next((set(names) for names in self.default_targets if known.issuperset(names)), known)
        selected = known if ALL_LINEAR in targets else set(targets) or default
        if missing := sorted(selected - known):
            raise StudioError(
                f"{self.name} has no module {missing[0]!r} to adapt",
                where="finetune.targets",
                remedy=f"choose from {', '.join(sorted(known))}",
            )
        return [name for name in linear if name.rpartition(".")[2] in selected]

    @contextlib.contextmanager
    def without_adapter(self) -> Iterator[None]:
        """The base model from the same weights, while an adapter may be attached."""
        with self.model.disable_adapter() if hasattr(self.model, "disable_adapter") else contextlib.nullcontext():
            yield

    def _target_logprobs(self, states: Tensor, targets: Tensor, vocabulary: Tensor | None = None) -> Tensor:
        """Log-probability of ``targets [N]`` among the ``vocabulary`` under ``states [N, width]``: float32 ``[N]``;
        bounded memory."""
        if vocabulary is not None:
            targets = places_in(vocabulary, targets)
        if not self.linear_head:
            return self._own_logprobs(states, targets, vocabulary)
        head = self._core().get_output_embeddings().weight
        head = head if vocabulary is None else head[vocabulary]
        states = states * self.output_scale

        def normaliser(states: Tensor, tokens: Tensor) -> Tensor:
            return (states @ tokens.T).float().logsumexp(1)

        parts = [
            checkpoint(normaliser, states, tokens, use_reentrant=False)
            if states.requires_grad
            else normaliser(states, tokens)
            for tokens in head.split(TOKENS_AT_ONCE)
        ]
        result: Tensor = (states.float() * head[targets].float()).sum(1) - torch.stack(parts, dim=1).logsumexp(1)
        return result

    def _own_logprobs(self, states: Tensor, targets: Tensor, vocabulary: Tensor | None) -> Tensor:
        """The same with the model's own output layer; ``targets`` count within the vocabulary."""

        def of_part(states: Tensor, targets: Tensor) -> Tensor:
            logits = self.logits(states) if vocabulary is None else self.logits(states)[:, vocabulary]
            return logits.float().log_softmax(1).gather(1, targets[:, None]).squeeze(1)

        size = max(1, LOGITS_AT_ONCE // len(self.output_matrix()))
        parts = zip(states.split(size), targets.split(size), strict=True)
        return torch.cat([checkpoint(of_part, *part, use_reentrant=False) for part in parts])

    def _core(self) -> Any:
        """The model itself, out of PEFT's wrapper; adapters are injected into its modules."""
        return self.model.get_base_model() if hasattr(self.model, "get_base_model") else self.model
