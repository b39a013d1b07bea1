package update

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
)

// System is what an update would be for.
type System struct {
	OS, Arch string
	Family   string // of Linux: debian, fedora, suse, arch, alpine; else empty
	Program  string // the file that runs
	Window   bool   // the window is installed too
}

// This is the system that the program runs on.
func This() System {
	s := System{OS: runtime.GOOS, Arch: runtime.GOARCH}
	s.Program, _ = os.Executable() // without it, it came from nowhere that is known
	if s.OS == "linux" {
		text, _ := os.ReadFile("/etc/os-release")
		s.Family = family(string(text))
		_, err := os.Stat("/usr/bin/vm-orchestrator")
		s.Window = err == nil
	}
	return s
}

// family is whose packages a Linux takes, from its os-release.
func family(release string) string {
	var words []string
	for line := range strings.Lines(release) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		if name == "ID" || name == "ID_LIKE" {
			words = append(words, strings.Fields(strings.Trim(value, `"'`))...)
		}
	}
	for _, w := range words {
		switch {
		case w == "debian", w == "ubuntu":
			return "debian"
		case w == "fedora", w == "rhel":
			return "fedora"
		case strings.Contains(w, "suse"):
			return "suse"
		case w == "arch", w == "alpine":
			return w
		}
	}
	return ""
}

// packages of a family: how their files are called, and what installs them.
var packages = map[string]struct{ amd64, arm64, command string }{
	"debian": {`_.*_amd64\.deb`, `_.*_arm64\.deb`, "sudo apt install"},
	"fedora": {`-.*\.x86_64\.rpm`, `-.*\.aarch64\.rpm`, "sudo dnf install"},
	"suse":   {`-.*\.x86_64\.rpm`, `-.*\.aarch64\.rpm`, "sudo zypper install --allow-unsigned-rpm"},
	"arch":   {`-.*-x86_64\.pkg\.tar\.zst`, `-.*-aarch64\.pkg\.tar\.zst`, "sudo pacman -U"},
	"alpine": {`_.*_x86_64\.apk`, `_.*_aarch64\.apk`, "sudo apk add --allow-untrusted"},
}

// For says which files of a release are for a system, and what to do with them, in
// one line. It may know none.
func (m Manifest) For(s System) (files []File, how string) {
	pick := func(shape string) bool {
		whole := regexp.MustCompile("^" + shape + "$")
		i := slices.IndexFunc(m.Files, func(f File) bool { return whole.MatchString(f.Name) })
		if i >= 0 {
			files = append(files, m.Files[i])
		}
		return i >= 0
	}
	switch p, packaged := packages[s.Family]; {
	case s.OS == "windows":
		if pick(`vm-orchestrator-.*-windows-` + s.Arch + `-setup\.exe`) {
			return files, "Close the window, then run " + files[0].Name + "."
		}
	case s.OS == "linux" && packaged && strings.HasPrefix(s.Program, "/usr/bin/"):
		shape := p.amd64
		if s.Arch == "arm64" {
			shape = p.arm64
		}
		if !pick("vmo" + shape) {
			break
		}
		if s.Window && !pick("vm-orchestrator"+shape) {
			return files, "" // the two belong together
		}
		how = p.command
		for _, f := range files {
			how += " ./" + f.Name
		}
		return files, how
	}
	if s.OS == "darwin" && strings.Contains(s.Program, ".app/") {
		if pick(`vm-orchestrator-.*-macos\.dmg`) {
			return files, "Close the window, open " + files[0].Name + " and put the program in the place of the one before."
		}
		return nil, ""
	}
	program := "vmo"
	if s.OS == "linux" && filepath.Base(s.Program) == "vm-orchestrator" {
		program = "vm-orchestrator"
	}
	name := program + "-.*-" + s.OS + "-" + s.Arch
	if s.OS == "windows" {
		name += `\.exe`
	}
	if pick(name) {
		how = fmt.Sprintf("End what it runs, then put %s in the place of %s.", files[0].Name, program)
	}
	return files, how
}
