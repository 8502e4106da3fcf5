<#
.SYNOPSIS
Lets this user run the PowerShell scripts of this repository. Read the warning before you run it.

.DESCRIPTION
SECURITY WARNING. This sets the execution policy of the current user to Bypass: from then on PowerShell runs every script that
this user starts, from whatever source, without asking and without looking at signatures. It also takes the mark "from the
internet" off the scripts in this repository's folder `scripts`, so that Windows no longer warns of them. An execution policy is no
wall against an attacker, but it is a guard against accidents, and this takes it away for all scripts, not for ours alone.

Do it only on a machine of your own, after you have read the scripts. What is safer and often enough:
  - for one session:   Set-ExecutionPolicy -Scope Process -ExecutionPolicy Bypass
  - for one script:    powershell -ExecutionPolicy Bypass -File .\scripts\setup_env.ps1
  - for local scripts: .\scripts\enable-pwsh-allow.ps1 -Policy RemoteSigned
Where an administrator has set a policy for the machine by group policy, that one holds, whatever is set here.

What was set before is printed, and -Undo takes the setting back.

.PARAMETER Policy
What is set for the current user: Bypass, or RemoteSigned, which still wants signatures on what was downloaded.

.PARAMETER Undo
Takes the policy of the current user away again, so that the machine's holds.

.PARAMETER Force
Does not ask. For your own automation, never for somebody else's machine.

.EXAMPLE
.\scripts\enable-pwsh-allow.ps1 -WhatIf

.EXAMPLE
.\scripts\enable-pwsh-allow.ps1 -Undo
#>
[CmdletBinding(SupportsShouldProcess = $true, ConfirmImpact = 'High')]
param(
    [ValidateSet('Bypass', 'RemoteSigned')]
    [string] $Policy = 'Bypass',

    [switch] $Undo,

    [switch] $Force
)

Set-StrictMode -Version 3.0
$ErrorActionPreference = 'Stop'

# Execution policies are Windows's; elsewhere there is nothing to set, and Set-ExecutionPolicy would only fail.
if ([System.Environment]::OSVersion.Platform -ne [System.PlatformID]::Win32NT) {
    Write-Output 'There are no execution policies on this system: nothing to do.'
    return
}

if ($Force -and -not $PSBoundParameters.ContainsKey('Confirm')) {
    $ConfirmPreference = 'None'
}

$before = Get-ExecutionPolicy -Scope CurrentUser
if ($Undo) {
    if ($PSCmdlet.ShouldProcess('the current user', "Take the execution policy $before away")) {
        Set-ExecutionPolicy -Scope CurrentUser -ExecutionPolicy Undefined -Force
        Write-Output "The execution policy of the current user was $before, and is not set any more."
    }
    return
}

Write-Warning -Message 'PowerShell will run every script that you start, from whatever source, without asking. Is this machine your own?'
Write-Warning -Message 'Get-Help .\scripts\enable-pwsh-allow.ps1 says more, and what is safer.'
if ($PSCmdlet.ShouldProcess('the current user', "Set the execution policy to $Policy (it is $before)")) {
    Set-ExecutionPolicy -Scope CurrentUser -ExecutionPolicy $Policy -Force
    Write-Output "The execution policy of the current user was $before, and is $Policy. Back: -Undo"
}
Get-ChildItem -LiteralPath $PSScriptRoot -Filter '*.ps1' -File | ForEach-Object -Process {
    if ($PSCmdlet.ShouldProcess($_.FullName, 'Take off the mark "from the internet"')) {
        Unblock-File -LiteralPath $_.FullName
    }
}
