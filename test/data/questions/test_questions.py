# SPDX-License-Identifier: Apache-2.0
"""Files of conversations: forms, pictures, lines that cannot be used."""

import json
import logging

import numpy as np
import pytest
from PIL import Image

from wall_oss_ros.data.questions.source import PictureQuestions, dialogue
from wall_oss_ros.errors import WallOSSError

ASK = [{"from": "human", "value": "<image>\nWhat is this?"}, {"from": "gpt", "value": "A cup."}]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "pictures").mkdir()
    for name, size, colour in (("a.png", (64, 48), "red"), ("b.jpg", (64, 48), "green"), ("c.png", (40, 80), "blue")):
        Image.new("RGB", size, colour).save(tmp_path / "pictures" / name)
    turned = Image.new("RGB", (64, 48), "white")
    exif = turned.getexif()
    exif[0x0112] = 6
    turned.save(tmp_path / "pictures" / "turned.jpg", exif=exif)
    return tmp_path


def opened(folder, entries, lines: bool = True, **how) -> PictureQuestions:
    file = folder / "questions.jsonl"
    text = "\n".join(map(json.dumps, entries)) if lines else json.dumps(entries, indent=1)
    file.write_text(text)
    return PictureQuestions(file, folder / "pictures", **{"held_out": 0.0, **how})


def asked(data, index=0, turn=0) -> tuple[str, str]:
    prompt, answer = dialogue(data[index].turns[: turn + 1], (56, 56))
    begin = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n"
    assert prompt.startswith(begin) and prompt.endswith("<|im_end|>\n<|im_start|>assistant\n")
    shown = prompt.removeprefix(begin).removesuffix("<|im_end|>\n<|im_start|>assistant\n")
    return shown.replace("<|vision_start|><|image_pad|><|vision_end|>", "PICTURE"), answer


@pytest.mark.parametrize("lines", [True, False])
@pytest.mark.parametrize("entry, question", [
    ({"id": 1, "image": "a.png", "conversations": ASK}, "PICTURE\nWhat is this?"),
    ({"images": ["a.png"], "messages": [{"role": "user", "content": "What is this?"},
                                        {"role": "assistant", "content": "A cup."}]}, "PICTURE\nWhat is this?"),
    ({"messages": [{"role": "system", "content": "Be brief."},
                   {"role": "user", "content": [{"type": "image", "image": "file://a.png"},
                                                {"type": "text", "text": "What is this?"}]},
                   {"role": "assistant", "content": [{"type": "text", "text": "A cup."}]}]}, "PICTUREWhat is this?"),
    ({"image": ["a.png", "c.png"], "conversations": [
        {"from": "human", "value": "In <image> and in <image>: what is this?"}, ASK[1]]},
     "In PICTURE and in PICTURE: what is this?"),
    ({"image": "a.png", "conversations": [
        {"from": "human", "value": "<|vision_start|><|image_pad|><|vision_end|><|propri|>What<|im_end|>?"}, ASK[1]]},
     "PICTUREWhat?"),
])  # fmt: skip
def test_forms_of_llava_and_of_qwen(folder, entry, question, lines):
    data = opened(folder, [entry], lines)
    assert asked(data) == (question, "A cup.") and data[0].pictures[0] == folder / "pictures" / "a.png"
    assert data.shown(data[0])[0].shape == (196, 252, 3), "the released resizing"


def test_later_questions_come_with_what_was_said_before(folder):
    entry = {
        "image": "a.png",
        "conversations": [*ASK, {"from": "human", "value": "Its colour?"}, {"from": "gpt", "value": "Red."}],
    }
    data = opened(folder, [entry])
    between = "<|im_end|>\n<|im_start|>assistant\nA cup.<|im_end|>\n<|im_start|>user\n"
    assert asked(data, 0, 1) == (f"PICTURE\nWhat is this?{between}Its colour?", "Red.")


def test_points_are_in_pixels_of_the_picture_as_it_is_shown(folder):
    point = [ASK[0], {"from": "gpt", "value": "[32, 24]"}]
    data = opened(folder, [{"image": "a.png", "conversations": point}], space="pixels", image_size=56)
    assert asked(data)[1] == "<point>[28, 28]</point>" and data.shown(data[0])[0].shape == (56, 56, 3)
    data = opened(
        folder,
        [{"image": "turned.jpg", "conversations": [ASK[0], {"from": "gpt", "value": "[47, 63]"}]}],
        space="pixels",
    )
    assert data.shown(data[0])[0].shape[:2] == (252, 196), "turned as its EXIF says, and so are its coordinates"
    with pytest.raises(WallOSSError, match=r"line 1: point \[63, 47\] lies outside of a picture of 48 x 64"):
        opened(
            folder,
            [{"image": "turned.jpg", "conversations": [ASK[0], {"from": "gpt", "value": "[63, 47]"}]}],
            space="pixels",
        )


BAD = [
    ("[1]", "it is list, not an object"),
    ("{", "it is no JSON"),
    ('{"image": "a.png"}', "no conversations"),
    ('{"image": "a.png", "conversations": []}', "no conversations"),
    (json.dumps({"image": "gone.png", "conversations": ASK}), "there is no picture"),
    (json.dumps({"image": "", "conversations": ASK}), "the name of a picture is ''"),
    (json.dumps({"image": 7, "conversations": ASK}), "the name of a picture is 7"),
    (json.dumps({"image": "https://x.org/a.png", "conversations": ASK}), "is no file; fetch it first"),
    (json.dumps({"image": "data:image/png;base64,AAAA", "conversations": ASK}), "is no file; fetch it first"),
    (json.dumps({"conversations": [{"from": "human", "value": "Hello"}, ASK[1]]}), "it has no picture"),
    (json.dumps({"video": "a.mp4", "conversations": ASK}), "only pictures are read"),
    (json.dumps({"image": ["a.png", "b.jpg"], "conversations": ASK}), "2 pictures and 1 marks <image>"),
    (json.dumps({"image": "a.png", "conversations": ASK[:1]}), "not question and answer by turns"),
    (json.dumps({"image": "a.png", "conversations": [*ASK[::-1]]}), "not question and answer by turns"),
    (json.dumps({"image": "a.png", "conversations": [ASK[0], {"from": "gpt", "value": " "}]}), "answer 1 is empty"),
    (json.dumps({"image": "a.png", "conversations": [ASK[0], {"from": "gpt", "value": "<|a|>"}]}), "answer 1 is empty"),
    (json.dumps({"image": "a.png", "conversations": [ASK[0], {"from": "gpt"}]}), "message 2 has no text"),
    (json.dumps({"image": "a.png", "conversations": [{"from": "robot", "value": "x"}]}), "message 1 is by 'robot'"),
    (json.dumps({"image": "a.png", "conversations": ["x", "y"]}), "message 1 is str"),
    (json.dumps({"image": "a.png", "conversations": [ASK[0], {"from": "gpt", "value": "<point>[1, 2]</point>"}]}),
     "does not say in which coordinates"),
    ("[" * 100_000, "nested too deeply"),
]  # fmt: skip


@pytest.mark.parametrize("line, words", BAD)
def test_a_bad_line_is_named_with_file_and_line(folder, line, words, caplog):
    good = json.dumps({"image": "a.png", "conversations": ASK})
    file = folder / "questions.jsonl"
    file.write_text(f"\n{good}\n\n{line}\n{good}\n")
    with pytest.raises(WallOSSError) as caught:
        PictureQuestions(file, folder / "pictures")
    assert f"{file}: 1 of 3 entries cannot be used: line 4: " in str(caught.value) and words in str(caught.value)
    assert "\n" not in str(caught.value)
    with caplog.at_level(logging.WARNING):
        data = PictureQuestions(file, folder / "pictures", bad_lines="skip")
    assert len(data) == 2 and "line 4: " in caplog.text


def test_a_list_over_many_lines_names_the_line_too(folder):
    entries = [{"image": "a.png", "conversations": ASK}, {"image": "gone.png", "conversations": ASK}]
    text = json.dumps(entries, indent=1)
    line = text[: text.index("gone.png")].count("\n")  # where its brace opens
    with pytest.raises(WallOSSError, match=rf"1 of 2 entries cannot be used: line {line}: there is no picture"):
        opened(folder, entries, lines=False)
    file = folder / "broken.json"
    for broken in (text[:-8], text + "x", text.replace("},\n {", "}\n {")):
        file.write_text(broken)
        with pytest.raises(WallOSSError, match=r"broken.json, line \d+: the list is broken"):
            PictureQuestions(file, folder / "pictures")


@pytest.mark.parametrize(
    "content, words", [(b"", "has no conversation"), (b"[]", "has no conversation"), (b"\xff\xfe{", "UTF-8")]
)
def test_files_with_nothing_in_them(folder, content, words):
    (folder / "empty.json").write_bytes(content)
    with pytest.raises(WallOSSError, match=words):
        PictureQuestions(folder / "empty.json")
    with pytest.raises(WallOSSError, match="cannot be read"):
        PictureQuestions(folder / "absent.json")


def test_a_broken_picture_is_named_with_its_line(folder):
    data = opened(folder, [{"image": "a.png", "conversations": ASK}])
    whole = (folder / "pictures" / "a.png").read_bytes()
    (folder / "pictures" / "a.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(WallOSSError, match=r"questions.jsonl, line 1: the picture .*a.png cannot be used"):
        data.shown(data[0])


def test_pictures_that_differ_in_size_cannot_be_pointed_into(folder):
    entry = {
        "image": ["a.png", "c.png"],
        "conversations": [{"from": "human", "value": "<image><image> where?"}, {"from": "gpt", "value": "[3, 4]"}],
    }
    with pytest.raises(WallOSSError, match="its pictures differ in size"):
        opened(folder, [entry], space="pixels")
    assert len(opened(folder, [{**entry, "image": ["a.png", "b.jpg"]}], space="pixels")) == 1


def test_all_that_is_said_about_a_picture_is_held_out_together(folder):
    entries = [{"image": name, "conversations": ASK} for name in ("a.png", "b.jpg", "c.png", "turned.jpg") * 3]
    data = opened(folder, entries, held_out=0.25)
    assert (len(data), data.held_out) == (12, 3)
    first = {data[index].pictures[0].name for index in range(9)}
    last = {data[index].pictures[0].name for index in range(9, 12)}
    assert len(last) == 1 and not first & last
    again = opened(folder, entries, held_out=0.25)
    assert [data[index].line for index in range(12)] == [again[index].line for index in range(12)]
    assert opened(folder, entries[:1], held_out=0.5).held_out == 0, "of one picture nothing can be held out"
    assert np.array_equal(data.shown(data[0])[0], again.shown(again[0])[0])
