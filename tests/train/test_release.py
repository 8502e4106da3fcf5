from __future__ import annotations

import json
import shutil

import pytest
from typer.testing import CliRunner

from melisma.cli.main import app
from melisma.core.errors import InputError, TrainingError
from melisma.train.release import Step, plan, read_recipe, release, run_step

RECIPE = """
[[step]]
name = "ctc"
command = ["train", "phone", "{recipe}/ctc.toml", "--corpus", "{corpus}", "-o", "{out}"]

[[step]]
name = "align"
command = ["train", "align", "{ctc}/checkpoint.pt", "--corpus", "{corpus}", "-o", "{out}"]

[[step]]
name = "figures"
command = ["eval", "align", "{songs}", "--json"]
stdout = "songs.json"
environment = { MELISMA_PHONE_MODEL = "{align}/my model.onnx" }
"""


@pytest.fixture
def recipe(tmp_path):
    (tmp_path / "release.toml").write_text(RECIPE, encoding="utf-8")
    (tmp_path / "ctc.toml").write_text("seed = 1", encoding="utf-8")
    for name in ("corpus", "songs"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "manifest.jsonl").write_text("{}", encoding="utf-8")
    return tmp_path / "release.toml"


def steps_of(recipe) -> tuple[Step, ...]:
    here = recipe.parent
    return plan(recipe, {"corpus": here / "corpus", "songs": here / "songs"}, here / "out")


class Machine:
    """Writes down what it is asked to do, and fails where told."""

    def __init__(self, fails: str = "") -> None:
        self.names: list[str] = []
        self.fails = fails

    def __call__(self, step: Step) -> int:
        self.names.append(step.name)
        return 3 if step.name == self.fails else 0


def test_the_plan_fills_in_every_place(recipe):
    here = recipe.parent
    ctc, align, figures = steps_of(recipe)
    assert ctc.command == ("train", "phone", f"{here}/ctc.toml", "--corpus", f"{here}/corpus", "-o", f"{here}/out/ctc")
    assert align.command[2] == f"{here}/out/ctc/checkpoint.pt"
    assert str(figures) == (
        f"MELISMA_PHONE_MODEL='{here}/out/align/my model.onnx' melisma eval align {here}/songs --json"
        f" > {here}/out/figures/songs.json"
    )
    assert not (here / "out").exists()


def test_a_second_call_goes_on_where_the_first_was_cut_off(recipe):
    first, second, third = Machine(fails="align"), Machine(), Machine()
    with pytest.raises(TrainingError, match=r"^the step align ended with 3: melisma train align "):
        release(steps_of(recipe), run=first)
    assert first.names == ["ctc", "align"]
    assert [step.done for step in steps_of(recipe)] == [True, False, False]
    release(steps_of(recipe), run=second)
    assert second.names == ["align", "figures"]
    assert release(steps_of(recipe), run=third) == ()
    assert third.names == []


@pytest.mark.parametrize(
    ("name", "text", "step"),
    [("ctc.toml", "seed = 2", "ctc"), ("corpus/manifest.jsonl", "{} ", "ctc"), ("songs/manifest.jsonl", "", "figures")],
)
def test_a_step_that_was_done_with_other_inputs_is_not_taken_for_done(recipe, name, text, step):
    release(steps_of(recipe), run=Machine())
    (recipe.parent / name).write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=f"the step {step} in .*/out/{step} was begun with another command or other"):
        steps_of(recipe)


def test_a_step_that_was_begun_is_not_gone_on_with_under_another_command(recipe):
    with pytest.raises(TrainingError):
        release(steps_of(recipe), run=Machine(fails="ctc"))
    recipe.write_text(RECIPE.replace('"-o", "{out}"]', '"--noise", "{corpus}", "-o", "{out}"]', 1), encoding="utf-8")
    with pytest.raises(InputError, match=r"the step ctc in .* was begun with another command or other inputs"):
        steps_of(recipe)


EXPORTED = """
[[step]]
name = "ctc"
command = ["train", "phone", "{recipe}/ctc.toml", "--corpus", "{corpus}", "-o", "{out}"]

[[step]]
name = "rows"
command = ["train", "rows", "{recipe}/ctc.toml", "--init", "{ctc}/checkpoint.pt", "-o", "{out}"]

[[step]]
name = "export"
command = ["train", "export", "{recipe}/ctc.toml", "{rows}/checkpoint.pt", "-o", "{out}"]

[[step]]
name = "onsets"
command = ["train", "onsets", "{export}/phone-1.onnx", "--speech", "{corpus}", "--jobs", "2", "-v"]
"""
CONFIG = 'seed = 1\nshares = { a = 1, b = 2 }\n[card]\nmodel_id = "phone-1"\ntitle = "Phones"\n'


@pytest.fixture
def exported(recipe):
    """A recipe of two trainings on one configuration and an export, all done."""
    recipe.write_text(EXPORTED, encoding="utf-8")
    (recipe.parent / "ctc.toml").write_text(CONFIG, encoding="utf-8")
    release(steps_of(recipe), run=Machine())
    return recipe


def keys_of(recipe) -> dict[str, str]:
    """Plan into an empty folder, where nothing is done and so nothing can be stale."""
    here = recipe.parent
    return {s.name: s.key for s in plan(recipe, {"corpus": here / "corpus", "songs": here / "songs"}, here / "empty")}


def test_another_card_makes_another_export_of_the_same_training(exported):
    before = keys_of(exported)
    (exported.parent / "ctc.toml").write_text(CONFIG.replace("Phones", "Sounds"), encoding="utf-8")
    after = keys_of(exported)
    assert {name for name in before if before[name] != after[name]} == {"export", "onsets"}
    with pytest.raises(InputError, match=r"the step export in .*/out/export was begun with another command or other"):
        steps_of(exported)
    for name in ("export", "onsets"):
        shutil.rmtree(exported.parent / "out" / name)
    again = Machine()
    release(steps_of(exported), run=again)
    assert again.names == ["export", "onsets"]


@pytest.mark.parametrize(
    "text",
    [
        f"# the first one\n{CONFIG}",
        CONFIG.replace("seed = 1\nshares = { a = 1, b = 2 }", "shares = { b = 2, a = 1 }\nseed=1"),
    ],
    ids=["comment", "order"],
)
def test_what_a_configuration_does_not_say_decides_nothing(exported, text):
    before = keys_of(exported)
    (exported.parent / "ctc.toml").write_text(text, encoding="utf-8")
    assert keys_of(exported) == before
    assert all(step.done for step in steps_of(exported))


@pytest.mark.parametrize(
    "text", [CONFIG.replace("seed = 1", "seed = 2"), CONFIG.replace("b = 2", "b = 3"), CONFIG.replace("seed = 1", "")]
)
def test_another_training_makes_everything_after_it_anew(exported, text):
    before = keys_of(exported)
    (exported.parent / "ctc.toml").write_text(text, encoding="utf-8")
    after = keys_of(exported)
    assert all(before[name] != after[name] for name in before)


def test_a_card_decides_what_anything_but_a_training_does(exported):
    """Only commands that are known to read a part of a configuration are taken to read a part."""
    exported.write_text(EXPORTED.replace('"train", "rows"', '"train", "strange"'), encoding="utf-8")
    before = keys_of(exported)
    (exported.parent / "ctc.toml").write_text(CONFIG.replace("Phones", "Sounds"), encoding="utf-8")
    after = keys_of(exported)
    assert {name for name in before if before[name] == after[name]} == {"ctc"}


@pytest.mark.parametrize(
    "options", ['"--jobs", "4", "-v"', '"--jobs=2"', '"--quiet"', '"--jobs", "2", "--workers", "3"']
)
def test_how_many_processes_work_and_what_they_say_decides_nothing(exported, options):
    before = keys_of(exported)
    exported.write_text(EXPORTED.replace('"--jobs", "2", "-v"', options), encoding="utf-8")
    assert keys_of(exported) == before


def test_what_a_command_says_decides_what_is_kept_of_it(exported):
    kept = EXPORTED + 'stdout = "said.txt"\n'
    exported.write_text(kept, encoding="utf-8")
    before = keys_of(exported)["onsets"]
    exported.write_text(kept.replace(', "-v"', ""), encoding="utf-8")
    assert keys_of(exported)["onsets"] != before


def test_a_configuration_that_is_no_toml_is_one_sentence(exported):
    (exported.parent / "ctc.toml").write_text("seed = ", encoding="utf-8")
    with pytest.raises(InputError, match=r"^.*/ctc\.toml is no TOML: "):
        steps_of(exported)


def test_what_builds_on_a_step_that_is_done_anew_is_stale(recipe):
    release(steps_of(recipe), run=Machine())
    (recipe.parent / "ctc.toml").write_text("seed = 2", encoding="utf-8")
    for mark in (recipe.parent / "out" / "ctc").iterdir():
        mark.unlink()
    with pytest.raises(InputError, match=r"the step align in .* was begun with another command or other inputs"):
        steps_of(recipe)


def test_what_builds_on_a_step_whose_folder_was_removed_is_stale(recipe):
    """A network that was trained on from the lost one must not pass for one of the new."""
    release(steps_of(recipe), run=Machine())
    shutil.rmtree(recipe.parent / "out" / "ctc")
    with pytest.raises(InputError, match=r"the step align in .*/out/align was begun with what ctc gave before"):
        steps_of(recipe)
    shutil.rmtree(recipe.parent / "out" / "align")
    shutil.rmtree(recipe.parent / "out" / "figures", ignore_errors=True)
    assert [step.name for step in release(steps_of(recipe), run=Machine())][:2] == ["ctc", "align"]


@pytest.mark.parametrize(
    ("line", "match"),
    [
        ('stdout = "../x"', r"step\.0\.stdout: String should match"),
        ('stdout = "/etc/x"', r"step\.0\.stdout: String should match"),
        ('environment = { LD_PRELOAD = "x.so" }', r"step\.0\.environment.*: String should match"),
    ],
)
def test_a_recipe_writes_into_its_folders_and_sets_only_what_is_ours(tmp_path, line, match):
    path = tmp_path / "bad.toml"
    path.write_text(f'[[step]]\nname = "x"\ncommand = ["formats", "list"]\n{line}\n', encoding="utf-8")
    with pytest.raises(InputError, match=match):
        read_recipe(path)


def test_an_input_may_have_an_equals_sign_in_its_path(tmp_path):
    (tmp_path / "a=b").mkdir()
    path = tmp_path / "recipe.toml"
    path.write_text('[[step]]\nname = "x"\ncommand = ["train", "rows", "speech={c}", "{c}"]\n', encoding="utf-8")
    (step,) = plan(path, {"c": tmp_path / "a=b"}, tmp_path / "out")
    assert step.command[2:] == (f"speech={tmp_path}/a=b", f"{tmp_path}/a=b")


def test_a_damaged_mark_is_one_sentence(recipe):
    release(steps_of(recipe), run=Machine())
    (recipe.parent / "out" / "ctc" / ".done.json").write_text("{", encoding="utf-8")
    with pytest.raises(InputError, match=r"the mark .*/out/ctc/\.done\.json is damaged: remove .*/out/ctc to do"):
        steps_of(recipe)


def test_a_step_runs_in_a_process_of_its_own_and_keeps_what_it_prints(tmp_path):
    step = Step("formats", ("formats", "list", "--json"), tmp_path, tmp_path / "list.json", {}, "", False)
    assert run_step(step) == 0
    assert json.loads((tmp_path / "list.json").read_text(encoding="utf-8"))
    bad = Step("bad", ("align", "no.wav", "no.txt"), tmp_path, tmp_path / "none.json", {}, "", False)
    assert run_step(bad) == 2
    assert not (tmp_path / "none.json").exists()


def run(recipe, *more):
    here = recipe.parent
    inputs = ["-i", f"corpus={here / 'corpus'}", "-i", f"songs={here / 'songs'}"]
    return CliRunner().invoke(app, ["train", "release", str(recipe), "-o", str(here / "out"), *(more or inputs)])


def test_a_dry_run_prints_the_plan_and_writes_nothing(recipe):
    here = recipe.parent
    inputs = ["-i", f"corpus={here / 'corpus'}", "-i", f"songs={here / 'songs'}"]
    done = run(recipe, "--dry-run", *inputs)
    assert done.exit_code == 0
    expected = [f"# {step.name}\n{step}" for step in steps_of(recipe)]
    assert done.stdout == "\n".join(expected) + "\n"
    assert not (here / "out").exists()


def test_a_second_run_of_the_command_says_that_nothing_was_left(recipe):
    release(steps_of(recipe), run=Machine())
    done = run(recipe)
    out = recipe.parent / "out"
    assert (done.exit_code, done.stderr) == (0, f"0 of 3 steps were left to do, all are done in {out}\n")


BAD_RECIPES = {
    "no toml": ("[[step", "is no TOML"),
    "no step": ("", ": step: Field required"),
    "unknown key": ('[[step]]\nname = "a"\ncommand = ["x"]\nafter = "b"', ": step.0.after: Extra inputs"),
    "no command": ('[[step]]\nname = "a"\ncommand = []', ": step.0.command: Tuple should have at least 1 item"),
    "path as a name": ('[[step]]\nname = "../a"\ncommand = ["x"]', ": step.0.name: String should match pattern"),
    "reserved": ('[[step]]\nname = "out"\ncommand = ["x"]', "no step can be called out"),
    "twice": ('[[step]]\nname = "a"\ncommand = ["x"]\n' * 2, "two steps are called a"),
    "unknown place": ('[[step]]\nname = "a"\ncommand = ["{b}"]', "the step a asks for {b}; it may name: "),
    "no such file": ('[[step]]\nname = "a"\ncommand = ["{recipe}/no.toml"]', "no.toml, which a step of the recipe"),
    "name of an input": ('[[step]]\nname = "songs"\ncommand = ["x"]', "songs is the name of an input and of a step"),
}


@pytest.mark.parametrize(("text", "sentence"), BAD_RECIPES.values(), ids=BAD_RECIPES)
def test_a_bad_recipe_is_one_sentence(recipe, text, sentence):
    recipe.write_text(text, encoding="utf-8")
    done = run(recipe)
    assert done.exit_code == 2
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert sentence in done.stderr
    assert not (recipe.parent / "out").exists()


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (["-i", "corpus"], "error: this is not NAME=PATH: 'corpus'\n"),
        (["-i", "a=b", "-i", "a=c"], "error: a is given twice\n"),
    ],
)
def test_an_input_that_cannot_be_used_is_one_sentence(recipe, given, sentence):
    done = run(recipe, *given)
    assert (done.exit_code, done.stderr) == (2, sentence)


def test_an_input_that_is_not_there_is_named(recipe):
    done = run(recipe, "-i", "corpus=/no/such/folder")
    assert (done.exit_code, done.stderr) == (
        2,
        f"error: there is no /no/such/folder, the input corpus of the recipe {recipe}\n",
    )
