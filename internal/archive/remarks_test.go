package archive

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"vmorchestrator/internal/archive/archivetest"
	"vmorchestrator/internal/job"
)

func (j *journal) say(kind job.EntryKind, about job.ID, by, text string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	s := job.Statement{Kind: kind, By: by}
	if kind == job.EntryPin || kind == job.EntryUnpin {
		s.Job, s.Why = about, text
	} else {
		s.About, s.Text = about, text
	}
	j.append(s)
}

// two installations of two logins, of which the first has recorded a job.
func twoLaptops(t *testing.T, c *archivetest.Cluster, db string) (anna, bob *Archive, annas, bobs *journal, id job.ID) {
	t.Helper()
	annas, bobs = newJournal("anna"), newJournal("bob")
	id = annas.begin(aJob())
	annas.seal(id, succeeded())
	for _, x := range []struct {
		a **Archive
		j *journal
	}{{&anna, annas}, {&bob, bobs}} {
		_, url := operator(t, c, db)
		*x.a = quick(Config{URL: url, Source: x.j})
		t.Cleanup((*x.a).Close)
		shipOnce(t, *x.a)
	}
	return anna, bob, annas, bobs, id
}

// Ensure a colleague can speak of my job, everybody sees who said what, and what
// came last holds, whosever ledger it stands in.
func TestRemarks_AreEverybodys(t *testing.T) {
	t.Parallel()
	c, db := newArchive(t)
	anna, bob, annas, bobs, id := twoLaptops(t, c, db)
	annas.say(job.EntryNote, id, "anna@thinkpad", "looks\n\"odd\" <b>")
	annas.say(job.EntryLabel, id, "anna@thinkpad", `a "b" <c> ü`)
	annas.say(job.EntryLabel, id, "anna@thinkpad", "wrong")
	shipOnce(t, anna)
	bobs.say(job.EntryUnlabel, id, "bob@desk", "wrong")
	bobs.say(job.EntryLabel, id, "bob@desk", "good")
	bobs.say(job.EntryPin, id, "bob@desk", "the release")
	shipOnce(t, bob)

	list, err := bob.Remarks(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range list {
		if r.Login == "" || (r.Installation == "anna") != (r.By == "anna@thinkpad") {
			t.Errorf("nobody's, or not his: %+v", r)
		}
		got = append(got, fmt.Sprintf("%s %s: %s", r.Kind, r.By, r.Text))
	}
	if diff := cmp.Diff([]string{
		"note anna@thinkpad: looks\n\"odd\" <b>", `label anna@thinkpad: a "b" <c> ü`, "label anna@thinkpad: wrong",
		"unlabel bob@desk: wrong", "label bob@desk: good", "pin bob@desk: the release",
	}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	marks := job.Marks{Pinned: true, Labels: []string{`a "b" <c> ü`, "good"}, Notes: 1}
	for _, f := range []job.Filter{
		{}, {Labels: []string{`a "b" <c> ü`}}, {Labels: []string{"wrong", "good"}}, {Labels: []string{"good"}, States: []job.State{job.Succeeded}},
	} {
		page, err := anna.Jobs(t.Context(), f, "", 10)
		if err != nil || len(page) != 1 || cmp.Diff(marks, page[0].Marks) != "" {
			t.Errorf("%+v: %+v, %v", f, page, err)
		}
	}
	for _, label := range []string{"wrong", "goo", "ood", `a \"b\"`, "looks"} {
		if page, err := anna.Jobs(t.Context(), job.Filter{Labels: []string{label}}, "", 10); err != nil || len(page) != 0 {
			t.Errorf("label %q: %+v, %v", label, page, err)
		}
	}
	annas.say(job.EntryLabel, id, "anna@thinkpad", "wrong")
	shipOnce(t, anna)
	if page, err := bob.Jobs(t.Context(), job.Filter{Labels: []string{"wrong"}}, "", 10); err != nil || len(page) != 1 {
		t.Errorf("given again: %+v, %v", page, err)
	}
}

// Ensure an entry that cannot be read, which anybody can ship, costs nobody else
// his list.
func TestRemarks_OneThatCannotBeReadIsLeftOut(t *testing.T) {
	t.Parallel()
	c, db := newArchive(t)
	anna, bob, annas, _, id := twoLaptops(t, c, db)
	annas.say(job.EntryLabel, id, "anna@thinkpad", "good")
	shipOnce(t, anna)
	c.Exec(t, db, `INSERT INTO vmo.ledger (installation_id, n, kind, job_id, body, sig) VALUES
		('bob', 1, 'label', $1::uuid, '\x7b22ff00', ''), ('bob', 2, 'note', $1::uuid, '', '')`, string(id))
	page, err := bob.Jobs(t.Context(), job.Filter{Labels: []string{"good"}}, "", 10)
	if err != nil || len(page) != 1 || cmp.Diff(job.Marks{Labels: []string{"good"}}, page[0].Marks) != "" {
		t.Errorf("%+v, %v", page, err)
	}
}

// Ensure this program works on an archive of the first version, as long as its
// owner has not migrated it, and goes on afterwards.
func TestRemarks_OnAnArchiveOfTheFirstVersion(t *testing.T) {
	t.Parallel()
	c := archivetest.Shared(t)
	db := c.Database(t, "")
	c.Exec(t, db, SetupSQL)
	cfg, err := pgx.ParseConfig(c.URL(archivetest.Admin, db))
	if err != nil {
		t.Fatal(err)
	}
	if err := migrate(t.Context(), cfg, uptoSchema(t, 1)); err != nil {
		t.Fatal(err)
	}
	anna, bob, annas, bobs, id := twoLaptops(t, c, db)
	bobs.say(job.EntryLabel, id, "bob@desk", "good")
	shipOnce(t, bob)
	look := func(labels ...string) {
		t.Helper()
		page, err := anna.Jobs(t.Context(), job.Filter{Labels: labels[:1]}, "", 10)
		if err != nil || len(page) != 1 || cmp.Diff(job.Marks{Labels: labels}, page[0].Marks) != "" {
			t.Errorf("%+v, %v", page, err)
		}
	}
	look("good")
	if got, err := anna.Check(t.Context()); err != nil || got.Schema != 1 {
		t.Errorf("schema %d, %v", got.Schema, err)
	}
	if v, err := Migrate(t.Context(), Config{URL: c.URL(archivetest.Admin, db)}); err != nil || v != SchemaVersion {
		t.Fatalf("migrate: version %d, %v", v, err)
	}
	annas.say(job.EntryLabel, id, "anna@thinkpad", "better")
	shipOnce(t, anna)
	look("better", "good")
}

// Ensure a program of the first version goes on with these tables, and stops, and
// says why, as soon as some demand more.
func TestUsable_ByAProgramOfTheFirstVersion(t *testing.T) {
	t.Parallel()
	c, db := newArchive(t)
	conn := c.Connect(t, archivetest.Admin, db)
	var version, oldest, migrated int
	if err := conn.QueryRow(t.Context(), `SELECT version, oldest, (SELECT max(version_id) FROM vmo.migration)
		FROM vmo.schema_version ORDER BY version DESC LIMIT 1`).Scan(&version, &oldest, &migrated); err != nil {
		t.Fatal(err)
	}
	if err := usable(version, oldest, migrated, 1); err != nil || version != SchemaVersion {
		t.Errorf("tables of version %d: %v", version, err)
	}
	if err := usable(version+1, 2, version+1, 1); !errors.Is(err, errNewer) || job.HintOf(err) == "" {
		t.Errorf("tables that need version 2: %v", err)
	}
}
