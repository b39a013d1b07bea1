package engine

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Report is what a bug report may carry: how this installation stands, without the
// names, addresses and values of whom it belongs to. There is nothing of a job in it.
type Report struct {
	Parts []ReportPart `json:"parts"`
}

// ReportPart is one file of a report.
type ReportPart struct {
	Name string `json:"name"`
	What string `json:"what"`
	Text string `json:"text"`
}

// MakeReport examines everything, with an engine of its own, and writes down what
// may be told.
func MakeReport(ctx context.Context, c Config, p Program) (Report, error) {
	e, err := Open(ctx, c)
	if err != nil {
		checks := Examine(ctx, c, p)
		c.defaults()
		// Hosts and settings are read without a journal, too.
		half := &Engine{config: c, home: home(), settings: settingsFile{path: filepath.Join(c.ConfigDir, "settings.json")}}
		return half.report(p, "", checks)
	}
	defer e.Close() //nolint:errcheck // it has run no job
	return e.Report(ctx, p)
}

// Report examines everything and writes down what may be told.
func (e *Engine) Report(ctx context.Context, p Program) (Report, error) {
	return e.report(p, e.journal.ID(), e.Examine(ctx, p))
}

func (e *Engine) report(p Program, secret string, checks []Check) (Report, error) {
	r := e.redactor(secret)
	for i, c := range checks {
		found := r.clean(c.Found)
		if c.shared != "" {
			found = c.shared
		}
		checks[i] = Check{Name: c.Name, OK: c.OK, Optional: c.Optional, Found: found, Origin: r.clean(c.Origin), Next: r.clean(c.Next)}
	}
	var report Report
	var failed error
	add := func(name, what string, v any) {
		var text strings.Builder
		enc := json.NewEncoder(&text)
		enc.SetEscapeHTML(false) // people read it
		enc.SetIndent("", "  ")
		failed = errors.Join(failed, enc.Encode(v))
		report.Parts = append(report.Parts, ReportPart{name, what, text.String()})
	}
	add("doctor.json", "what vmo doctor finds", checks)
	add("settings.json", "the settings: counts, and the kind of the database", e.reportSettings(r))
	add("hosts.json", "hosts under pseudonyms, and how they are written down", e.reportHosts(r))
	add("environment.json", "names of variables that are set, without their values", reportEnvironment())
	var readme strings.Builder
	fmt.Fprintf(&readme, `Report of VM Orchestrator (%s %s), made %s.

Hosts, addresses, projects and folders have pseudonyms, the same in each report of this installation. The home folder
is ~. There are no commands, no output, no values of variables, no passwords, users and names of databases.
Look at it before you send it: what an error message says is searched for names that are known, not for others.

`, p.Name, p.Version, time.Now().UTC().Format(time.RFC3339))
	for _, part := range report.Parts {
		fmt.Fprintf(&readme, "%-18s %s\n", part.Name, part.What)
	}
	report.Parts = append([]ReportPart{{"README.txt", "what this is", readme.String()}}, report.Parts...)
	return report, failed
}

// redactor knows everything of this installation that has a name.
func (e *Engine) redactor(secret string) *redactor {
	r := newRedactor(secret)
	r.value(e.home, "~")
	r.value(e.config.DataDir, "<journal>")
	r.value(e.config.ConfigDir, "<config>")
	r.value(e.config.SSHConfig, "<ssh config>")
	r.name(e.config.Operator, "<operator>")
	r.database(e.config.Database)
	if s, err := e.settings.read(); err == nil {
		r.database(s.Database)
		if s.Updates != nil {
			r.value(s.Updates.URL, "<releases>")
		}
		for server := range s.History {
			r.value(server, "<server>")
		}
	}
	if all, err := e.Projects(); err == nil {
		for _, p := range all.Projects {
			r.value(p.Dir, r.pseudonym("project", p.Dir))
			r.name(p.Alias, r.pseudonym("project", p.Dir))
		}
	}
	for _, h := range e.inventory().Hosts {
		if h.Local {
			continue
		}
		by := r.pseudonym("host", h.Name)
		r.name(h.Name, by)
		r.name(h.Address, by)
		r.name(h.Destination.Alias, by)
		r.name(h.User, "<user>")
		r.name(h.Destination.User, "<user>")
		r.name(h.Environment, r.pseudonym("environment", h.Environment))
		for _, tag := range h.Tags {
			r.name(tag, r.pseudonym("tag", tag))
		}
	}
	return r
}

func (e *Engine) reportSettings(r *redactor) any {
	s, err := e.settings.read()
	if err != nil {
		return map[string]string{"error": r.clean(err.Error())}
	}
	engines := map[string]int{}
	for _, chosen := range s.Engines {
		engines[chosen]++
	}
	return map[string]any{
		"folders": len(s.Folders), "trusted": len(s.Trusted), "modes": len(s.Modes), "engines": engines,
		"database": databaseKind(s.Database), "history": len(s.History), "updates": s.Updates != nil && s.Updates.Check,
	}
}

// databaseKind is the shape of a URL: scheme, whether there is a port, and how TLS is
// asked for.
func databaseKind(dsn string) any {
	u, err := url.Parse(dsn)
	if dsn == "" || err != nil || u.Host == "" && u.Query().Get("host") == "" {
		return map[string]bool{"set": dsn != ""}
	}
	mode := u.Query().Get("sslmode")
	switch mode {
	case "disable", "allow", "prefer", "require", "verify-ca", "verify-full", "":
	default:
		mode = "another"
	}
	return map[string]any{"set": true, "port": u.Port() != "", "socket": u.Host == "", "sslmode": mode, "options": len(u.Query())}
}

type reportedHost struct {
	Host        string `json:"host"`
	Engine      string `json:"engine"`
	Environment string `json:"environment"`
	User        bool   `json:"user"` // it is written down
	Port        bool   `json:"port"`
	Sources     int    `json:"sources"`
	Conflicts   int    `json:"conflicts"`
}

func (e *Engine) reportHosts(r *redactor) any {
	list := e.inventory()
	hosts := []reportedHost{}
	for _, h := range list.Hosts {
		if h.Local {
			continue
		}
		environment := ""
		if h.Environment != "" {
			environment = r.pseudonym("environment", h.Environment)
		}
		hosts = append(hosts, reportedHost{
			Host: r.pseudonym("host", h.Name), Engine: e.chosenEngine(h.Destination), Environment: environment,
			User: h.User != "", Port: h.Port != 0, Sources: len(h.Origins), Conflicts: len(h.Conflicts),
		})
	}
	return map[string]any{"hosts": hosts, "problems": len(list.Problems), "files": len(list.Looked)}
}

func reportEnvironment() any {
	names := []string{}
	for _, v := range loginVariables {
		if _, set := os.LookupEnv(v.name); set {
			names = append(names, v.name)
		}
	}
	return map[string]any{"set": names}
}

// Write writes a report as tar.gz.
func (r Report) Write(w io.Writer) error {
	z := gzip.NewWriter(w)
	t := tar.NewWriter(z)
	for _, part := range r.Parts {
		h := &tar.Header{Name: "vm-orchestrator-report/" + part.Name, Mode: 0o600, Size: int64(len(part.Text)), ModTime: time.Now()}
		if err := t.WriteHeader(h); err != nil {
			return fmt.Errorf("write the report: %w", err)
		}
		if _, err := io.WriteString(t, part.Text); err != nil {
			return fmt.Errorf("write the report: %w", err)
		}
	}
	if err := errors.Join(t.Close(), z.Close()); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}
