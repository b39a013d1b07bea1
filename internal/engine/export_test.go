//go:build unix

package engine

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"vmorchestrator/internal/archive/archivetest"
	"vmorchestrator/internal/job"
)

// What a colleague has recorded is exported from the archive with its proof, and
// taken in by a machine that knows neither the archive nor the colleague: the same
// bytes, of the same installation. The window, which brought it here, does the same.
func TestExportTeam_ARecordIsImportedElsewhere(t *testing.T) {
	t.Parallel()
	c, database := teamDatabase(t)
	ann, bob, carol := laptop(t, c, database, "ann@laptop"), laptop(t, c, database, "bob@desk"), open(t, config(t))
	shareAll(t, ann)
	id := start(t, ann, shell(`seq 1 50000; printf 'nul \000 and \377\376 bytes'; echo oops >&2; exit 3`))
	wait(t, ann, id)
	eventually(t, "everything is in the archive", isCurrent(ann))
	found, err := bob.TeamFind(t.Context(), string(id))
	if err != nil {
		t.Fatal(err)
	}
	var exported, byWindow bytes.Buffer
	if err := bob.ExportTeam(t.Context(), found.Job, Bundle, &exported); err != nil {
		t.Fatal(err)
	}
	if err := bob.Export(t.Context(), id, Bundle, &byWindow); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(exported.Bytes(), byWindow.Bytes()) {
		t.Error("the window exports another file")
	}

	got, err := carol.Import(t.Context(), bytes.NewReader(exported.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	if got.ID != id || got.State != job.Failed || got.Operator != "ann@laptop" || got.Origin != ann.journal.ID() {
		t.Errorf("imported as %+v", got)
	}
	read := func(e *Engine) (all []job.Chunk) {
		r, err := e.Output(id)
		if err != nil {
			t.Fatal(err)
		}
		return pages(t, r)
	}
	if here, there := fmt.Sprint(read(ann)), fmt.Sprint(read(carol)); here != there {
		t.Error("carol reads something else than ann recorded")
	}
	if v := verdicts(t, func(r func(Verdict) error) error { return carol.Verify(t.Context(), []job.ID{id}, r) })[id]; v.Result != Intact {
		t.Errorf("carol verifies it: %+v", v)
	}
	back, err := ann.Import(t.Context(), bytes.NewReader(exported.Bytes()))
	if err != nil || back.Origin != "" {
		t.Errorf("back home it is %+v, %v", back, err)
	}
}

// What cannot be proven is not exported as a record: it would be refused elsewhere.
func TestExportTeam_OnlyWhatIsProven(t *testing.T) {
	t.Parallel()
	c, database := teamDatabase(t)
	ann, bob := laptop(t, c, database, "ann@laptop"), laptop(t, c, database, "bob@desk")
	shareAll(t, ann)
	jobs := map[string]job.ID{}
	for _, name := range []string{"removed", "edited", "another end", "no end in the ledger"} {
		jobs[name] = start(t, ann, shell(`seq 1 30000`))
		wait(t, ann, jobs[name])
	}
	eventually(t, "everything is in the archive", isCurrent(ann))
	jobs["runs"] = start(t, ann, shell("read line"))
	eventually(t, "it is there", func() bool { return stateThere(t, bob, jobs["runs"]) == job.Running })
	evil := func(sql string, id job.ID) {
		t.Helper()
		c.Exec(t, database, "SET session_replication_role = replica; "+fmt.Sprintf(sql, id))
	}
	evil(`UPDATE vmo.block SET data = NULL WHERE job_id = '%s' AND number = 0`, jobs["edited"])
	evil(`UPDATE vmo.job_event SET body = convert_to(replace(convert_from(body, 'UTF8'), 'succeeded', 'cancelled'), 'UTF8') WHERE kind = 'end' AND job_id = '%s'`, jobs["another end"])
	evil(`DELETE FROM vmo.ledger WHERE kind = 'seal' AND job_id = '%s'`, jobs["no end in the ledger"])
	gone, err := bob.RetireArchive(t.Context(), Retention{Before: jobs["edited"].Time(), Why: "test"}, false, c.URL(archivetest.Admin, database))
	if err != nil || len(gone.Jobs) != 1 || gone.Jobs[0] != jobs["removed"] {
		t.Fatalf("retention: %+v, %v", gone, err)
	}
	for name, id := range jobs {
		var out bytes.Buffer
		err := bob.Export(t.Context(), id, Bundle, &out)
		if !errors.Is(err, job.ErrInvalid) || job.HintOf(err) == "" || out.Len() > 0 {
			t.Errorf("%s: %v, hint %q, and %d bytes", name, err, job.HintOf(err), out.Len())
		}
	}
}
