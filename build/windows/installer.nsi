; The installer for Windows: for one user, without an administrator. With /S it
; asks nothing; /D=FOLDER, last and without quotes, chooses where. Nothing is in
; it but the programs: no plugin of NSIS, no installer of something else.
Unicode true
SetCompressor /SOLID lzma
SetDateSave off
!define NAME "VM Orchestrator"
!define LINKS "Software\Classes\vmo"
!define KEY "Software\Microsoft\Windows\CurrentVersion\Uninstall\vm-orchestrator"

Name "${NAME}"
OutFile "${OUT}"
Icon "${FILES}\icon.ico"
UninstallIcon "${FILES}\icon.ico"
RequestExecutionLevel user
InstallDir "$LOCALAPPDATA\Programs\VM Orchestrator"
InstallDirRegKey HKCU "${KEY}" "InstallLocation"
ShowInstDetails show
BrandingText "${NAME} ${SHOWN}"
LicenseData "${FILES}\LICENSE.txt"

VIProductVersion "${NUMBER}"
VIAddVersionKey ProductName "${NAME}"
VIAddVersionKey FileDescription "Installs ${NAME}"
VIAddVersionKey FileVersion "${SHOWN}"
VIAddVersionKey ProductVersion "${SHOWN}"
VIAddVersionKey LegalCopyright "Copyright (c) 2026 The VM Orchestrator authors"

Page license
Page directory
Page instfiles
UninstPage uninstConfirm
UninstPage instfiles

Section
	SetShellVarContext current
	SetOutPath "$INSTDIR"
	; A program that runs cannot be written over: say so instead of half an update.
	ClearErrors
	File "${FILES}\vm-orchestrator.exe"
	File "${FILES}\vmo.exe"
	IfErrors 0 written
		SetErrorLevel 3
		Abort "VM Orchestrator or vmo is running. Close it, then install again."
	written:
	File "${FILES}\LICENSE.txt"
	File "${FILES}\THIRD_PARTY.txt"
	WriteUninstaller "$INSTDIR\uninstall.exe"
	CreateShortCut "$SMPROGRAMS\VM Orchestrator.lnk" "$INSTDIR\vm-orchestrator.exe"
	WriteRegStr HKCU "${KEY}" "DisplayName" "${NAME}"
	WriteRegStr HKCU "${KEY}" "DisplayVersion" "${SHOWN}"
	WriteRegStr HKCU "${KEY}" "Publisher" "${VENDOR}"
	WriteRegStr HKCU "${KEY}" "DisplayIcon" "$INSTDIR\vm-orchestrator.exe"
	WriteRegStr HKCU "${KEY}" "InstallLocation" "$INSTDIR"
	WriteRegStr HKCU "${KEY}" "UninstallString" '"$INSTDIR\uninstall.exe"'
	WriteRegStr HKCU "${KEY}" "QuietUninstallString" '"$INSTDIR\uninstall.exe" /S'
	; vmo:// links. The program takes one as its argument, and starts nothing by it.
	WriteRegStr HKCU "${LINKS}" "" "URL:VM Orchestrator"
	WriteRegStr HKCU "${LINKS}" "URL Protocol" ""
	WriteRegStr HKCU "${LINKS}\DefaultIcon" "" "$INSTDIR\vm-orchestrator.exe,0"
	WriteRegStr HKCU "${LINKS}\shell\open\command" "" '"$INSTDIR\vm-orchestrator.exe" "%1"'
	WriteRegDWORD HKCU "${KEY}" "NoModify" 1
	WriteRegDWORD HKCU "${KEY}" "NoRepair" 1
SectionEnd

; Only what was installed goes, by its name: the journal is elsewhere and stays.
Section "Uninstall"
	SetShellVarContext current
	ClearErrors
	Delete "$INSTDIR\vm-orchestrator.exe"
	Delete "$INSTDIR\vmo.exe"
	IfErrors 0 gone
		SetErrorLevel 3
		Abort "VM Orchestrator or vmo is running. Close it, then uninstall again."
	gone:
	Delete "$INSTDIR\LICENSE.txt"
	Delete "$INSTDIR\THIRD_PARTY.txt"
	Delete "$INSTDIR\uninstall.exe"
	RMDir "$INSTDIR"
	Delete "$SMPROGRAMS\VM Orchestrator.lnk"
	; What another installation has put there since is not ours.
	ReadRegStr $0 HKCU "${LINKS}\shell\open\command" ""
	StrCmp $0 '"$INSTDIR\vm-orchestrator.exe" "%1"' 0 theirs
		DeleteRegKey HKCU "${LINKS}"
	theirs:
	DeleteRegKey HKCU "${KEY}"
SectionEnd
