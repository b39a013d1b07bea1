package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"vmorchestrator/internal/engine"
)

// archiveLine is how the archive stands, in one line.
func archiveLine(s engine.ArchiveStatus) string {
	line := s.State
	switch s.State {
	case engine.ArchiveOff:
		return "no database: records stay on this machine"
	case engine.ArchiveAsks:
		return visible(s.Server) + ": nobody has said yet which jobs go there"
	case engine.ArchiveCurrent:
		line = "everything is in the archive"
	}
	if s.Elsewhere {
		line = "another process of this machine copies"
	}
	line = visible(s.Server) + ": " + line
	if s.LagKnown && s.LagJobs > 0 {
		line += fmt.Sprintf(", %d jobs and %s not copied yet, since %d s", s.LagJobs, size(s.LagBytes), s.LagSeconds)
	}
	if s.Error != "" {
		line += ": " + visible(s.Error)
	}
	return line
}

func showArchive(out io.Writer, s engine.ArchiveStatus, check engine.DatabaseCheck) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	row := func(name string, value any) { fmt.Fprintf(w, "%s\t%s\n", name, visible(fmt.Sprint(value))) }
	if s.State == engine.ArchiveConnecting && check.Schema > 0 {
		s.State = "reachable" // nobody ships in this process
	}
	row("archive", strings.TrimPrefix(archiveLine(s), s.Server+": "))
	if s.State != engine.ArchiveOff {
		row("database", s.Server)
		row("said by", s.Origin)
	}
	if check.Schema > 0 {
		takes := "takes writes"
		if !check.Writable {
			takes = "takes no writes at the moment"
		}
		row("server", fmt.Sprintf("Postgres %s, %s, answers in %d ms, %s", check.Postgres, check.Transport, check.AnswerMS, takes))
		row("login", check.Login+", "+check.May)
		tables := fmt.Sprintf("version %d", check.Schema)
		if known, _ := engine.Versions(); check.Schema < known {
			tables += fmt.Sprintf("; some lists are faster with version %d, to which its owner brings them with vmo db migrate", known)
		}
		row("tables", tables)
		row("there", fmt.Sprintf("%d jobs of %d machines, %s", check.Jobs, check.Installations, size(check.Bytes)))
		row("this ledger", fmt.Sprintf("%d of %d entries are there", check.Entries, check.Ledger))
	}
	for _, f := range s.Quarantined {
		row("quarantined", string(f.Job)+": "+f.Error)
	}
	for _, f := range s.SetAside {
		row("set aside", string(f.Job)+": "+f.Error)
	}
	return w.Flush()
}
