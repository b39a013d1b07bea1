//go:build unix

package engine

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vmorchestrator/internal/archive/archivetest"
	"vmorchestrator/internal/job"
)

// laptop is an engine of its own with a login for a database of the shared server.
func laptop(t *testing.T, c *archivetest.Cluster, database, name string) *Engine {
	t.Helper()
	cfg := config(t)
	cfg.Operator = name
	cfg.Database = c.URL(c.Login(t, "", "vmo_operator"), database)
	return open(t, cfg)
}

// teamDatabase makes an archive.
func teamDatabase(t *testing.T) (*archivetest.Cluster, string) {
	t.Helper()
	c := archivetest.Shared(t)
	database := c.Database(t, "")
	cfg := config(t)
	cfg.Database = c.URL(archivetest.Admin, database)
	e := open(t, cfg)
	if err := e.InitDatabase(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	return c, database
}

// eventually fails unless something comes true soon.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(30 * time.Second)
	for !is() {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("it never came: %s", what)
		}
	}
}

func isCurrent(e *Engine) func() bool {
	return func() bool {
		n, _, err := e.journal.Head()
		s := e.Archive()
		return err == nil && s.State == ArchiveCurrent && s.Entries >= n
	}
}

func shareAll(t *testing.T, e *Engine) {
	t.Helper()
	if err := e.ChooseHistory(time.Time{}); err != nil {
		t.Fatal(err)
	}
	e.Ship()
}

// outputOf is what the archive gives back of a job.
func outputOf(t *testing.T, e *Engine, id job.ID) []byte {
	t.Helper()
	r, err := e.TeamOutput(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var out []byte
	for after := uint64(0); ; {
		page, err := r.Page(after, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			return out
		}
		for _, c := range page {
			out = append(out, c.Data...)
		}
		after = page[len(page)-1].Seq
	}
}

// verdicts are what a verification says, by job; the ledger's are under "".
func verdicts(t *testing.T, check func(report func(Verdict) error) error) map[job.ID]Verdict {
	t.Helper()
	all := map[job.ID]Verdict{}
	if err := check(func(v Verdict) error { all[v.Job] = v; return nil }); err != nil {
		t.Fatal(err)
	}
	return all
}

// What was recorded before there was a database follows when there is one, byte
// for byte, and is proven there as it is here.
func TestArchive_TheBacklogFollows(t *testing.T) {
	t.Parallel()
	c, database := teamDatabase(t)
	ann := laptop(t, c, database, "ann@laptop")
	before := start(t, ann, shell(`seq 1 200000; printf 'nul \000 and \377\376 bytes'; echo oops >&2`))
	wait(t, ann, before)

	if s := ann.Archive(); s.State != ArchiveAsks {
		t.Fatalf("state %q before anybody said what goes there, want %q", s.State, ArchiveAsks)
	}
	if _, err := ann.ShipOnce(t.Context()); !errors.Is(err, job.ErrInvalid) || job.HintOf(err) == "" {
		t.Fatalf("ShipOnce: %v; want a refusal with what to do", err)
	}
	shareAll(t, ann)
	after := start(t, ann, shell("echo later"))
	wait(t, ann, after)
	eventually(t, "everything is in the archive", isCurrent(ann))

	for _, id := range []job.ID{before, after} {
		r, err := ann.Output(id)
		if err != nil {
			t.Fatal(err)
		}
		var here []byte
		for _, chunk := range pages(t, r) {
			here = append(here, chunk.Data...)
		}
		if there := outputOf(t, ann, id); sha256.Sum256(there) != sha256.Sum256(here) {
			t.Errorf("job %s: %d bytes there, %d here", id, len(there), len(here))
		}
	}
	for id, v := range verdicts(t, func(r func(Verdict) error) error { return ann.VerifyArchive(t.Context(), nil, r) }) {
		if v.Result != Intact {
			t.Errorf("%q: %+v", id, v)
		}
	}
}

func pages(t *testing.T, r *Reader) (all []job.Chunk) {
	t.Helper()
	defer r.Close()
	for after := uint64(0); ; {
		page, err := r.Page(after, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			return all
		}
		for _, c := range page {
			c.Data = bytes.Clone(c.Data)
			all = append(all, c)
		}
		after = page[len(page)-1].Seq
	}
}

// A colleague sees what runs on another laptop, follows it, and is told when that
// laptop is gone.
func TestArchive_AColleaguesLivingJob(t *testing.T) {
	t.Parallel()
	c, database := teamDatabase(t)
	ann, bob := laptop(t, c, database, "ann@laptop"), laptop(t, c, database, "bob@desk")
	shareAll(t, ann)
	id := start(t, ann, shell("echo first; read line; echo got $line"))
	var seen TeamJob
	eventually(t, "bob sees ann's running job", func() bool {
		jobs, err := bob.TeamJobs(t.Context(), job.Filter{States: []job.State{job.Running}}, "", 10)
		if err != nil {
			t.Fatal(err)
		}
		if len(jobs) == 1 {
			seen = jobs[0]
		}
		return len(jobs) == 1
	})
	if seen.ID != id || seen.Mine || seen.Offline || seen.Operator != "ann@laptop" || seen.Laptop != "ann@laptop" {
		t.Errorf("bob sees %+v", seen)
	}
	eventually(t, "bob reads its first line", func() bool { return string(outputOf(t, bob, id)) == "first\n" })
	pulled := make(chan error, 1)
	go func() { pulled <- bob.PullOn(t.Context(), id) }()
	if err := ann.Input(id, []byte("it\n")); err != nil {
		t.Fatal(err)
	}
	wait(t, ann, id)
	if err := <-pulled; err != nil {
		t.Fatal(err)
	}
	r, err := bob.Output(id) // as every other record
	if err != nil {
		t.Fatal(err)
	}
	var text []byte
	for _, c := range pages(t, r) {
		text = append(text, c.Data...)
	}
	if string(text) != "first\ngot it\n" {
		t.Errorf("bob reads %q", text)
	}
}

// A search in the archive finds what anybody's jobs printed.
func TestArchive_IsSearched(t *testing.T) {
	t.Parallel()
	c, database := teamDatabase(t)
	ann, bob := laptop(t, c, database, "ann@laptop"), laptop(t, c, database, "bob@desk")
	for _, e := range []*Engine{ann, bob} {
		shareAll(t, e)
	}
	ids := map[job.ID]bool{}
	for _, e := range []*Engine{ann, bob} {
		id := start(t, e, shell(`seq 1 5000; echo "needle of a haystack"; seq 1 5000`))
		wait(t, e, id)
		ids[id] = true
		eventually(t, "it is in the archive", isCurrent(e))
	}
	var hits []Hit
	if err := bob.SearchArchive(t.Context(), Query{Pattern: "NEEDLE of", IgnoreCase: true}, func(h Hit) error {
		hits = append(hits, h)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for _, h := range hits {
		if !ids[h.Job] || h.Line != 5000 || h.Text != "needle of a haystack" {
			t.Errorf("hit %+v", h)
		}
		delete(ids, h.Job)
	}
	if len(ids) > 0 || len(hits) != 2 {
		t.Errorf("%d hits, and none in %v", len(hits), ids)
	}
	n := 0
	err := bob.SearchArchive(t.Context(), Query{Pattern: "1", Limit: 3}, func(Hit) error { n++; return nil })
	if err != nil || n != 3 {
		t.Errorf("%d hits with a limit of 3, %v", n, err)
	}
}

// Whoever has all rights in the database can change what is there. It is found.
func TestArchive_WhatWasDoneToItIsFound(t *testing.T) {
	t.Parallel()
	c, database := teamDatabase(t)
	ann := laptop(t, c, database, "ann@laptop")
	shareAll(t, ann)
	jobs := map[string]job.ID{}
	for _, name := range []string{"edited", "block removed", "command", "untouched"} {
		jobs[name] = start(t, ann, shell(`seq 1 100000`))
		wait(t, ann, jobs[name])
	}
	eventually(t, "everything is in the archive", isCurrent(ann))
	evil := func(sql string, args ...any) {
		t.Helper()
		c.Exec(t, database, "SET session_replication_role = replica; "+fmt.Sprintf(sql, args...))
	}
	evil(`UPDATE vmo.block SET data = (SELECT data FROM vmo.block WHERE job_id = '%s' AND number = 1) WHERE job_id = '%s' AND number = 0`, jobs["edited"], jobs["edited"])
	evil(`DELETE FROM vmo.block WHERE job_id = '%s' AND number = 1`, jobs["block removed"])
	evil(`UPDATE vmo.job SET begin = convert_to(replace(convert_from(begin, 'UTF8'), 'seq', 'sed'), 'UTF8') WHERE job_id = '%s'`, jobs["command"])
	all := verdicts(t, func(r func(Verdict) error) error { return ann.VerifyArchive(t.Context(), nil, r) })
	for name, words := range map[string]string{"edited": "edited: the output in block 0", "block removed": "removed or reordered", "command": "edited: how it began"} {
		if v := all[jobs[name]]; v.Result != Tampered || !strings.Contains(strings.Join(v.Findings, "\n"), words) {
			t.Errorf("%s: %+v, want one that says %q", name, v, words)
		}
	}
	for _, id := range []job.ID{"", jobs["untouched"]} {
		if all[id].Result != Intact {
			t.Errorf("%q: %+v", id, all[id])
		}
	}
	evil(`DELETE FROM vmo.ledger WHERE n > 3`)
	all = verdicts(t, func(r func(Verdict) error) error { return ann.VerifyArchive(t.Context(), nil, r) })
	if v := all[""]; v.Result != Tampered || !strings.Contains(strings.Join(v.Findings, "\n"), "its end was cut off") {
		t.Errorf("a ledger without its end: %+v", v)
	}
}

// Whoever may write the journal can cut the ledger together with the records. The
// archive remembers.
func TestArchive_RemembersTheLedger(t *testing.T) {
	t.Parallel()
	c, database := teamDatabase(t)
	ann := laptop(t, c, database, "ann@laptop")
	shareAll(t, ann)
	for range 3 {
		wait(t, ann, start(t, ann, shell("echo hello")))
	}
	eventually(t, "everything is in the archive", isCurrent(ann))
	check := func() Verdict {
		return verdicts(t, func(r func(Verdict) error) error { return ann.Verify(t.Context(), nil, r) })[""]
	}
	if v := check(); v.Result != Intact {
		t.Fatalf("untouched: %+v", v)
	}
	path := filepath.Join(ann.journal.Dir(), "ledger")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.SplitAfter(whole, []byte("\n"))
	if err := os.WriteFile(path, bytes.Join(lines[:4], nil), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(ann.witnessPath()); err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	if v := check(); v.Result != Tampered || !strings.Contains(strings.Join(v.Findings, "\n"), "the archive remembers entry") {
		t.Errorf("with its end cut off: %+v", v)
	}
	if err := os.WriteFile(path, whole, 0o600); err != nil {
		t.Fatal(err)
	}
}

// Of jobs that are to stay on this machine the archive gets nothing but digests,
// and does not take them for removed.
func TestArchive_WhatIsNotSharedStaysHere(t *testing.T) {
	t.Parallel()
	c, database := teamDatabase(t)
	ann := laptop(t, c, database, "ann@laptop")
	private := start(t, ann, shell("echo private"))
	wait(t, ann, private)
	if err := ann.ChooseHistory(time.Now()); err != nil {
		t.Fatal(err)
	}
	ann.Ship()
	shared := start(t, ann, shell("echo shared"))
	wait(t, ann, shared)
	eventually(t, "everything is in the archive", isCurrent(ann))
	jobs, err := ann.TeamJobs(t.Context(), job.Filter{}, "", 10)
	if err != nil || len(jobs) != 1 || jobs[0].ID != shared {
		t.Fatalf("the archive has %+v, %v; want job %s alone", jobs, err, shared)
	}
	all := verdicts(t, func(r func(Verdict) error) error { return ann.VerifyArchive(t.Context(), nil, r) })
	if v := all[private]; v.Result != Intact || v.State != "not shared" {
		t.Errorf("the private job: %+v", v)
	}
}

// Without a database, and with one that is not there, everything works.
func TestArchive_JobsGoOnWithoutIt(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	cfg.Database = "postgres://ann@127.0.0.1:1/vmo"
	e := open(t, cfg)
	shareAll(t, e)
	id := start(t, e, shell("echo hello"))
	if j := wait(t, e, id); j.State != job.Succeeded {
		t.Fatalf("%+v", j)
	}
	eventually(t, "the archive says why it waits", func() bool {
		s := e.Archive()
		return s.State == "waiting" && s.Error != "" && s.Hint != ""
	})
}

// A program that writes single bytes makes a million chunks. Each is there, with
// its number and its time, and so is every byte that is no text.
func TestArchive_AMillionChunksOfOneByte(t *testing.T) {
	t.Parallel()
	c, database := teamDatabase(t)
	ann := laptop(t, c, database, "ann@laptop")
	if err := ann.ChooseHistory(time.Time{}); err != nil {
		t.Fatal(err)
	}
	run := job.NewRun(job.Spec{Argv: []string{"one", "byte\xff", "at a time"}})
	r, err := ann.journal.Begin(run.Begin("", "ann@laptop", time.Now()))
	if err != nil {
		t.Fatal(err)
	}
	const n = 1_000_000
	writers := []interface{ Write([]byte) (int, error) }{r.Writer(job.Stdout), r.Writer(job.Stderr)}
	for i := range n {
		if _, err := writers[i%2].Write([]byte{byte(i)}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := r.Finish(job.Exit{State: job.Succeeded, Cause: job.CauseExit}); err != nil {
		t.Fatal(err)
	}
	if _, err := ann.ShipOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
	reader, err := ann.TeamOutput(t.Context(), r.ID())
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	seq := uint64(0)
	for {
		page, err := reader.Page(seq, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		for _, chunk := range page {
			i := seq
			if seq++; chunk.Seq != seq || len(chunk.Data) != 1 || chunk.Data[0] != byte(i) || chunk.Stream != job.Stdout+job.Stream(i%2) {
				t.Fatalf("chunk %d is %+v", seq, chunk)
			}
		}
	}
	if seq != n {
		t.Errorf("%d chunks came back, want %d", seq, n)
	}
	for id, v := range verdicts(t, func(r func(Verdict) error) error { return ann.VerifyArchive(t.Context(), nil, r) }) {
		if v.Result != Intact {
			t.Errorf("%q: %+v", id, v)
		}
	}
}

// Settings that cannot be read cost the archive, and no job.
func TestArchive_WithBrokenSettings(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	path := filepath.Join(cfg.ConfigDir, "settings.json")
	if err := errors.Join(os.MkdirAll(cfg.ConfigDir, 0o700), os.WriteFile(path, []byte("{\n\"folders\": [],\n\"database\": 5\n}\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	e := open(t, cfg)
	e.Ship()
	if j := wait(t, e, start(t, e, shell("echo hello"))); j.State != job.Succeeded {
		t.Errorf("%+v", j)
	}
	if s := e.Archive(); s.State != ArchiveStopped || !strings.Contains(s.Error, path+":3: ") || s.Hint == "" {
		t.Errorf("%+v; want the file and its line, and what to do", s)
	}
}
