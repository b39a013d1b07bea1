package archive

import (
	"strings"
	"testing"

	"vmorchestrator/internal/archive/archivetest"
	"vmorchestrator/internal/job"
)

func TestRun_TheDiskOfTheServerIsFull(t *testing.T) {
	t.Parallel()
	c := archivetest.Small(t, 32)
	db := c.Database(t, "")
	if err := Init(t.Context(), Config{URL: c.URL(archivetest.Admin, db)}); err != nil {
		t.Fatal(err)
	}
	c.Exec(t, db, `DO $$ DECLARE p regclass; BEGIN
		FOR p IN SELECT inhrelid FROM pg_inherits WHERE inhparent = 'vmo.block'::regclass LOOP EXECUTE format('ALTER TABLE %s SET TABLESPACE small', p); END LOOP; END $$`)
	login := c.Login(t, "x", "vmo_operator")
	j := newJournal("i1")
	a := quick(Config{URL: c.URL(login, db), Source: j})
	defer a.Close()
	background(t, a)
	id := j.begin(aJob())
	for range 320 { // 20 MiB, where there are 16
		j.print(id, 64<<10)
	}
	a.Nudge()
	until(t, "the disk is full", isState(a, Waiting))
	s := a.Status()
	if !strings.Contains(s.Error.Error(), "53100") || !strings.Contains(job.HintOf(s.Error), "free some space") || s.LagJobs != 1 || s.LagBytes == 0 {
		t.Errorf("status %+v, hint %q", s, job.HintOf(s.Error))
	}
	if rec, err := pull(t.Context(), a, id); err != nil || len(rec.blocks) == 0 {
		t.Errorf("what fitted cannot be read: %v", err)
	}
	j.seal(id, succeeded())
	c.Free(t)
	until(t, "everything is there", complete(t, a, j))
}
