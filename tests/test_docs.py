"""What the documents say works: code runs, command lines parse, links lead somewhere, recipes name source and score."""

import importlib
import re
import shlex
from pathlib import Path

import click
import pytest

from keras_dl import registry
from keras_dl.cli import main
from keras_dl.errors import UsageError
from keras_dl.task import settings

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("RESULTS.md"), *ROOT.glob("[!.]*/**/*.md")]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
PLACEHOLDER = re.compile(r"[A-Z]+(\.\.\.)?")
REPOSITORY_FILE = re.compile(r"(keras_dl|scripts|tests|data|deploy|\.ci)/[\w./-]+\.\w+")


def written(document: Path) -> str:
    assert document.is_file(), f"{document} is missing"
    return document.read_text(encoding="utf-8")


def code(text: str) -> list[str]:
    """Return a Markdown text's lines of code, in blocks and within sentences."""
    blocks = "\n".join(body for _, body in BLOCK.findall(text)).replace("\\\n", " ")
    return blocks.splitlines() + re.findall(r"`([^`\n]+)`", BLOCK.sub("", text))


def command_lines(lines: list[str]) -> list[str]:
    """Return what follows `keras-dl` in lines of shell, each up to a comment, a pipe or the next command."""
    found = [line for one in lines for line in re.findall(r"(?:^|[\s/])keras-dl +(\w[^#|&;>]*)", one)]
    return [line.strip() for line in found]


def check(line: str) -> None:
    """Fail unless the command, its options, its task and its settings exist; words in capitals stand for anything."""
    name, *arguments = shlex.split(line)
    assert name in main.commands, f"there is no command keras-dl {name}"
    command = main.commands[name]
    arguments = ["1" if PLACEHOLDER.fullmatch(argument) else argument for argument in arguments]
    try:
        given = command.make_context(name, arguments).params
    except click.exceptions.Exit:  # --help
        return
    if given.get("task") not in (None, "1"):
        pairs = [pair for pair in given.get("settings", ()) if pair != "key=value"]
        settings.resolve(registry.find(given["task"]), settings.parse(pairs))


def test_the_figures_of_the_readme_are_those_of_the_results():
    results = dict(
        re.findall(r"^## (\S+), recipe default, on [^\n]*\n(.*?)(?=^## |\Z)", written(ROOT / "RESULTS.md"), re.M | re.S)
    )
    rows = re.findall(
        r"^\| `([\w-]+)` \|[^|]*\| (accuracy|AUROC|mean error) \|([^|]*)\|([^|]*)\|", written(ROOT / "README.md"), re.M
    )
    assert {name for name, *_ in rows} == set(registry.TASKS)
    for name, metric, *figures in rows:
        if name not in results:
            assert [figure.strip() for figure in figures] == ["", "not measured"]
            continue
        lines = results[name].splitlines()
        column = [cell.strip() for cell in next(line for line in lines if "| seed |" in line).split("|")].index(
            {"accuracy": "accuracy", "AUROC": "auroc", "mean error": "mae"}[metric]
        )
        for figure, model in zip(figures, ("baseline", "network"), strict=True):
            (mean,) = [line.split("|")[column].split()[0] for line in lines if line.startswith(f"| all | {model},")]
            assert figure.strip() == mean, (name, model)


def test_the_python_of_the_readme_runs(tmp_path, monkeypatch):
    blocks = [body for language, body in BLOCK.findall(written(ROOT / "README.md")) if language == "python"]
    assert blocks, "README.md shows no Python"
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    for block in blocks:
        exec(compile(block, "README.md", "exec"), names)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_command_lines_options_links_and_files_exist(document):
    text = written(document)
    for line in command_lines(code(text)):
        try:
            check(line)
        except Exception as error:
            pytest.fail(f"{document.name}: keras-dl {line}: {error}")
    known = {name for command in (main, *main.commands.values()) for option in command.params for name in option.opts}
    named = {line.split()[0] for line in code(text) if line.startswith("--")}
    assert named <= known | {"--help"}, f"{document.name} names options that no command has"
    links = [link for link in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text) if "://" not in link]
    assert [link for link in links if not (document.parent / link).exists()] == [], f"{document.name}: dead links"
    files = {match[0] for line in code(text) for match in REPOSITORY_FILE.finditer(line) if "NAME" not in match[0]}
    assert [file for file in sorted(files) if not (ROOT / file).exists()] == [], f"{document.name}: files not there"


@pytest.mark.parametrize("command", [None, *main.commands])
def test_the_examples_in_the_help_parse(command):
    text = (main.commands[command] if command else main).help
    lines = command_lines(re.split(r"\n|\s{2,}", text))
    assert lines
    for line in lines:
        check(line)


@pytest.mark.parametrize("task", registry.TASKS)
def test_every_recipe_states_source_command_and_measured_score(task):
    module = importlib.import_module(registry.TASKS[task][0].split(":")[0])
    facts = dict(re.findall(r"^(Source|Command|Measured) +(\S.*)$", module.__doc__, re.MULTILINE))
    assert set(facts) == {"Source", "Command", "Measured"}
    (line,) = command_lines([facts["Command"]])
    check(line)


@pytest.mark.parametrize(
    "line",
    [
        "trian pneumonia",
        "train pneumona",
        "train pneumonia --fast",
        "train pneumonia --seed one",
        "train pneumonia --set epoch=3",
        "evaluate",
    ],
)
def test_a_line_that_does_not_work_is_found(line):
    with pytest.raises((AssertionError, click.UsageError, UsageError)):
        check(line)
