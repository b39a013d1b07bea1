package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"vmorchestrator/internal/job"
	"vmorchestrator/internal/journal"
	"vmorchestrator/internal/process"
)

// Check is one thing that was looked at.
type Check struct {
	Name     string `json:"name"`
	OK       bool   `json:"ok"`
	Optional bool   `json:"optional"` // what is missing costs only part of the program
	Found    string `json:"found"`    // what there is, or what is wrong
	Next     string `json:"next"`     // what to do if it is not OK
}

// Examine looks at everything the engine needs. It opens the journal as a
// command would, and runs make and ssh once each for their versions.
func Examine(ctx context.Context, c Config) []Check {
	c.defaults()
	checks := []Check{journalCheck(ctx, c)}
	checks = append(checks, tool(ctx, "make", "--version", false), tool(ctx, "ssh", "-V", true))
	registry := Check{Name: "registry", OK: true, Optional: true, Found: c.Registry}
	if _, err := os.Stat(c.Registry); err != nil {
		registry.OK, registry.Found = false, err.Error()
		registry.Next = "Projects can be named there, one alias=folder a line; without it, add folders."
	}
	path := Check{Name: "PATH", OK: os.Getenv("PATH") != "", Found: os.Getenv("PATH"), Next: "Commands are looked up there: set it."}
	return append(checks, registry, path)
}

func journalCheck(ctx context.Context, c Config) Check {
	check := Check{Name: "journal"}
	j, err := journal.Open(ctx, journal.Config{Dir: c.DataDir, Descendants: left})
	if err == nil {
		defer j.Close()
		err = j.ReadOnly()
	}
	if err != nil {
		check.Found, check.Next = err.Error(), job.HintOf(err)
		return check
	}
	health, err := j.Health(ctx)
	check.OK, check.Found = err == nil, fmt.Sprintf("%s, %d jobs, %d MiB free, SQLite %s", j.Dir(), health.Jobs, health.Free>>20, health.SQLite)
	if err != nil {
		check.Found, check.Next = err.Error(), job.HintOf(err)
	}
	return check
}

// tool asks a program for its version.
func tool(ctx context.Context, name, flag string, optional bool) Check {
	check := Check{Name: name, Optional: optional, Next: "Install " + name + "."}
	var out bytes.Buffer
	const limit = 5 * time.Second
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("it did not answer within %v", limit))
	defer cancel()
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
	return check
}
