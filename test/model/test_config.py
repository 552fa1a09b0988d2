# SPDX-License-Identifier: Apache-2.0
"""config.json as other people write it: right types or a refusal that names the key."""

import copy
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.model import ExpertConfig, NoiseConfig, VisionConfig, WallOSSConfig
from wall_oss_ros.model.config import load_preset, preset_names
from wall_oss_ros.paths import data_path

TINY = json.loads((Path(__file__).parents[1] / "reference" / "tiny_a" / "config.json").read_text())
KNOWN = {
    **TINY,
    "views": ["face_view"], "action_rate_hz": 10.0, "image_size": 112, "action_horizon": 8, "known_words": ["cube"],
    "sampling_temperature": 0.5, "use_fast_tokenizer": False, "prediction_mode": "fast", "action_tokenizer_path": "a/b",
    "norm_moe": False, "causal_action_attention_mask": True, "use_x_loss": False, "propri_token_id": 5,
    "action_token_id": 6, "noise_scheduler": {"beta_alpha": 1.5, "beta_beta": 1.0, "s": 0.9,
                                              "num_inference_timesteps": 5, "time_formula": "(1 - b) * s"},
    "text_config": {"initializer_range": 0.02}, "rope_parameters": {"rope_theta": 1e6, "rope_type": "default"},
    "dtype": "bfloat16", "model_type": "wall", "head_dim": 16, "max_window_layers": 3,
}  # fmt: skip
"""The reference's config.json, with the keys that it leaves out."""
JUNK = ["x", "1", "false", "", 1.5, 7, -1, True, False, [], [1], [[]], [None], {}, {"a": 1}, {"a": {}}, 1e400, "\ud800"]


def paths(values, prefix=()):
    """The places of all values in it, objects and lists too."""
    for key, value in values.items() if isinstance(values, dict) else enumerate(values):
        yield (*prefix, key)
        if isinstance(value, (dict, list)):
            yield from paths(value, (*prefix, key))


def placed(path, value) -> dict:
    changed = copy.deepcopy(KNOWN)
    inner = changed
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return changed


def kind(value) -> str:
    if isinstance(value, bool) or value is None:
        return str(type(value))
    return {int: "number", float: "number", str: "text", list: "list", dict: "object"}[type(value)]


def at(values, path):
    for key in path:
        values = values[key]
    return values


def test_the_whole_of_it_is_read():
    config = WallOSSConfig.from_dict(KNOWN)
    assert config.noise_scheduler == NoiseConfig(1.5, 1.0, 0.9, 5) and config.causal_action_attention_mask
    assert WallOSSConfig.from_dict(config.to_dict()) == config


@pytest.mark.parametrize("path", list(paths(KNOWN)), ids=lambda path: ".".join(map(str, path)))
def test_a_value_of_another_type_is_refused_by_its_name(path):
    good = at(KNOWN, path)
    for junk in JUNK:
        whole = type(good) is int and path[-1] != "tokens_per_second"
        wrong = kind(junk) != kind(good) or junk == 1e400 or (whole and type(junk) is float)
        try:
            WallOSSConfig.from_dict(placed(path, junk))
        except WallOSSError as error:
            assert "config.json: " in error.message and error.hint
            if wrong:
                assert str(next(key for key in reversed(path) if isinstance(key, str))) in error.message, error.message
        else:
            assert not wrong, junk


LEAVES = st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=3)


@given(
    st.recursive(
        LEAVES, lambda some: st.lists(some, max_size=3) | st.dictionaries(st.sampled_from(sorted(KNOWN)), some)
    )
)
def test_nothing_but_a_refusal_comes_of_anything_else(values):
    with pytest.raises(WallOSSError):
        WallOSSConfig.from_dict(values)
    changes = values if isinstance(values, dict) else dict.fromkeys(("experts", "vision_config", "views"), values)
    try:
        WallOSSConfig.from_dict({**KNOWN, **changes}).to_dict()
    except WallOSSError:
        pass


@pytest.mark.parametrize(
    "change, message",
    [
        ({"rope_scaling": {"type": "linear", "factor": 2.0, "mrope_section": [2, 3, 3]}}, "rope_scaling.type 'linear'"),
        ({"rope_scaling": {"rope_type": "yarn", "mrope_section": [2, 3, 3]}}, "rope_scaling.rope_type 'yarn'"),
        ({"rope_scaling": {"type": "mrope", "factor": 2.0, "mrope_section": [2, 3, 3]}}, "rope_scaling.factor is 2.0"),
        ({"rope_parameters": {"rope_theta": 5.0}}, "rope_theta is 5.0, but rope_theta is 1000000.0"),
        ({"rope_theta": -1.0}, "rope_theta is -1.0"),
        ({"rms_norm_eps": 0}, "rms_norm_eps is 0"),
        ({"action_rate_hz": float("nan")}, "action_rate_hz is nan"),
        ({"eos_token_id": -5}, "eos_token_id is -5"),
        ({"num_hidden_layers": 10**30}, "num_hidden_layers is 1000"),
        ({"views": []}, "views is"),
        ({"views": ["face_view", "face_view"]}, "twice"),
        ({"num_experts": 3}, "num_experts"),
        ({"head_dim": 64}, "head_dim"),
        ({"hidden_act": "gelu"}, "hidden_act 'gelu' is unknown"),
        ({"layer_types": ["full_attention", "sliding_attention"]}, "layer_types.1 'sliding_attention'"),
        ({"quantization_config": {"load_in_8bit": True}}, "quantization_config"),
        ({"use_sliding_window": 0}, "use_sliding_window is 0"),
        ({"agent_pos_config": {}}, "agent_pos_config is {}"),
        ({"sampling_temperature": -1}, "sampling_temperature is -1"),
        ({"vision_config": {**TINY["vision_config"], "window_size": 14}}, "window_size 14"),
        ({"vision_config": {**TINY["vision_config"], "fullatt_block_indexes": [-1]}}, "fullatt_block_indexes"),
    ],
)
def test_what_would_change_the_network_unseen_is_refused(change, message):
    with pytest.raises(WallOSSError) as found:
        WallOSSConfig.from_dict({**TINY, **change})
    assert message in found.value.message


@pytest.mark.parametrize(
    "change",
    [
        {"rope_scaling": {"type": "mrope", "rope_type": "default", "mrope_section": [2, 3, 3]}},
        {"rope_scaling": None, "rope_parameters": {"rope_type": "default", "mrope_section": [2, 3, 3]}},
        {"torch_dtype": "bfloat16", "architectures": ["A"], "transformers_version": "5.0", "mot_opt": {"x": [1]}},
        {"sliding_window": 32768, "attention_bias": True, "noise_scheduler": {"t_eps": 0.001, "s": 0.999}},
    ],
)
def test_what_changes_nothing_is_kept(change):
    config = WallOSSConfig.from_dict({**TINY, **change})
    assert {**vars(config), "extra": 0} == {**vars(WallOSSConfig.from_dict(TINY)), "extra": 0}
    assert config.extra.keys() >= change.keys() - {"rope_scaling", "rope_parameters", "noise_scheduler"}


@pytest.mark.parametrize("name", preset_names())
def test_released_configs_load(name):
    assert load_preset(name).num_hidden_layers == 36


@pytest.mark.parametrize("model", ["wall-oss-tiny", "wall-oss-tiny-dual-arm"])
def test_shipped_configs_are_written_as_they_are_read(model):
    path = data_path(f"models/{model}") / "config.json"
    config = WallOSSConfig.from_file(path)
    assert WallOSSConfig.from_dict(config.to_dict()) == config


@pytest.mark.parametrize(
    "text, message",
    [
        ("[" * 100_000 + "]" * 100_000, "nested more than 100 levels"),
        ('{"a": ' * 500 + "1" + "}" * 500, "nested more than 100 levels"),
        ('{"hidden_size": 32, "hidden_size": 64}', "'hidden_size' is there twice"),
        ("9" * 5000, "cannot be read as JSON"),
        ("{", "cannot be read as JSON"),
        ("\ufeff{}", "cannot be read as JSON"),
        ("[]", "it holds a list; an object was expected"),
        ("null", "it holds a NoneType"),
    ],
)
def test_files_that_are_no_config_are_refused(tmp_path, text, message):
    (tmp_path / "config.json").write_text(text, encoding="utf-8")
    with pytest.raises(WallOSSError, match=message):
        WallOSSConfig.from_file(tmp_path / "config.json")


@pytest.mark.parametrize(
    "build, message",
    [
        (lambda: WallOSSConfig(views=[]), "views is"),
        (lambda: ExpertConfig("32", 48), "hidden_size is '32'"),
        (lambda: VisionConfig(depth=0), "depth is 0"),
        (lambda: NoiseConfig(s=2.0), "s is 2.0"),
        (lambda: WallOSSConfig(colour=1), "colour is 1; it is not known what that would change"),
    ],
)
def test_parts_are_checked_when_they_are_made(build, message):
    with pytest.raises(WallOSSError, match=message):
        build()
