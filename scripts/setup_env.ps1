<#
.SYNOPSIS
Makes a virtual environment for training Whisper models, with everything that is pinned in requirements-train.txt.

.DESCRIPTION
Works in Windows PowerShell 5.1 and in PowerShell 7 on Windows, Linux and macOS. Each file that is installed is checked
against its SHA-256. At the end the environment is tried: torch, and the GPU where there is one.

PyPI's torch for Windows is the one for CPUs. For an NVIDIA GPU take the build from PyTorch's own index instead, by -TorchIndex;
its bytes are others than PyPI's, so its hash is not checked.

.PARAMETER Folder
Where the environment is made; .venv_train in the root of the repository by default.

.PARAMETER Python
The program that makes it: Python 3.11 or newer.

.PARAMETER TorchIndex
Address of an index of PyTorch builds, for example that for CUDA 13.0, as PyTorch's own instructions name it.

.EXAMPLE
.\scripts\setup_env.ps1

.EXAMPLE
.\scripts\setup_env.ps1 -Folder D:\venvs\train -Python py
#>
[CmdletBinding(SupportsShouldProcess = $true)]
param(
    [ValidateNotNullOrEmpty()]
    [string] $Folder,

    [ValidateNotNullOrEmpty()]
    [string] $Python = 'python',

    [ValidatePattern('^https://[^\s]+$')]
    [string] $TorchIndex
)

Set-StrictMode -Version 3.0
$ErrorActionPreference = 'Stop'

function Invoke-Checked {
    # Runs a program and stops where it fails: PowerShell by itself goes on.
    [CmdletBinding()]
    param(
        [Parameter(Mandatory = $true)]
        [string] $Program,

        [Parameter(Mandatory = $true)]
        [string[]] $Arguments
    )
    & $Program @Arguments
    if ($LASTEXITCODE -ne 0) {
        throw "$Program $($Arguments -join ' ') ended with $LASTEXITCODE"
    }
}

function Get-EnvironmentPython {
    # Returns the interpreter of a virtual environment, which lies elsewhere on Windows.
    [CmdletBinding()]
    [OutputType([string])]
    param(
        [Parameter(Mandatory = $true)]
        [string] $Path
    )
    $windows = Join-Path -Path $Path -ChildPath 'Scripts\python.exe'
    if (Test-Path -LiteralPath $windows) {
        return $windows
    }
    return Join-Path -Path $Path -ChildPath 'bin/python'
}

$root = Split-Path -Parent -Path $PSScriptRoot
if (-not $PSBoundParameters.ContainsKey('Folder')) {
    $Folder = Join-Path -Path $root -ChildPath '.venv_train'
}
if (-not $PSCmdlet.ShouldProcess($Folder, 'Make a virtual environment and install the pinned packages')) {
    return
}

Invoke-Checked -Program $Python -Arguments @('-c', 'import sys; sys.exit(sys.version_info < (3, 11))')
Invoke-Checked -Program $Python -Arguments @('-m', 'venv', $Folder)
$inside = Get-EnvironmentPython -Path $Folder

$lock = 'requirements-train.txt'
if ($PSBoundParameters.ContainsKey('TorchIndex')) {
    $lock = 'requirements-train-cpu.txt'  # the same without torch
    $pin = (Select-String -LiteralPath (Join-Path -Path $root -ChildPath 'requirements-train.txt') -Pattern '^torch==[\d.]+').Matches[0].Value
    Invoke-Checked -Program $inside -Arguments @('-m', 'pip', 'install', $pin, '--index-url', $TorchIndex)
}
$pinned = Join-Path -Path $root -ChildPath $lock
Invoke-Checked -Program $inside -Arguments @('-m', 'pip', 'install', '--require-hashes', '--requirement', $pinned)
Invoke-Checked -Program $inside -Arguments @('-m', 'pip', 'install', '--no-deps', '--editable', $root)

# No double quotes within: Windows PowerShell 5.1 takes them out of what it hands to a program.
$try = "import torch; print('torch', torch.__version__, 'on', torch.cuda.get_device_name() if torch.cuda.is_available() else 'the CPU')"
Invoke-Checked -Program $inside -Arguments @('-c', $try)
Invoke-Checked -Program $inside -Arguments @('-m', 'melisma.cli.main', '--version')
Write-Output "Ready. Activate it with: $(Join-Path -Path (Split-Path -Parent -Path $inside) -ChildPath 'Activate.ps1')"
