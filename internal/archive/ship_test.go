package archive

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"vmorchestrator/internal/archive/archivetest"
	"vmorchestrator/internal/job"
)

// count is one number that the database answers.
func count(t testing.TB, c *archivetest.Cluster, database, sql string) (n int) {
	t.Helper()
	conn := c.Connect(t, archivetest.Admin, database)
	defer conn.Close(t.Context())
	if err := conn.QueryRow(t.Context(), sql).Scan(&n); err != nil {
		t.Fatalf("%v\n%s", err, sql)
	}
	return n
}

func TestShipOnce_WhatComesBackIsWhatWasRecorded(t *testing.T) {
	t.Parallel()
	c, db := newArchive(t)
	_, url := operator(t, c, db)
	j := newJournal("i1")
	j.run(0, 0)
	j.run(1, 1)
	j.run(40, 64<<10)
	j.run(600, 10) // more than fit into one batch
	for range 300 {
		j.run(1, 100)
	}
	live := j.begin(aJob())
	j.start(live)
	j.print(live, 1000)
	pending := j.begin(aJob())

	a := quick(Config{URL: url, Source: j, Laptop: "laptop"})
	defer a.Close()
	r := shipOnce(t, a)
	if r.Entries != len(j.entries) || r.Jobs != 304 || r.Blocks != 942 || r.Left != 0 {
		t.Errorf("shipped %+v", r)
	}
	same(t, a, j)

	// Once more, there is nothing to do; and what was interrupted goes on.
	if r := shipOnce(t, a); r.Entries+r.Jobs+r.Blocks != 0 {
		t.Errorf("shipped again: %+v", r)
	}
	j.print(live, 2000)
	j.seal(live, succeeded())
	j.start(pending)
	j.seal(pending, job.Exit{State: job.Failed, Cause: job.CauseSignal, Signal: "SIGSEGV"})
	if r := shipOnce(t, a); r.Jobs != 2 || r.Blocks != 1 {
		t.Errorf("shipped afterwards: %+v", r)
	}
	same(t, a, j)
}

// What compresses well comes in many small blocks. Reading them costs the journal
// more than sending them, so none is read twice.
func TestShip_ReadsTheJournalOnce(t *testing.T) {
	t.Parallel()
	c, db := newArchive(t)
	_, url := operator(t, c, db)
	j := newJournal("i1")
	j.run(5000, 20)
	j.run(5000, 20)
	a := quick(Config{URL: url, Source: j})
	defer a.Close()
	shipOnce(t, a)
	if j.given > 10000 {
		t.Errorf("%d blocks were read to ship 10000", j.given)
	}
	same(t, a, j)
}

// A thousand living jobs, and as many large ones, are not a thousand open files.
func TestShip_KeepsFewRecordsOpen(t *testing.T) {
	t.Parallel()
	c, db := newArchive(t)
	_, url := operator(t, c, db)
	j := newJournal("i1")
	for range 300 {
		j.run(20, 1000)
		id := j.begin(aJob())
		j.start(id)
		j.print(id, 1000)
	}
	a := quick(Config{URL: url, Source: j})
	defer a.Close()
	a.pace.bytes = 100_000
	shipOnce(t, a)
	same(t, a, j)
	if j.open != 0 || j.most > maxRecords+1 {
		t.Errorf("%d records were open at once, %d are still", j.most, j.open)
	}
}

func TestShipOnce_EndsWhileAJobPrintsWithoutEnd(t *testing.T) {
	t.Parallel()
	c, db := newArchive(t)
	_, url := operator(t, c, db)
	j := newJournal("i1")
	j.endless = j.begin(aJob())
	ended := j.run(3, 10)
	a := quick(Config{URL: url, Source: j})
	defer a.Close()
	if r := shipOnce(t, a); r.Left != 0 {
		t.Errorf("shipped %+v", r)
	}
	for id, sealed := range map[job.ID]bool{j.endless: false, ended: true} {
		if rec, err := pull(t.Context(), a, id); err != nil || rec.sealed != sealed || len(rec.blocks) == 0 {
			t.Errorf("%d blocks, sealed %t, %v", len(rec.blocks), rec.sealed, err)
		}
	}
}

// A server that lost what it had, as after an asynchronous failover, gets it again;
// and what it has already is not doubled.
func TestShip_TrustsTheServerAndNoMemory(t *testing.T) {
	t.Parallel()
	c, db := newArchive(t)
	_, url := operator(t, c, db)
	j := newJournal("i1")
	for range 5 {
		j.run(3, 1000)
	}
	a := quick(Config{URL: url, Source: j})
	defer a.Close()
	shipOnce(t, a)
	const lose = `SET vmo.maintenance = on; SET ROLE vmo_owner; `
	for _, sql := range []string{
		`DELETE FROM vmo.ledger WHERE n > 4`,
		`DELETE FROM vmo.job_event WHERE kind = 'end'; DELETE FROM vmo.block WHERE number > 0`,
		`DELETE FROM vmo.job_event; DELETE FROM vmo.block; DELETE FROM vmo.job; DELETE FROM vmo.ledger; DELETE FROM vmo.installation`,
	} {
		c.Exec(t, db, lose+sql)
		shipOnce(t, a)
		same(t, a, j)
	}
	if n := count(t, c, db, `SELECT count(*) FROM vmo.block`); n != 15 {
		t.Errorf("%d blocks", n)
	}
}

func TestShip_AForkIsQuarantinedAndOthersGoOn(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, sql, want string }{
		{"other output", `UPDATE vmo.block SET chain = sha256('x') WHERE number = 1`, "block 1"},
		{"another beginning", `UPDATE vmo.job SET begin = '{}'`, "begins otherwise"},
		{"more than the journal has", `INSERT INTO vmo.block SELECT job_id, 2, first_seq, last_seq, "offset", bytes, first_line, lines, first_at, last_at, raw_len, digest, chain, data FROM vmo.block WHERE number = 1`, "block 2, which the journal has not"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c, db := newArchive(t)
			_, url := operator(t, c, db)
			j := newJournal("i1")
			id := j.begin(aJob())
			j.print(id, 100)
			j.print(id, 100)
			a := quick(Config{URL: url, Source: j})
			defer a.Close()
			shipOnce(t, a)
			c.Exec(t, db, `SET vmo.maintenance = on; SET ROLE vmo_owner; `+test.sql)
			before := count(t, c, db, `SELECT count(*) FROM vmo.block`)
			j.seal(id, succeeded())
			other := j.run(2, 50)
			r := shipOnce(t, a)
			if len(r.Quarantined) != 1 || r.Quarantined[0].Job != id || !errors.Is(r.Quarantined[0].Error, errDiffers) ||
				!strings.Contains(r.Quarantined[0].Error.Error(), test.want) || job.HintOf(r.Quarantined[0].Error) == "" {
				t.Errorf("quarantined %+v, want one that says %q", r.Quarantined, test.want)
			}
			if n := count(t, c, db, `SELECT count(*) FROM vmo.block`); n != before+2 {
				t.Errorf("%d blocks, want %d", n, before+2)
			}
			if p, err := a.Part(t.Context(), other, 0, 1<<20); err != nil || !p.Sealed {
				t.Errorf("the other job: %v", err)
			}
		})
	}
}

// The check after a batch, when somebody else was quicker with the same key.
func TestShip_AForkInTheSameBatch(t *testing.T) {
	t.Parallel()
	c, db := newArchive(t)
	_, url := operator(t, c, db)
	mine, other := newJournal("i1"), newJournal("i1")
	what := aJob()
	for i, j := range []*journal{mine, other} {
		j.begin(what)
		j.print(what.ID, 100)
		j.print(what.ID, 200+i)
	}
	other.entries = mine.entries
	a := quick(Config{URL: url, Source: mine})
	defer a.Close()
	s := newShipper(a)
	defer s.backlog.close()
	var err error
	if s.conn, err = a.connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer s.conn.Close(t.Context())
	if err := s.begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.entries(t.Context()); err != nil {
		t.Fatal(err)
	}
	pieces := s.collect()
	shipOnce(t, quick(Config{URL: url, Source: other}))
	if err := s.put(t.Context(), pieces); err != nil {
		t.Fatal(err)
	}
	if got := s.backlog.forked[what.ID]; got == nil || !strings.Contains(got.Error(), "block 1") {
		t.Errorf("forked: %v", got)
	}
	same(t, a, other)
}

func TestShip_AJournalThatWasCopiedIsStopped(t *testing.T) {
	t.Parallel()
	c, db := newArchive(t)
	_, url := operator(t, c, db)
	first, second, third := newJournal("i1"), newJournal("i1"), newJournal("i1")
	for range 3 {
		first.run(1, 10)
	}
	second.entries = append(second.entries, first.entries[:4]...)
	third.entries = second.entries // restored from a backup, and nothing new yet
	for range 3 {
		second.run(1, 10)
	}
	shipOnce(t, quick(Config{URL: url, Source: first}))
	for _, j := range []*journal{second, third} {
		a := quick(Config{URL: url, Source: j})
		_, err := a.ShipOnce(t.Context())
		if !errors.Is(err, errForked) || job.HintOf(err) == "" || a.Status().State != Stopped {
			t.Errorf("got %v, state %q", err, a.Status().State)
		}
		a.Close()
	}
	if n := count(t, c, db, `SELECT count(*) FROM vmo.ledger`); n != 6 {
		t.Errorf("%d entries, want the 6 of the first", n)
	}
}

// Imported records, and those of a journal that got a new identity, are in the
// archive already.
func TestShip_ARecordThatAnotherInstallationShipped(t *testing.T) {
	t.Parallel()
	c, db := newArchive(t)
	_, url := operator(t, c, db)
	_, urlBob := operator(t, c, db)
	theirs, mine := newJournal("i1"), newJournal("i2")
	id := theirs.run(3, 100)
	forked := theirs.run(1, 100)
	shipOnce(t, quick(Config{URL: url, Source: theirs}))
	for _, id := range []job.ID{id, forked} {
		rec := *theirs.records[id]
		if id == forked {
			rec.opening.Begin = []byte(`{}`)
		}
		mine.records[id] = &rec
		mine.append(job.Statement{Kind: job.EntryImport, Job: id})
	}
	own := mine.run(1, 10)
	a := quick(Config{URL: urlBob, Source: mine})
	defer a.Close()
	r := shipOnce(t, a)
	if r.Jobs != 1 || len(r.Quarantined) != 1 || r.Quarantined[0].Job != forked {
		t.Errorf("shipped %+v", r)
	}
	if row, err := a.Job(t.Context(), string(own)); err != nil || row.Installation != "i2" {
		t.Errorf("%+v, %v", row, err)
	}
	if row, err := a.Job(t.Context(), string(id)); err != nil || row.Installation != "i1" {
		t.Errorf("%+v, %v", row, err)
	}
}

func TestShip_WhatTheServerRejectsIsSetAside(t *testing.T) {
	t.Parallel()
	c, db := newArchive(t)
	_, url := operator(t, c, db)
	j := newJournal("i1")
	poison := j.run(50, 10)
	var others []job.ID
	for range 20 {
		others = append(others, j.run(5, 10))
	}
	c.Exec(t, db, fmt.Sprintf(`CREATE FUNCTION poison() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'I do not like it'; END $$;
		GRANT EXECUTE ON FUNCTION poison TO PUBLIC;
		CREATE TRIGGER poison BEFORE INSERT ON vmo.block FOR EACH ROW WHEN (NEW.job_id = '%s' AND NEW.number = 17) EXECUTE FUNCTION poison()`, poison))
	a := quick(Config{URL: url, Source: j})
	defer a.Close()
	r := shipOnce(t, a)
	if len(r.SetAside) != 1 || r.SetAside[0].Job != poison || !strings.Contains(r.SetAside[0].Error.Error(), "block 17") ||
		!strings.Contains(r.SetAside[0].Error.Error(), "I do not like it") || job.HintOf(r.SetAside[0].Error) == "" {
		t.Errorf("set aside: %+v", r.SetAside)
	}
	for _, id := range others {
		if p, err := a.Part(t.Context(), id, 0, 1<<20); err != nil || !p.Sealed {
			t.Errorf("another job is not there: %v", err)
		}
	}
	if p, err := a.Part(t.Context(), poison, 0, 1<<20); err != nil || len(p.Blocks) != 17 || p.Sealed {
		t.Errorf("of the job itself there are %d blocks, sealed %t, %v", len(p.Blocks), p.Sealed, err)
	}
	c.Exec(t, db, `DROP TRIGGER poison ON vmo.block`)
	shipOnce(t, a)
	same(t, a, j)
}

func TestShip_WhatTheJournalDoesNotGiveIsSetAside(t *testing.T) {
	t.Parallel()
	c, db := newArchive(t)
	_, url := operator(t, c, db)
	j := newJournal("i1")
	bad, removed := j.run(1, 10), j.run(1, 10)
	good := j.run(1, 10)
	j.fail[bad] = errors.New("input/output error")
	delete(j.records, removed)
	a := quick(Config{URL: url, Source: j})
	defer a.Close()
	r := shipOnce(t, a)
	if len(r.SetAside) != 1 || r.SetAside[0].Job != bad || !strings.Contains(r.SetAside[0].Error.Error(), "input/output error") {
		t.Errorf("set aside: %+v", r.SetAside)
	}
	if p, err := a.Part(t.Context(), good, 0, 1<<20); err != nil || !p.Sealed {
		t.Errorf("another job is not there: %v", err)
	}
}

// Only what an operator agreed to is uploaded; that it was recorded is.
func TestShip_FromAMomentOn(t *testing.T) {
	t.Parallel()
	c, db := newArchive(t)
	_, url := operator(t, c, db)
	j := newJournal("i1")
	old := j.run(1, 10)
	from := time.Now().Add(time.Hour)
	a := quick(Config{URL: url, Source: j, From: from})
	defer a.Close()
	if r := shipOnce(t, a); r.Entries != 2 || r.Jobs != 0 || r.Left != 0 {
		t.Errorf("shipped %+v", r)
	}
	if _, err := a.Part(t.Context(), old, 0, 1); !errors.Is(err, job.ErrNotFound) {
		t.Errorf("the old job: %v", err)
	}
	// The clock of the laptop is set back after it was said: what is begun then is
	// newer, whatever its id says.
	j.append(job.Statement{Kind: job.EntryShare, From: from, Why: a.Status().Server})
	newer := j.run(2, 10)
	for range 2 { // when the entry is new, and when it is there already
		if r := shipOnce(t, a); r.Left != 0 {
			t.Errorf("shipped %+v", r)
		}
		if p, err := a.Part(t.Context(), newer, 0, 1<<20); err != nil || len(p.Blocks) != 2 {
			t.Errorf("the job that was begun afterwards: %v", err)
		}
		c.Exec(t, db, `SET vmo.maintenance = on; SET ROLE vmo_owner; DELETE FROM vmo.job_event; DELETE FROM vmo.block`)
	}
	shipOnce(t, a)

	all := quick(Config{URL: url, Source: j})
	defer all.Close()
	shipOnce(t, all)
	same(t, all, j)
}

// The lock of the journal was lost, or it is on a network drive.
func TestRun_TwoShippersOfOneJournal(t *testing.T) {
	t.Parallel()
	c, db := newArchive(t)
	_, url := operator(t, c, db)
	j := newJournal("i1")
	var both []*Archive
	for range 2 {
		a := quick(Config{URL: url, Source: j})
		defer a.Close()
		a.pace.bytes = 10000
		background(t, a)
		both = append(both, a)
	}
	for range 50 {
		j.run(20, 1000)
		both[0].Nudge()
		both[1].Nudge()
	}
	until(t, "everything is there", complete(t, both[0], j))
	for _, a := range both {
		until(t, "both know", isState(a, Current))
		if s := a.Status(); len(s.Quarantined)+len(s.SetAside) != 0 || s.Error != nil {
			t.Errorf("status %+v", s)
		}
	}
	if n := count(t, c, db, `SELECT count(*) FROM vmo.block`); n != 1000 {
		t.Errorf("%d blocks", n)
	}
}

// Nothing that a command, a host or an operator can be called is too strange.
func TestShip_AnyBytes(t *testing.T) {
	t.Parallel()
	c, db := newArchive(t)
	_, url := operator(t, c, db)
	j := newJournal("i1")
	strange := "a\x00b\xff\xfe\u2028" + strings.Repeat("é", 10000)
	what := aJob()
	what.Argv, what.Host, what.Project, what.Target = []string{strange, "\x00"}, strange, strange, strange
	what.Operator, what.Source, what.Detail = strange, strange, strange
	what.QueuedAt = time.Time{}
	id := j.begin(what)
	j.records[id].start = &job.Mark{Body: []byte("\x00\xff")}
	j.print(id, 10)
	j.records[id].blocks[0].Data = nil // removed on purpose
	j.seal(id, job.Exit{State: job.State(strange), Detail: strange})
	j.records[id].opening.Prelude = nil
	broken := j.begin(aJob())
	j.records[broken].opening.Begin = []byte("\x00 no JSON \xff")
	j.seal(broken, succeeded())
	j.records[broken].end.Body = []byte("\x00")
	j.entries[0].Sig = nil

	a := quick(Config{URL: url, Source: j, Laptop: strange})
	defer a.Close()
	if r := shipOnce(t, a); len(r.SetAside)+len(r.Quarantined) != 0 || r.Jobs != 2 {
		t.Fatalf("shipped %+v", r)
	}
	j.entries[0].Sig = []byte{}
	j.records[id].opening.Prelude = []byte{}
	same(t, a, j)
	var seen job.Job // as it is shown
	if err := json.Unmarshal(j.records[id].opening.Begin, &seen); err != nil {
		t.Fatal(err)
	}
	list, err := a.Jobs(t.Context(), job.Filter{Hosts: []string{seen.Host}, Operator: "a\x00b", Text: "\x00B"}, "", 10)
	if err != nil || len(list) != 1 || list[0].ID != id {
		t.Errorf("found %d jobs, %v", len(list), err)
	}
}
