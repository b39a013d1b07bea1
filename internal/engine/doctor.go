package engine

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"time"

	"vmorchestrator/internal/remote"
	"vmorchestrator/internal/secret"
)

// Check is one thing that was looked at.
type Check struct {
	Name     string `json:"name"`
	OK       bool   `json:"ok"`
	Optional bool   `json:"optional"` // what is missing costs only part of the program
	Found    string `json:"found"`    // what there is, or what is wrong
	Origin   string `json:"origin"`   // where that comes from, or is; may be empty
	Next     string `json:"next"`     // what to do if it is not OK

	shared string // what a report has in place of Found; empty: Found, redacted
}

// Program is who asks.
type Program struct {
	Name    string // "vmo" or "window"
	Version string
	WebView string // the version of the window's web view; empty: there is none, or it is not known
}

// checkLimit is how long one look may take.
const checkLimit = 5 * time.Second

// Examine looks at everything the engine needs, and opens one for it. What cannot
// be looked at without a journal is left out when that cannot be opened.
func Examine(ctx context.Context, c Config, p Program) []Check {
	e, err := Open(ctx, c)
	if err != nil {
		c.defaults()
		return examine(ctx, p, []examination{one(brokenJournal(c, err)), one(registryCheck(c)), NewUpdates(c, p).check})
	}
	defer e.Close() //nolint:errcheck // it has run no job
	return e.Examine(ctx, p)
}

// Examine looks at everything the engine needs. It runs make and ssh once each for
// their versions, and asks the agent, the keychain and the database.
func (e *Engine) Examine(ctx context.Context, p Program) []Check {
	return examine(ctx, p, []examination{
		e.journalCheck, e.storageCheck, e.ledgerCheck, e.keyCheck, e.databaseCheck, e.settingsCheck, one(registryCheck(e.config)),
		NewUpdates(e.config, p).check,
	})
}

// examination is one check that may take its time.
type examination func(context.Context) Check

func one(c Check) examination { return func(context.Context) Check { return c } }

// examine looks at all of it at once, each for no longer than the limit.
func examine(ctx context.Context, p Program, records []examination) []Check {
	looks := []examination{
		one(Check{Name: p.Name, OK: true, Found: p.Version}),
		systemCheck,
		one(variableCheck("PATH", false, "Commands are looked up there: set it.")),
		one(variableCheck("SSH_AUTH_SOCK", true, "Keys are read from files without an agent. Start one with: eval \"$(ssh-agent)\"; ssh-add")),
		func(ctx context.Context) Check { return tool(ctx, "make", "--version", false) },
		func(ctx context.Context) Check { return tool(ctx, "ssh", "-V", true) },
		agentCheck, keychainCheck,
	}
	if p.WebView != "" {
		looks = append(looks[:1:1], append([]examination{one(Check{Name: "web view", OK: true, Found: p.WebView})}, looks[1:]...)...)
	}
	looks = append(looks, records...)
	checks := make([]Check, len(looks))
	var all sync.WaitGroup
	for i, l := range looks {
		all.Go(func() {
			ctx, cancel := context.WithTimeoutCause(ctx, checkLimit, fmt.Errorf("it did not answer within %v", checkLimit))
			defer cancel()
			checks[i] = l(ctx)
		})
	}
	all.Wait()
	return checks
}

func systemCheck(ctx context.Context) Check {
	name := runtime.GOOS
	switch runtime.GOOS {
	case "linux":
		if text, err := os.ReadFile("/etc/os-release"); err == nil {
			for line := range strings.Lines(string(text)) {
				if v, ok := strings.CutPrefix(line, "PRETTY_NAME="); ok {
					name = strings.Trim(strings.TrimSpace(v), `"'`)
				}
			}
		}
		if text, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
			name += ", Linux " + strings.TrimSpace(string(text))
		}
	case "darwin":
		if out, _, err := ask(ctx, []string{"sw_vers", "-productVersion"}); err == nil {
			name = "macOS " + strings.TrimSpace(string(out))
		}
	case "windows":
		if out, _, err := ask(ctx, []string{"cmd", "/c", "ver"}); err == nil {
			name = strings.TrimSpace(string(out))
		}
	}
	return Check{Name: "system", OK: true, Found: fmt.Sprintf("%s, %s, built with %s", name, runtime.GOARCH, runtime.Version())}
}

// variableCheck tells what a variable of the environment is, and from where.
func variableCheck(name string, optional bool, next string) Check {
	value := os.Getenv(name)
	c := Check{Name: name, OK: value != "", Optional: optional, Found: value, Origin: origin(name), Next: next, shared: "set"}
	switch {
	case value == "":
		c.Found, c.Origin, c.shared = "not set", "", "not set"
	case name == "PATH":
		c.shared = fmt.Sprintf("%d folders", len(strings.Split(value, string(os.PathListSeparator))))
	}
	if name == "SSH_AUTH_SOCK" && value == "" && runtime.GOOS == "windows" {
		c.OK, c.Found = true, "not set; the agent of Windows is used"
	}
	return c
}

// agentCheck counts the keys of the agent; what they are is nobody's business here.
func agentCheck(ctx context.Context) Check {
	keys, how, err := remote.Agent(ctx)
	c := Check{Name: "agent", OK: err == nil, Optional: true, Found: "it answers, and holds " + count(keys, "key"), Origin: how}
	switch {
	case err != nil:
		c.Origin, c.Found, c.Next = "", err.Error(), "Keys are read from files without it. Look with: ssh-add -l"
	case keys == 0:
		c.OK, c.Found, c.Next = false, "it answers, and holds no keys", "Add one with ssh-add, or unlock it."
	}
	return c
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func keychainCheck(ctx context.Context) Check {
	c := Check{Name: "keychain", OK: true, Optional: true, Found: "it answers"}
	if err := secret.Probe(ctx); err != nil {
		c.OK, c.Found = false, strings.TrimPrefix(err.Error(), "read probe from the keychain: ")
		c.Next = "The signing key is kept in a file then, and a database password in PGPASSFILE. On Linux a Secret Service is needed, such as gnome-keyring."
	}
	return c
}
