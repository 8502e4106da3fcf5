"""The PowerShell scripts and VS Code's tasks: parsed and held to rules. No PowerShell runs here.

What is known of cmdlets is written down below, from the reference for Windows PowerShell 5.1 and PowerShell 7: a name
or a parameter that is not there is a fault, so misspellings and aliases are found.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

tree_sitter = pytest.importorskip("tree_sitter", reason="tree-sitter is not installed (pip install tree-sitter)")
grammar = pytest.importorskip("tree_sitter_powershell", reason="pip install tree-sitter-powershell")

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted((ROOT / "scripts").glob("*.ps1"))
PARSER = tree_sitter.Parser(tree_sitter.Language(grammar.language()))
CMDLETS = {
    "ForEach-Object": {"Process"},
    "Get-ChildItem": {"File", "Filter", "LiteralPath"},
    "Get-ExecutionPolicy": {"Scope"},
    "Join-Path": {"ChildPath", "Path"},
    "Select-String": {"LiteralPath", "Pattern"},
    "Set-ExecutionPolicy": {"ExecutionPolicy", "Force", "Scope"},
    "Set-StrictMode": {"Version"},
    "Split-Path": {"Parent", "Path"},
    "Test-Path": {"LiteralPath"},
    "Unblock-File": {"LiteralPath"},
    "Write-Output": set(),
    "Write-Warning": {"Message"},
}
VERBS = {"Get", "Invoke", "New", "Set", "Test", "Write"}  # of Get-Verb's
CALLS_PROGRAMS = "Invoke-Checked"


def nodes(node: Any, *kinds: str) -> Iterator[Any]:
    """Yield the nodes of some kinds below a node, in the order of the text."""
    if node.type in kinds:
        yield node
    for child in node.children:
        yield from nodes(child, *kinds)


def said(node: Any) -> str:
    return node.text.decode()


def parameters(block: Any) -> list[str]:
    """Return the names of what a param block declares."""
    declared = nodes(block, "script_parameter")
    return [said(each)[1:] for one in declared for each in one.children if each.type == "variable"]


def functions(tree: Any) -> dict[str, Any]:
    return {said(next(nodes(each, "function_name"))): each for each in nodes(tree, "function_statement")}


def faults(source: str) -> list[str]:
    """Return what is wrong with a script, a sentence each."""
    tree = PARSER.parse(source.encode()).root_node
    found = [] if source.isascii() else ["holds a letter that Windows PowerShell 5.1 misreads without a mark in front"]
    found += [f"cannot be parsed at line {n.start_point[0] + 1}" for n in nodes(tree, "ERROR")]
    found += [f"lacks {n.type} at line {n.start_point[0] + 1}" for n in every(tree) if n.is_missing]
    if found:
        return found
    for line in ("Set-StrictMode -Version 3.0", "$ErrorActionPreference = 'Stop'", "[CmdletBinding("):
        if line not in source:
            found.append(f"does not say {line}")
    return found + help_faults(source, tree) + name_faults(tree) + call_faults(tree)


def every(node: Any) -> Iterator[Any]:
    yield node
    for child in node.children:
        yield from every(child)


def help_faults(source: str, tree: Any) -> list[str]:
    """Return what the comment in front does not tell, or tells of nothing."""
    block = next((each for each in tree.children if each.type == "param_block"), None)
    declared = parameters(block) if block is not None else []
    told = re.findall(r"^\.PARAMETER (\w+)$", source, re.MULTILINE)
    found = [f"does not help with {name}" for name in declared if name not in told]
    found += [f"helps with {name}, which is none of its parameters" for name in told if name not in declared]
    return found + [f"has no {part}" for part in (".SYNOPSIS", ".DESCRIPTION", ".EXAMPLE") if f"{part}\n" not in source]


def name_faults(tree: Any) -> list[str]:
    """Return functions that are not called Verb-Noun, cmdlets and parameters that are not known."""
    own = {name: set(parameters(node)) for name, node in functions(tree).items()}
    found = [f"{name} does not begin with a verb" for name in own if name.partition("-")[0] not in VERBS]
    for command in nodes(tree, "command"):
        name = next((said(each) for each in command.children if each.type == "command_name"), None)
        if name is None:
            continue
        known = {**CMDLETS, **own}.get(name)
        if known is None:
            found.append(f"{name} is not known")
            continue
        elements = [each for each in command.children if each.type == "command_elements"]
        given = [
            said(each)[1:].rstrip(":")
            for part in elements
            for each in part.children
            if each.type == "command_parameter"
        ]
        found += [f"{name} has no parameter {each}" for each in given if each not in known]
    return found


def call_faults(tree: Any) -> list[str]:
    """Return calls of programs whose end nobody looks at, and double quotes that PowerShell 5.1 would take away."""
    found = []
    for call in nodes(tree, "command_invokation_operator"):
        at = call
        while at is not None and at.type != "function_statement":
            at = at.parent
        if (
            at is None
            or said(next(nodes(at, "function_name"))) != CALLS_PROGRAMS
            or "$LASTEXITCODE -ne 0" not in said(at)
        ):
            found.append(f"a program's end is not looked at: line {call.start_point[0] + 1}")
    for command in nodes(tree, "command"):
        if said(command).startswith(CALLS_PROGRAMS):
            quoted = [said(each) for each in nodes(command, "verbatim_string_characters") if '"' in said(each)]
            found += [f"double quotes do not reach the program: {each}" for each in quoted]
    return found


GOOD = """<#
.SYNOPSIS
A.
.DESCRIPTION
B.
.PARAMETER One
C.
.EXAMPLE
D
#>
[CmdletBinding()]
param(
    [string] $One
)
Set-StrictMode -Version 3.0
$ErrorActionPreference = 'Stop'
function Invoke-Checked {
    param([string] $Program)
    if ($LASTEXITCODE -ne 0) { throw 'no' }
}
Write-Output $One
"""


def test_there_are_scripts():
    assert [path.name for path in SCRIPTS] == ["enable-pwsh-allow.ps1", "setup_env.ps1"]


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_a_script_has_no_fault(path):
    assert faults(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("Write-Output $One", "Write-Output $One }", "cannot be parsed"),
        ("Write-Output $One", "Write-Output 'č'", "misreads"),
        ("Write-Output $One", "ls", "ls is not known"),
        ("Write-Output $One", "Invoke-Expression $One", "Invoke-Expression is not known"),
        ("Write-Output $One", "Split-Path -Parnt $One", "Split-Path has no parameter Parnt"),
        ("Write-Output $One", "& $One 'x'", "a program's end is not looked at: line 21"),
        ("Write-Output $One", "Invoke-Checked -Program 'say \"x\"'", "double quotes do not reach the program"),
        ("Write-Output $One", "Invoke-Checked -Prgram 'x'", "Invoke-Checked has no parameter Prgram"),
        ("function Invoke-Checked", "function Do-It", "Do-It does not begin with a verb"),
        (".PARAMETER One\n", "", "does not help with One"),
        (".PARAMETER One\n", ".PARAMETER Two\n", "helps with Two, which is none of its parameters"),
        (".EXAMPLE\n", "", "has no .EXAMPLE"),
        ("'Stop'", "'Continue'", "does not say $ErrorActionPreference = 'Stop'"),
    ],
)
def test_a_planted_fault_is_found(old, new, fault):
    assert faults(GOOD) == []
    assert GOOD.count(old) >= 1
    assert any(fault in each for each in faults(GOOD.replace(old, new)))


def test_who_allows_scripts_is_warned_asked_and_can_go_back():
    source = (ROOT / "scripts" / "enable-pwsh-allow.ps1").read_text(encoding="utf-8")
    assert "SECURITY WARNING" in source.partition(".PARAMETER")[0]
    tree = PARSER.parse(source.encode()).root_node
    assert "SupportsShouldProcess = $true, ConfirmImpact = 'High'" in source
    changes = [each for each in nodes(tree, "command") if re.match(r"(Set-ExecutionPolicy|Unblock-File)\b", said(each))]
    assert len(changes) == 3
    for change in changes:
        at = change
        while at.type != "if_statement":
            at = at.parent
        assert "$PSCmdlet.ShouldProcess(" in said(at).partition("{")[0]
    scopes = [said(each) for each in changes if "ExecutionPolicy " in said(each)]
    assert all("-Scope CurrentUser" in each for each in scopes)
    assert any("Undefined" in each for each in scopes)
    warned = source.index("Write-Warning")
    assert warned < source.index("-ExecutionPolicy $Policy")


def test_the_python_in_a_script_is_python_and_its_files_are_there():
    source = (ROOT / "scripts" / "setup_env.ps1").read_text(encoding="utf-8")
    programs = re.findall(r"@\('-c', '([^']*)'\)", source) + re.findall(r'^\$try = "(.*)"$', source, re.MULTILINE)
    assert len(programs) == 2
    for program in programs:
        ast.parse(program)
    named = set(re.findall(r"[\w.-]+\.txt", source))
    assert named == {"requirements-train.txt", "requirements-train-cpu.txt"}
    assert all((ROOT / name).is_file() for name in named)
    pattern = re.search(r"-Pattern '([^']*)'", source)
    assert pattern is not None
    lock = (ROOT / "requirements-train.txt").read_text(encoding="utf-8")
    assert re.search(pattern[1], lock, re.MULTILINE)


def test_tasks_of_vs_code_run_these_scripts_and_warn():
    tasks = json.loads((ROOT / ".vscode" / "tasks.json").read_text(encoding="utf-8"))
    assert tasks["version"] == "2.0.0"
    run = set()
    for task in tasks["tasks"]:
        assert task["type"] == "shell"
        assert set(task) <= {"label", "detail", "type", "command", "args", "windows", "presentation", "problemMatcher"}
        for program, args in ((task["command"], task["args"]), (task["windows"]["command"], task["windows"]["args"])):
            assert program in ("pwsh", "powershell")
            assert args[0] == "-NoProfile"
            file = args[args.index("-File") + 1].replace("\\", "/").removeprefix("${workspaceFolder}/")
            assert (ROOT / file).is_file()
            run.add(Path(file).name)
        assert task["args"][3:] == task["windows"]["args"][5:]  # the same but for the way there
    assert run == {path.name for path in SCRIPTS}
    (allow,) = [task for task in tasks["tasks"] if "-Undo" not in task["args"] and "allow" in task["args"][2]]
    assert "security warning" in allow["label"]
    assert "every script" in allow["detail"]
