package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"vmorchestrator/internal/job"
	"vmorchestrator/internal/process"
)

// tool asks a program for its version.
func tool(ctx context.Context, name, flag string, optional bool) Check {
	check := Check{Name: name, Optional: optional, Next: install(name)}
	path, err := process.LookPath(name)
	if err == nil {
		check.Origin = path
	}
	var out limited
	exit, err := runBriefly(ctx, process.Config{Argv: []string{name, flag}, Stdout: &out, Stderr: &out})
	if err != nil {
		var s *process.StartError
		if errors.As(err, &s) {
			err = s.Err
		}
		check.Found = err.Error()
		return check
	}
	check.Found, _, _ = strings.Cut(out.String(), "\n")
	check.OK = exit.State == job.Succeeded
	if !check.OK {
		check.Next = fmt.Sprintf("See what is wrong with: %s %s", name, flag)
	}
	return check
}

// managers are what installs programs, and what they call those that are needed
// where that is not their name.
var managers = []struct {
	program, how string
	names        map[string]string
}{
	{"apt-get", "sudo apt install", map[string]string{"ssh": "openssh-client"}},
	{"dnf", "sudo dnf install", map[string]string{"ssh": "openssh-clients"}},
	{"zypper", "sudo zypper install", map[string]string{"ssh": "openssh-clients"}},
	{"pacman", "sudo pacman -S", map[string]string{"ssh": "openssh"}},
	{"apk", "sudo apk add", map[string]string{"ssh": "openssh-client"}},
	{"brew", "brew install", map[string]string{"ssh": "openssh"}},
	{"winget", "winget install", map[string]string{"make": "ezwinports.make", "ssh": "Microsoft.OpenSSH.Preview"}},
}

// install says how a program is installed here.
func install(name string) string {
	for _, m := range managers {
		if _, err := process.LookPath(m.program); err == nil {
			return fmt.Sprintf("Install it with: %s %s", m.how, cmp.Or(m.names[name], name))
		}
	}
	return "Install " + name + "."
}
