package archive

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vmorchestrator/internal/archive/archivetest"
	"vmorchestrator/internal/job"
)

// Ensure one query answers who touched a host, whoever it was: with jobs, what was
// said of them, what else the ledgers tell and what the owner of the archive
// removed.
func TestActs_TellWhoTouchedAHost(t *testing.T) {
	t.Parallel()
	c, db := newArchive(t)
	annas, bobs := newJournal("anna"), newJournal("bob")
	mine := job.Job{ID: job.NewID(), Run: job.NewID(), Host: "web-2", Argv: []string{"uptime"}, Operator: "anna@thinkpad", State: job.Pending, QueuedAt: time.Now().UTC()}
	elsewhere := mine
	elsewhere.ID, elsewhere.Host = job.NewID(), "web-1"
	for _, j := range []job.Job{mine, elsewhere} {
		id := annas.begin(j)
		annas.print(id, 100)
		annas.seal(id, succeeded())
	}
	login := map[string]string{}
	var a *Archive
	for _, j := range []*journal{annas, bobs} {
		who, url := operator(t, c, db)
		login[j.id] = who
		a = quick(Config{URL: url, Source: j})
		t.Cleanup(a.Close)
		shipOnce(t, a)
		if j == annas {
			for range 3 {
				bobs.tell(job.Statement{Kind: job.EntryRemove, Job: job.NewID(), Host: "web-2", By: "bob@desk", Why: "space"})
			}
			bobs.say(job.EntryNote, mine.ID, "bob@desk", "odd") // without the host, as an older program
			bobs.tell(job.Statement{Kind: job.EntryConnect, Host: "web-2", By: "bob@desk", Text: "bob@10.0.0.2:22"})
			bobs.tell(job.Statement{Kind: job.EntryConnect, Host: "web-1", By: "bob@desk", Text: "bob@10.0.0.1:22"})
		}
	}
	if _, err := Retention(t.Context(), Config{URL: c.URL(archivetest.Admin, db)}, Policy{Before: time.Now().Add(time.Hour), Why: "a year is over"}, false); err != nil {
		t.Fatal(err)
	}
	words := func(list []job.Act) (out []string) {
		for _, x := range list {
			who := x.By
			if x.Login != login["anna"] && x.Login != login["bob"] {
				who = "the owner"
			}
			out = append(out, fmt.Sprintf("%s %s: %s ×%d", x.What, who, x.Text, x.Count))
		}
		return out
	}
	list, more, err := a.Acts(t.Context(), job.Filter{Hosts: []string{"web-2"}}, 20)
	if err != nil || more {
		t.Fatal(more, err)
	}
	want := []string{
		"archive-retention the owner: a year is over ×0", "connect bob@desk: bob@10.0.0.2:22 ×0", "note bob@desk: odd ×0", "remove bob@desk: space ×3", "job anna@thinkpad: uptime ×0",
	}
	if diff := cmp.Diff(want, words(list)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for name, f := range map[string]job.Filter{"by his laptop": {Operator: "BOB@"}, "by his login": {Operator: login["bob"]}} {
		if list, _, err := a.Acts(t.Context(), f, 20); err != nil || len(list) != 4 {
			t.Errorf("%s: %q, %v", name, words(list), err)
		}
	}
	if list, _, err := a.Acts(t.Context(), job.Filter{Since: time.Now().Add(time.Hour)}, 20); err != nil || len(list) != 0 {
		t.Errorf("in the future: %q, %v", words(list), err)
	}
	if list, more, err := a.Acts(t.Context(), job.Filter{Until: list[1].At}, 1); err != nil || len(list) != 1 || !more || list[0].What != "note" {
		t.Errorf("the next one: %q, %v, %v", words(list), more, err)
	}
}

// Ensure a filter that few entries fit finds them behind many that do not, also
// where those are of one moment, and that an entry that cannot be read is left out.
func TestActs_FindAFewAmongMany(t *testing.T) {
	t.Parallel()
	c, db := newArchive(t)
	_, url := operator(t, c, db)
	a := quick(Config{URL: url, Source: newJournal("i1")})
	defer a.Close()
	c.Exec(t, db, `INSERT INTO vmo.ledger (installation_id, n, kind, at, body, sig) SELECT 'i' || n % 7, n, 'connect', '2026-01-01'::timestamptz + n / 400 * interval '1 second',
		convert_to(format('{"kind":"connect","host":"%s","by":"bob"}', CASE n % 1000 WHEN 1 THEN 'web-2' ELSE 'web-1' END), 'UTF8'), '' FROM generate_series(1, 3000) n;
		INSERT INTO vmo.ledger (installation_id, n, kind, at, body, sig) VALUES ('i9', 1, 'note', '2026-01-01', '\xff00', '')`)
	list, more, err := a.Acts(t.Context(), job.Filter{Hosts: []string{"web-2"}}, 10)
	if err != nil || more || len(list) != 3 {
		t.Errorf("%d, more: %v, %v", len(list), more, err)
	}
	if all, _, err := a.Acts(t.Context(), job.Filter{}, 5000); err != nil || len(all) != 3000 {
		t.Errorf("%d of 3000, %v", len(all), err)
	}
}

func (j *journal) tell(s job.Statement) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.append(s)
}
