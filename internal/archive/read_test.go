package archive

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vmorchestrator/internal/archive/archivetest"
	"vmorchestrator/internal/job"
	"vmorchestrator/internal/proxytest"
)

func TestJobs_AreWhatTheyWereWithWhatBecameOfThem(t *testing.T) {
	t.Parallel()
	c, db := newArchive(t)
	login, url := operator(t, c, db)
	j := newJournal("i1")
	begun := aJob()
	ended := j.begin(begun)
	j.start(ended)
	j.print(ended, 100)
	j.print(ended, 50)
	j.seal(ended, succeeded())
	running := j.begin(aJob())
	j.start(running)
	pending := j.begin(aJob())
	a := quick(Config{URL: url, Source: j, Laptop: "thinkpad"})
	defer a.Close()
	shipOnce(t, a)

	list, err := a.Jobs(t.Context(), job.Filter{}, "", 10)
	if err != nil || len(list) != 3 {
		t.Fatalf("%d jobs, %v", len(list), err)
	}
	for i, want := range []struct {
		id    job.ID
		state job.State
	}{{pending, job.Pending}, {running, job.Running}, {ended, job.Succeeded}} {
		r := list[i]
		if r.ID != want.id || r.State != want.state || r.Installation != "i1" || r.Login != login || r.Laptop != "thinkpad" ||
			r.OwnerSeen.IsZero() || r.OwnerAway > time.Minute || r.Removed {
			t.Errorf("job %d: %+v, want %+v", i, r, want)
		}
	}
	want := begun
	started := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	want.State, want.Cause, want.ExitCode = job.Succeeded, job.CauseExit, new(int)
	want.StartedAt, want.FinishedAt = &started, list[2].FinishedAt
	want.Bytes, want.Lines, want.Chunks = 150, 6, 10
	want.QueuedAt = want.QueuedAt.Round(0)
	if d := cmp.Diff(want, list[2].Job); d != "" || want.FinishedAt == nil {
		t.Errorf("the job that ended (-want +got):\n%s", d)
	}

	page, err := a.Jobs(t.Context(), job.Filter{}, pending, 1)
	if err != nil || len(page) != 1 || page[0].ID != running {
		t.Errorf("the page behind the first: %+v, %v", page, err)
	}
	if _, err := a.Job(t.Context(), string(ended[:20])); !errors.Is(err, job.ErrAmbiguous) && err != nil {
		t.Errorf("by a prefix: %v", err)
	}
	if r, err := a.Job(t.Context(), string(ended)); err != nil || r.ID != ended {
		t.Errorf("by its id: %v", err)
	}
	for name, want := range map[string]error{string(ended[:2]): job.ErrAmbiguous, "ffff": job.ErrNotFound, "x": job.ErrInvalid, "": job.ErrInvalid} {
		if _, err := a.Job(t.Context(), name); !errors.Is(err, want) || job.HintOf(err) == "" {
			t.Errorf("job %q: %v, want %v", name, err, want)
		}
	}
	if list, err := a.Installations(t.Context()); err != nil || len(list) != 1 || list[0].Entries != 4 || list[0].Head != j.entries[3].Hash() || list[0].Laptop != "thinkpad" {
		t.Errorf("installations: %+v, %v", list, err)
	}
}

func TestJobs_Filter(t *testing.T) {
	t.Parallel()
	c, db := newArchive(t)
	_, url := operator(t, c, db)
	j := newJournal("i1")
	ids := map[string]job.ID{}
	for i, what := range []job.Job{
		{Host: "", Target: "deploy", Argv: []string{"make", "deploy"}, Operator: "anna@thinkpad", Project: "shop"},
		{Host: "web-1", Target: "test", Argv: []string{"make", "TEST"}, Operator: "bob@mac", Project: "shop"},
		{Host: "web-2", Source: "docker:Nginx", Argv: []string{"docker", "logs"}, Operator: "bob@mac"},
		{Host: "100%", Argv: []string{"echo", "a_b"}, Operator: "carol@mac"},
	} {
		what.ID, what.Run, what.State = job.NewID(), job.NewID(), job.Pending
		what.QueuedAt = time.Date(2026, 1, 1+i, 0, 0, 0, 0, time.UTC)
		id := j.begin(what)
		ids[fmt.Sprint(i)] = id
		switch i {
		case 0:
			j.seal(id, job.Exit{State: job.Failed})
		case 1:
			j.start(id)
		case 2:
			j.start(id)
			j.seal(id, job.Exit{State: job.Cancelled})
		}
	}
	a := quick(Config{URL: url, Source: j})
	defer a.Close()
	shipOnce(t, a)
	day := func(d int) time.Time { return time.Date(2026, 1, d, 0, 0, 0, 0, time.UTC) }
	for _, test := range []struct {
		name   string
		filter job.Filter
		want   string // newest first
	}{
		{"all", job.Filter{}, "3210"},
		{"this machine", job.Filter{Hosts: []string{""}}, "0"},
		{"two hosts", job.Filter{Hosts: []string{"web-1", "web-2"}}, "21"},
		{"a target", job.Filter{Targets: []string{"test"}}, "1"},
		{"a final state", job.Filter{States: []job.State{job.Failed, job.Cancelled}}, "20"},
		{"a state of the living", job.Filter{States: []job.State{job.Running}}, "1"},
		{"states of both kinds", job.Filter{States: []job.State{job.Pending, job.Failed}}, "30"},
		{"a part of an operator", job.Filter{Operator: "MAC"}, "321"},
		{"a project", job.Filter{Project: "shop"}, "10"},
		{"since", job.Filter{Since: day(2)}, "321"},
		{"until", job.Filter{Until: day(2)}, "0"},
		{"text in a command", job.Filter{Text: "e test"}, "1"},
		{"text in a source", job.Filter{Text: "nginx"}, "2"},
		{"text in a host", job.Filter{Text: "WEB-"}, "21"},
		{"text that is a pattern elsewhere", job.Filter{Text: "0%"}, "3"},
		{"text that is a pattern elsewhere, too", job.Filter{Text: "ma_e"}, ""},
		{"everything at once", job.Filter{Hosts: []string{"web-1"}, Operator: "bob", Project: "shop", Text: "make", Since: day(1), Until: day(9)}, "1"},
	} {
		list, err := a.Jobs(t.Context(), test.filter, "", 10)
		got, states := "", map[job.State]int{}
		for _, r := range list {
			states[r.State]++
			for k, id := range ids {
				if id == r.ID {
					got += k
				}
			}
		}
		if err != nil || got != test.want {
			t.Errorf("%s: got jobs %q, want %q (%v)", test.name, got, test.want, err)
		}
		counts, err := a.Count(t.Context(), test.filter)
		if d := cmp.Diff(states, counts); d != "" || err != nil {
			t.Errorf("%s: counted (-listed +counted):\n%s%v", test.name, d, err)
		}
	}
}

func TestPart_IsBounded(t *testing.T) {
	t.Parallel()
	c, db := newArchive(t)
	_, url := operator(t, c, db)
	j := newJournal("i1")
	id := j.run(10, 1000)
	a := quick(Config{URL: url, Source: j})
	defer a.Close()
	shipOnce(t, a)
	for _, test := range []struct {
		from   uint32
		limit  int
		want   int
		sealed bool
	}{
		{0, 1, 1, false}, {0, 1000, 1, false}, {0, 1001, 2, false}, {0, 9000, 9, false}, {0, 9001, 10, true}, {0, 1 << 20, 10, true},
		{9, 1, 1, true}, {8, 1, 1, false}, {10, 1, 0, true}, {5, 2500, 3, false},
	} {
		p, err := a.Part(t.Context(), id, test.from, test.limit)
		if err != nil || len(p.Blocks) != test.want || p.Sealed != test.sealed || p.Start == nil || p.End == nil {
			t.Errorf("from %d, limit %d: %d blocks, sealed %t, want %d, %t (%v)", test.from, test.limit, len(p.Blocks), p.Sealed, test.want, test.sealed, err)
		}
	}
	if _, err := a.Part(t.Context(), job.NewID(), 0, 1); !errors.Is(err, job.ErrNotFound) {
		t.Errorf("a job that is not there: %v", err)
	}
}

// Readers find the server again after it was restarted.
func TestRead_AfterARestart(t *testing.T) {
	t.Parallel()
	c, db, login := ownArchive(t)
	j := newJournal("i1")
	j.run(1, 10)
	a := quick(Config{URL: c.URL(login, db), Source: j})
	defer a.Close()
	shipOnce(t, a)
	same(t, a, j)
	c.Shutdown()
	if _, err := a.Jobs(t.Context(), job.Filter{}, "", 1); err == nil || job.HintOf(err) == "" {
		t.Errorf("while it is away: %v, hint %q", err, job.HintOf(err))
	}
	c.Start(t)
	same(t, a, j)
	c.Kill()
	c.Start(t)
	same(t, a, j)
}

func TestRead_TheNetworkIsSilent(t *testing.T) {
	t.Parallel()
	c, db := newArchive(t)
	viewer := c.Login(t, "secret", "vmo_viewer")
	proxy := proxytest.New(t, c.Addr())
	a := quick(Config{URL: c.TCP(proxy.Addr, viewer, "secret", db)})
	defer a.Close()
	if _, err := a.Jobs(t.Context(), job.Filter{}, "", 1); err != nil {
		t.Fatal(err)
	}
	proxy.Freeze()
	a.pace.batch = 200 * time.Millisecond
	if _, err := a.Jobs(t.Context(), job.Filter{}, "", 1); err == nil || !strings.Contains(err.Error(), "in time") || job.HintOf(err) == "" {
		t.Errorf("got %v, hint %q", err, job.HintOf(err))
	}
	proxy.Thaw()
	proxy.Cut()
	a.pace.batch = time.Minute
	if _, err := a.Jobs(t.Context(), job.Filter{}, "", 1); err != nil {
		t.Error(err)
	}
}

func TestRetention(t *testing.T) {
	t.Parallel()
	c, db := newArchive(t)
	_, url := operator(t, c, db)
	owner := Config{URL: c.URL(c.Login(t, "x", "vmo_owner"), db)}
	j := newJournal("i1")
	month := func(back int) job.ID { // a job that was begun then
		what := aJob()
		what.ID = firstID(time.Now().AddDate(0, -back, 0))[:14] + what.ID[14:]
		return what.ID
	}
	add := func(id job.ID, end bool) job.ID {
		what := aJob()
		what.ID = id
		j.begin(what)
		j.start(id)
		j.print(id, 1000)
		j.print(id, 500)
		if end {
			j.seal(id, succeeded())
		}
		return id
	}
	gone1, gone2 := add(month(6), true), add(month(6), true)
	old := add(month(5), true)
	add(month(5), false)
	pinned := add(month(4), true)
	j.append(job.Statement{Kind: job.EntryPin, Job: pinned})
	recent, now := add(month(0), true), j.run(1, 100)
	a := quick(Config{URL: url, Source: j})
	defer a.Close()
	shipOnce(t, a)
	policy := Policy{Before: time.Now().AddDate(0, -1, 0), Why: "older than a month"}
	want := Retired{Jobs: []job.ID{gone1, gone2, old}, Bytes: 4500, Blocks: 6, Pinned: 1, Kept: 4}
	slices.Sort(want.Jobs)
	preview, err := Retention(t.Context(), owner, policy, true)
	if d := cmp.Diff(want, preview); d != "" || err != nil {
		t.Fatalf("preview (-want +got):\n%s%v", d, err)
	}
	same(t, a, j)
	if _, err := Retention(t.Context(), Config{URL: url}, policy, false); err == nil || job.HintOf(err) == "" {
		t.Errorf("an operator may do it: %v", err)
	}
	done, err := Retention(t.Context(), owner, policy, false)
	if d := cmp.Diff(want, done); d != "" || err != nil {
		t.Fatalf("retention (-want +got):\n%s%v", d, err)
	}
	name := func(back int) string { return "vmo.block_" + month(back).Time().Format("2006_01") }
	for back, stays := range map[int]bool{6: false, 5: true, 4: true, 0: true} { // of which something is left
		if n := count(t, c, db, fmt.Sprintf(`SELECT count(to_regclass('%s'))`, name(back))); (n == 1) != stays {
			t.Errorf("the partition %s stays: %t", name(back), n == 1)
		}
	}
	for _, id := range want.Jobs {
		rec := j.records[id]
		removals, err := a.Removals(t.Context(), id)
		if err != nil || len(removals) != 1 || removals[0].Chain != rec.blocks[1].Chain || removals[0].Blocks != 2 || removals[0].Bytes != 1500 || removals[0].Why != policy.Why {
			t.Errorf("removals of %s: %+v, %v", id, removals, err)
		}
		row, err := a.Job(t.Context(), string(id))
		if err != nil || !row.Removed || row.State != job.Succeeded || row.Chunks != 10 {
			t.Errorf("what is left of %s: %+v, %v", id, row, err)
		}
		rec.blocks = nil
	}
	same(t, a, j) // the others, and every entry
	if r := shipOnce(t, a); r.Blocks != 0 {
		t.Errorf("%d blocks were shipped again", r.Blocks)
	}

	// By count, and by size; what has not ended and what is pinned stay.
	r, err := Retention(t.Context(), owner, Policy{MaxJobs: 3, Why: "x"}, true)
	if err != nil || !slices.Equal(r.Jobs, []job.ID{recent}) {
		t.Errorf("by count: %+v, %v", r, err)
	}
	r, err = Retention(t.Context(), owner, Policy{MaxBytes: 1, Why: "x"}, true)
	if err != nil || !slices.Equal(r.Jobs, []job.ID{recent, now}) || r.Kept != 2 {
		t.Errorf("by size: %+v, %v", r, err)
	}
	if _, err := Retention(t.Context(), owner, Policy{}, true); !errors.Is(err, job.ErrInvalid) {
		t.Errorf("without a policy: %v", err)
	}
}

func TestSpill(t *testing.T) {
	t.Parallel()
	c, db := newArchive(t)
	_, url := operator(t, c, db)
	owner := Config{URL: c.URL(c.Login(t, "x", "vmo_owner"), db)}
	j := newJournal("i1")
	id := j.run(5, 100)
	a := quick(Config{URL: url, Source: j})
	defer a.Close()
	shipOnce(t, a)
	if n, err := Spill(t.Context(), owner, id, 1, 2, "a password"); err != nil || n != 2 {
		t.Fatalf("emptied %d, %v", n, err)
	}
	j.records[id].blocks[1].Data, j.records[id].blocks[2].Data = nil, nil
	same(t, a, j)
	if r, err := a.Removals(t.Context(), id); err != nil || len(r) != 1 || r[0].Kind != "spill" || r[0].First != 1 || r[0].Last != 2 {
		t.Errorf("removals %+v, %v", r, err)
	}
	if _, err := Spill(t.Context(), owner, id, 7, 9, "x"); err == nil {
		t.Error("blocks that are not there were emptied")
	}
	if _, err := Spill(t.Context(), Config{URL: url}, id, 0, 0, "x"); err == nil {
		t.Error("an operator may do it")
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	c, db := newArchive(t)
	login, url := operator(t, c, db)
	j := newJournal("i1")
	j.run(1, 1)
	shipOnce(t, quick(Config{URL: url, Source: j}))
	for user, may := range map[string]string{login: "operator", c.Login(t, "x", "vmo_viewer"): "viewer", c.Login(t, "x", "vmo_owner", "vmo_viewer"): "owner", archivetest.Admin: "owner"} {
		a := Open(Config{URL: c.URL(user, db)})
		got, err := a.Check(t.Context())
		if err != nil || got.May != may || got.Jobs != 1 || got.Installations != 1 || got.Schema != SchemaVersion || !got.Writable ||
			got.Transport != "a socket of this machine" || !strings.Contains(got.Server, user) || got.Bytes == 0 {
			t.Errorf("%s: %+v, %v", may, got, err)
		}
	}
	tcp := Open(Config{URL: c.TCP(c.Addr(), login, "wrong", db)})
	if _, err := tcp.Check(t.Context()); err == nil || !strings.Contains(job.HintOf(err), "password is wrong") || strings.Contains(err.Error(), "wrong:") {
		t.Errorf("with a wrong password: %v, hint %q", err, job.HintOf(err))
	}
}
