"""Every backbone × every verbalizer on tiny random models."""

from __future__ import annotations

import pytest
from families import with_scales
from llm_world import BACKBONES, SETTINGS, TITLES, make_catalogue

from engine.config import LLMConfig
from engine.data.catalogue import Catalogue
from engine.llm import Backbone, Prompts, SoftPrompt


@pytest.fixture(params=BACKBONES)
def backbone(request: pytest.FixtureRequest) -> Backbone:
    made = BACKBONES[request.param](0)
    with_scales(made.model)
    return made


@pytest.fixture(params=SETTINGS)
def setting(request: pytest.FixtureRequest) -> LLMConfig:
    return SETTINGS[request.param]


@pytest.fixture
def catalogue() -> Catalogue:
    return make_catalogue(TITLES)


@pytest.fixture
def prompts(catalogue: Catalogue) -> Prompts:
    return Prompts("movie", "SASRec", catalogue)


@pytest.fixture
def soft_prompt(backbone: Backbone) -> SoftPrompt:
    return SoftPrompt.from_vocabulary(backbone, 5, seed=3)
