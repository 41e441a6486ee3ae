"""Every slip in a YAML file is told with its line and how to mend it, all at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from kunren.config.load import Loaded, dump, load
from kunren.config.schema import Config, EarlyStopping
from kunren.errors import InputError
from kunren.messages import use_language

HEAD = "name: x\ndata: {train: rows.jsonl}\nmodel: {id: m}\n"


def write(folder: Path, text: str | bytes) -> Path:
    path = folder / "experiment.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def complaint(folder: Path, text: str | bytes, *overrides: str) -> list[str]:
    with pytest.raises(InputError) as caught:
        load(write(folder, text), overrides)
    assert caught.value.exit_code == 2
    return [str(problem) for problem in caught.value.problems]


def test_short_file_has_the_defaults(tmp_path: Path) -> None:
    loaded = load(write(tmp_path, HEAD))
    assert loaded == Loaded(
        Config.model_validate({"name": "x", "data": {"train": "rows.jsonl"}, "model": {"id": "m"}}),
        tmp_path,
    )
    assert loaded.resolve("a/b.csv") == tmp_path / "a/b.csv"
    assert loaded.resolve("/a/b.csv") == Path("/a/b.csv")


def test_byte_order_mark_and_crlf_are_nothing(tmp_path: Path) -> None:
    text = ("\ufeff" + HEAD + "train:\n  epochs: 7\n").replace("\n", "\r\n")
    assert load(write(tmp_path, text)).config.train.epochs == 7


def test_yaml_1_2_scalars(tmp_path: Path) -> None:
    text = "name: 2025-12-23\ndata: {train: no}\nmodel: {id: 1:30}\ntrain: {learning_rate: 3e-5}\n"
    config = load(write(tmp_path, text)).config
    assert (config.name, config.data.train, config.model.id) == ("2025-12-23", "no", "1:30")
    assert config.train.learning_rate == 3e-5


def test_heading_with_nothing_below_it_is_the_defaults(tmp_path: Path) -> None:
    loaded = load(write(tmp_path, HEAD + "train:\n  # epochs: 3\nevaluate:\n"))
    assert loaded.config.train.epochs == 4


# (what is below HEAD, line, what the message must contain)
WRONG = {
    "unknown key, nearest": ("train:\n  epoch: 3\n", 5, ["train.epoch", "「train.epochs」ですか"]),
    "unknown section, nearest": ("trian: {epochs: 3}\n", 4, ["trian", "「train」ですか"]),
    "key of another section": ("epochs: 3\n", 4, ["epochs", "train.epochs", "移して"]),
    "key of three other sections": (
        "model2: {}\nseed: 3\n",
        5,
        ["data.split.seed / train.seed / evaluate.seed"],
    ),
    "another tool's key": ("tuning:\n  lora_r: 3\n", 5, ["lora_r", "tuning: {r: 3}"]),
    "another tool's key, elsewhere": ("num_train_epochs: 3\n", 4, ["train.epochs"]),
    "unknown key, nothing near": ("zzz: 3\n", 4, ["zzz", "ここに書けるキー", "evaluate"]),
    "word for an int": ("train:\n  epochs: three\n", 5, ["train.epochs", "整数", "three"]),
    "quoted int": ('train: {epochs: "3"}\n', 4, ["整数", "引用符は要りません"]),
    "true for an int": ("train: {epochs: true}\n", 4, ["整数", "true"]),
    "fraction for an int": ("train: {epochs: 2.5}\n", 4, ["整数", "2.5"]),
    "word for a number": ("train: {learning_rate: fast}\n", 4, ["learning_rate", "数を書いて"]),
    "infinite number": ("tuning: {alpha: .inf}\n", 4, ["tuning.alpha", "数を書いて"]),
    "number for a string": (
        "task: {system: 3}\n",
        4,
        ["task.system", "文字列", "引用符で囲みます"],
    ),
    "word for a bool": ("model2: 1\ntuning: {train_embeddings: maybe}\n", 5, ["true か false"]),
    "word for a list": ("tuning: {target_modules: q_proj}\n", 4, ["[a, b]", "q_proj"]),
    "word for a section": ("train: fast\n", 4, ["「train」の下には", "キー: 値"]),
    "list for a section": ("train: [1]\n", 4, ["「train」の下には"]),
    "no value": ("train:\n  epochs:\n", 5, ["train.epochs", "値がありません", "既定値"]),
    "below range": ("train: {epochs: 0}\n", 4, ["train.epochs", "0 < epochs"]),
    "above range": ("tuning: {dropout: 1.5}\n", 4, ["1.5", "0 ≤ dropout < 1"]),
    "optional, out of range": ("train: {learning_rate: -1}\n", 4, ["0 < learning_rate"]),
    "deep, out of range": (
        "train:\n  early_stopping:\n    patience: 0\n",
        6,
        ["train.early_stopping.patience", "0 < patience"],
    ),
    "seed out of range": ("train: {seed: -1}\n", 4, ["0 ≤ seed < 4294967296"]),
    "bad choice, nearest": (
        "evaluate: {baselines: [majorty]}\n",
        4,
        ["majorty", "「majority」ですか", "all / majority / constant / nearest / tfidf_logreg"],
    ),
    "bad choice": ("tuning: {kind: qlora8}\n", 4, ["qlora8", "full / lora"]),
    "duplicate key": ("name: y\n", 4, ["name", "1 行目", "消して"]),
    "duplicate key below": ("train:\n  epochs: 1\n  epochs: 2\n", 6, ["train.epochs", "5 行目"]),
    "tag": ("train: !!python/object:os.x {}\n", 4, ["!!python/object:os.x", "消して"]),
    "key that is a list": ("? [a, b]\n: c\n", 4, ["1 つの語"]),
    "itself inside": ("tuning: &t {target_modules: [*t]}\n", 4, ["自分自身"]),
    # full-width characters
    "full-width key": ("ｔｒａｉｎ: {epochs: 3}\n", 4, ["ｔｒａｉｎ", "半角で「train:」"]),
    "full-width key and colon": ("ｔｒａｉｎ：\n  epochs: 3\n", 4, ["半角で「train:」"]),
    "full-width colon": ("train：\n  epochs: 3\n", 4, ["train：", "半角で「train:」"]),
    "full-width colon below": ("train:\n  epochs：3\n  seed: 4\n", 5, ["半角で「epochs:」"]),
    "full-width colon, only key": ("train:\n  epochs：3\n", 5, ["半角で「epochs:」"]),
    "full-width colon in braces": ("train: {epochs：3}\n", 4, ["半角で「epochs:」"]),
    "full-width indent": ("train:\n　epochs: 3\n", 5, ["epochs", "全角の空白"]),
    "full-width space after colon": ("train:\n  epochs:　3\n", 5, ["空白が全角"]),
    "full-width number": ("train: {epochs: ３}\n", 4, ["全角", "「3」"]),
    "full-width hash": ("＃ 学習\n", 4, ["全角の「＃」"]),
    "tab": ("train:\n\tepochs: 3\n", 5, ["epochs", "タブ", "半角の空白"]),
    "no space after colon": ("train:\n  epochs:3\n", 5, ["「epochs: 3」"]),
    "no space after colon in braces": ("train: {epochs:3}\n", 4, ["「epochs: 3」"]),
    # syntax
    "colon in a value": ("task:\n  system: 例: 晴れ\n", 5, ["コロン", "引用符で囲んで"]),
    "wrong indentation": ("train:\n  epochs: 3\n seed: 4\n", 6, ["字下げ"]),
    "open quote": ("task:\n  system: 'あ\nb: 3\n", 5, ["引用符が閉じられていません"]),
    "open bracket": ("train: {epochs: 3\nseed: 3\n", 5, ["括弧"]),
    "at sign": ("task: {system: @you}\n", 4, ["引用符で囲んで", "@you"]),
    "star": ("task: {system: *you}\n", 4, ["引用符で囲んで"]),
    "backslash": ('task: {system: "C:\\data"}\n', 4, ["一重引用符"]),
    "two documents": ("---\nname: y\n", 4, ["1 つのファイル", "別のファイル"]),
    "control character": ("task: {system: a\x07b}\n", 4, ["YAML として読めません", "17 文字目"]),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_below_a_good_head(tmp_path: Path, case: str) -> None:
    text, line, said = WRONG[case]
    found = complaint(tmp_path, HEAD + text)
    here = [message for message in found if f"experiment.yaml:{line}: " in message]
    assert any(all(part in message for part in said) for message in here), found


@pytest.mark.parametrize("case", WRONG)
def test_the_english_message_names_the_line_too(tmp_path: Path, case: str) -> None:
    text, line, _ = WRONG[case]
    use_language("en")
    try:
        found = complaint(tmp_path, HEAD + text)
    finally:
        use_language("ja")
    here = [message for message in found if f"experiment.yaml:{line}: " in message]
    assert here
    for character in "はがをに":
        assert character not in "".join(m for m in here if "例" not in m)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "設定が空です"),
        ("# name: x\n", "設定が空です"),
        ("- a\n", "「キー: 値」の形"),
        ("data: {train: a}\nmodel: {id: m}\n", "必須のキー「name」"),
        ("name: x\nmodel: {id: m}\n", "必須のキー「data」"),
        ("name: a/b\ndata: {train: a}\nmodel: {id: m}\n", ":1: name「a/b」は"),
        ("name: a b\ndata: {train: a}\nmodel: {id: m}\n", "「_」などに置き換えて"),
        ('name: "a\\0b"\ndata: {train: a}\nmodel: {id: m}\n', "制御文字"),
        (f"name: {'x' * 101}\ndata: {{train: a}}\nmodel: {{id: m}}\n", "100 文字以内"),
        ("name: x\ndata:\nmodel: {id: m}\n", ":2: 必須のキー「data.train」"),
        (
            "name: x\nmodel: {id: m}\ndata:\n  train: a\n  split: {train: 0.8, test: 0.3}\n",
            ":5: data.split の train、validation、test の合計が 1 に",
        ),
        ("name: あいう # こ".encode("cp932"), "CP932 のようです"),
        ("name: x\n# あいうえお\n".encode() + b"a: \xff\n", ":3: UTF-8 として読めない"),
    ],
)
def test_wrong_from_the_start(tmp_path: Path, text: str | bytes, said: str) -> None:
    found = complaint(tmp_path, text)
    assert any("experiment.yaml" in m and said in m for m in found), found


def test_everything_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = (
        "name: a/b\n"
        "trian:\n"
        "  epoch: 0\n"
        "ｍｏｄｅｌ: {id: 3}\n"
        "evaluate: {bootstrap: 3, baselines: none}\n"
        "data: {split: {seed: x}}\n"
        "name: c\n"
    )
    found = complaint(tmp_path, text, "train.epocs=3", "tuning.r=0")
    lines = [message.split("experiment.yaml:")[1].split(":")[0] for message in found[:-2]]
    assert lines == ["1", "2", "3", "3", "4", "4", "5", "5", "6", "6", "7"]
    assert all(message.startswith("--set ") for message in found[-2:])


def test_misspelt_required_section_is_not_called_missing(tmp_path: Path) -> None:
    found = complaint(tmp_path, "name: x\ndatas: {trian: a}\nmodle: {id: m}\n")
    assert len(found) == 3
    assert not any("必須" in message for message in found)


def test_misspelt_key_does_not_replace_the_right_one(tmp_path: Path) -> None:
    (only,) = complaint(tmp_path, HEAD + "trian: {epochs: 0}\ntrain: {epochs: 3}\n")
    assert "「train」ですか" in only


def test_full_width_text_in_values_is_fine(tmp_path: Path) -> None:
    text = (
        HEAD
        + "task:\n  system: |\n    name：名前\n    　train:\n    ＃タグ\n"
        + "  template: '質問：{text}'\n"
    )
    task = load(write(tmp_path, text)).config.task
    assert task.system == "name：名前\n　train:\n＃タグ\n"
    assert task.template == "質問：{text}"


@pytest.mark.parametrize(("asked", "there"), [("experimnt.yaml", True), ("zzz.toml", False)])
def test_missing_file(tmp_path: Path, asked: str, there: bool) -> None:
    write(tmp_path, HEAD)
    with pytest.raises(InputError) as caught:
        load(tmp_path / asked)
    assert asked in str(caught.value)
    assert ("experiment.yaml" in str(caught.value)) == there


def test_folder_instead_of_its_config(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="フォルダ"):
        load(tmp_path)
    (tmp_path / "config.yaml").write_text(HEAD)
    with pytest.raises(InputError) as caught:
        load(tmp_path)
    assert "config.yaml」ですか" in str(caught.value)


def test_overrides_apply_in_order(tmp_path: Path) -> None:
    text = HEAD + "train: {epochs: 2, early_stopping: null}\n"
    given = ["train.epochs=3", "train.epochs = 5", "train.early_stopping.patience=2"]
    given += ["tuning={kind: lora, r: 4}", "task.system=答えて", "evaluate.baselines=[majority]"]
    config = load(write(tmp_path, text), given).config
    assert config.train.epochs == 5
    assert config.train.early_stopping == EarlyStopping(patience=2)
    assert (config.tuning.kind, config.tuning.r) == ("lora", 4)
    assert config.task.system == "答えて"
    assert config.evaluate.baselines == ("majority",)
    assert load(write(tmp_path, text), ["task.system="]).config.task.system is None


def test_overridden_data_path_is_relative_to_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")
    config = load(write(tmp_path, HEAD), ["data.test=t.csv"]).config
    assert config.data.test == str(tmp_path / "below" / "t.csv")
    assert config.data.train == "rows.jsonl"


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("train.epoch=3", "「train.epochs」ですか"),
        ("epochs=3", "「train.epochs」ですか"),
        ("train.epochs.x=3", "ですか"),
        ("qqqq=3", "使えるキー: name, task.kind"),
        ("train.epochs", "--set train.epochs=3"),
        ("train.epochs=many", "整数"),
        ("train.epochs=０", "半角で「0」"),
        ("train={epocs: 3}", "train.epochs"),
        ("name=[", "YAML として読めません"),
        ("data.split.train=0.5", "合計が 1"),
    ],
)
def test_wrong_override_names_itself(tmp_path: Path, override: str, said: str) -> None:
    found = complaint(tmp_path, HEAD, override)
    assert any(said in m for m in found), found
    if "split" not in override:
        assert found[0].startswith(f"--set {override}: ")


def test_override_replaces_a_wrong_value(tmp_path: Path) -> None:
    loaded = load(write(tmp_path, HEAD + "train: {epochs: x}\n"), ["train.epochs=3"])
    assert loaded.config.train.epochs == 3


def test_dump_writes_every_key_and_loads_equal(tmp_path: Path) -> None:
    text = (
        HEAD
        + "task: {system: '3e-5', template: \"a: {text}\\n # no\"}\ntrain: {learning_rate: 3e-5}\n"
    )
    config = load(write(tmp_path, text), ["evaluate.baselines=[majority]"]).config
    dumped = dump(config)
    assert load(write(tmp_path, dumped)).config == config
    for key in ("learning_rate: 3.0e-05", "early_stopping:", "validation: null", "patience: null"):
        assert key in dumped


def test_dumped_data_paths_work_from_the_run_folder(tmp_path: Path) -> None:
    (tmp_path / "project" / "data").mkdir(parents=True)
    rows = tmp_path / "project" / "data" / "rows.jsonl"
    rows.write_text("x")
    (tmp_path / "project" / "weights").mkdir()
    text = "name: x\ndata: {train: data/rows.jsonl, test: /elsewhere/t.csv}\nmodel: {id: weights}\n"
    loaded = load(write(tmp_path / "project", text))
    run = tmp_path / "project" / "outputs" / "x_20260101"
    run.mkdir(parents=True)
    (run / "config.yaml").write_text(dump(loaded.config, loaded.folder, run), encoding="utf-8")
    # Moved as a whole, it still works; nothing of this machine's paths is in it.
    assert str(tmp_path) not in (run / "config.yaml").read_text(encoding="utf-8")
    (tmp_path / "project").rename(tmp_path / "moved")
    again = load(tmp_path / "moved" / "outputs" / "x_20260101" / "config.yaml")
    assert again.resolve(again.config.data.train).read_text() == "x"
    assert again.resolve(again.config.model.id).is_dir()
    assert again.config.data.test == "/elsewhere/t.csv"
    assert again.config.train == loaded.config.train


def test_documents_may_be_one_or_several_and_work_from_the_run_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "docs").mkdir()
    text = HEAD.replace("data: {", "data: {documents: [docs, b.md], ") + "task: {kind: answer}\n"
    loaded = load(write(tmp_path, text))
    run = tmp_path / "outputs" / "x_20260101"
    run.mkdir(parents=True)
    (run / "config.yaml").write_text(dump(loaded.config, loaded.folder, run), encoding="utf-8")
    again = load(run / "config.yaml")
    assert again.config.data.documents == ("../../docs", "../../b.md")
    monkeypatch.chdir(tmp_path / "docs")
    path = write(tmp_path, text)
    assert load(path, ["data.documents=c.md"]).config.data.documents == str(
        tmp_path / "docs" / "c.md"
    )
    assert load(path, ["data.documents=[c.md]"]).config.data.documents == (
        str(tmp_path / "docs" / "c.md"),
    )


def test_dump_leaves_a_hub_id_alone(tmp_path: Path) -> None:
    loaded = load(write(tmp_path, HEAD.replace("id: m", "id: org/model")))
    assert "id: org/model" in dump(loaded.config, tmp_path, tmp_path / "run")
