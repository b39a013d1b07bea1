package archive

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"vmorchestrator/internal/archive/archivetest"
	"vmorchestrator/internal/job"
	"vmorchestrator/internal/proxytest"
)

// ownArchive makes an archive in a cluster that a test may stop, kill or fill.
func ownArchive(t testing.TB, settings ...string) (c *archivetest.Cluster, database, login string) {
	t.Helper()
	c = archivetest.New(t, settings...)
	database = c.Database(t, "")
	if err := Init(t.Context(), Config{URL: c.URL(archivetest.Admin, database)}); err != nil {
		t.Fatal(err)
	}
	return c, database, c.Login(t, "secret", "vmo_operator")
}

// complete reports whether the archive has everything, without failing while the
// server is away.
func complete(t testing.TB, a *Archive, j *journal) func() bool {
	return func() bool { return differs(t, a, j) == nil }
}

func isState(a *Archive, want State) func() bool {
	return func() bool { return a.Status().State == want }
}

func TestRun_TheServerIsKilledAgainAndAgain(t *testing.T) {
	t.Parallel()
	c, db, login := ownArchive(t)
	j := newJournal("i1")
	a := quick(Config{URL: c.URL(login, db), Source: j})
	defer a.Close()
	a.pace.bytes = 256 << 10 // many batches
	background(t, a)
	ids := make([]job.ID, 4)
	for i := range ids {
		ids[i] = j.begin(aJob())
	}
	for kill := range 12 {
		shipped := a.Status().Acked
		for range 40 {
			j.print(ids[rand.IntN(len(ids))], rand.IntN(64<<10)+1)
		}
		for range 20 {
			j.run(1, 1000)
		}
		a.Nudge()
		// In the middle: something of what was just added is there.
		until(t, "a part is shipped", func() bool { return a.Status().Acked > shipped })
		time.Sleep(rand.N(20 * time.Millisecond)) // a random moment, which is the point
		c.Kill()
		if kill%3 == 0 {
			until(t, "the shipper notices", isState(a, Waiting))
		}
		c.Start(t)
	}
	for _, id := range ids {
		j.seal(id, succeeded())
	}
	until(t, "everything is in the archive", complete(t, a, j))
	blocks := 0
	for _, r := range j.records {
		blocks += len(r.blocks)
	}
	if n := count(t, c, db, `SELECT count(*) FROM vmo.block`); n != blocks {
		t.Errorf("%d blocks in the archive, %d in the journal", n, blocks)
	}
	until(t, "it says that all is there", isState(a, Current))
	if s := a.Status(); s.Error != nil || s.LagJobs != 0 || s.LagBytes != 0 || len(s.Quarantined)+len(s.SetAside) != 0 {
		t.Errorf("status %+v", s)
	}
}

// The commit went through, and nobody hears of it.
func TestRun_TheConnectionIsCutBeforeTheAnswer(t *testing.T) {
	t.Parallel()
	c, db, login := ownArchive(t)
	proxy := proxytest.New(t, c.Addr())
	j := newJournal("i1")
	a := quick(Config{URL: c.TCP(proxy.Addr, login, "secret", db), Source: j})
	defer a.Close()
	background(t, a)
	id := j.begin(aJob())
	a.Nudge()
	until(t, "the first block is there", isState(a, Current))
	blocks := func() int { return count(t, c, db, `SELECT count(*) FROM vmo.block`) }
	for range 20 {
		before, links := blocks(), proxy.Accepted()
		j.print(id, 1000)
		proxy.CutAfter(1) // of what the server answers
		a.Nudge()
		until(t, "the connection is cut", func() bool { return proxy.Accepted() > links })
		until(t, "the block is there", func() bool { return blocks() == before+1 })
		until(t, "it goes on", isState(a, Current))
	}
	j.seal(id, succeeded())
	a.Nudge()
	until(t, "everything is there", complete(t, a, j))
}

// Packets are dropped: nothing fails by itself.
func TestRun_TheNetworkIsSilent(t *testing.T) {
	t.Parallel()
	c, db, login := ownArchive(t)
	proxy := proxytest.New(t, c.Addr())
	j := newJournal("i1")
	a := quick(Config{URL: c.TCP(proxy.Addr, login, "secret", db) + "?connect_timeout=1", Source: j})
	defer a.Close()
	a.pace.batch, a.pace.query = 200*time.Millisecond, 200*time.Millisecond
	background(t, a)
	id := j.begin(aJob())
	until(t, "it is connected", isState(a, Current))
	proxy.Freeze()
	for range 50 {
		j.print(id, 64<<10)
	}
	a.Nudge()
	until(t, "the silence is noticed", isState(a, Waiting))
	until(t, "what waits is counted", func() bool { s := a.Status(); return s.LagKnown && s.LagJobs == 1 && s.LagBytes == 50*64<<10 })
	if err := a.Status().Error; !strings.Contains(err.Error(), "in time") || job.HintOf(err) == "" {
		t.Errorf("error %v, hint %q", err, job.HintOf(err))
	}
	proxy.Thaw()
	proxy.Cut() // what is left of the old connections
	until(t, "everything is there", complete(t, a, j))
}

func TestRun_AServerThatTakesNoWritesForAWhile(t *testing.T) {
	t.Parallel()
	c, db, login := ownArchive(t)
	j := newJournal("i1")
	a := quick(Config{URL: c.URL(login, db), Source: j})
	defer a.Close()
	background(t, a)
	j.run(1, 10)
	until(t, "the first job is there", complete(t, a, j))
	c.Reload(t, "default_transaction_read_only = on")
	until(t, "the server takes no writes", func() bool {
		j.run(1, 10)
		a.Nudge()
		return a.Status().State == Waiting
	})
	if err := a.Status().Error; job.HintOf(err) == "" || !strings.Contains(err.Error(), "read-only") {
		t.Errorf("error %v", err)
	}
	if _, err := a.Jobs(t.Context(), job.Filter{}, "", 1); err != nil {
		t.Errorf("it cannot be read meanwhile: %v", err)
	}
	c.Reload(t, "default_transaction_read_only = off")
	until(t, "everything is there", complete(t, a, j))
}

// One attempt: a server that counts wrong passwords must not lock the login.
func TestRun_AWrongPasswordIsTriedOnce(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, wrong, right string }{
		{"expired", "VALID UNTIL '2001-01-01'", "VALID UNTIL 'infinity'"},
		{"changed", "PASSWORD 'other'", "PASSWORD 'secret'"},
		{"may not log in", "NOLOGIN", "LOGIN"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c, db := newArchive(t)
			login, _ := operator(t, c, db)
			c.Exec(t, "postgres", "ALTER ROLE "+login+" "+test.wrong)
			j := newJournal("i1")
			a := quick(Config{URL: c.TCP(c.Addr(), login, "secret", db) + "?sslmode=disable", Source: j})
			defer a.Close()

			background(t, a)
			until(t, "it is stopped", isState(a, Stopped))
			if err := a.Status().Error; job.HintOf(err) == "" || strings.Contains(fmt.Sprint(err), "secret") {
				t.Errorf("error %v, hint %q", err, job.HintOf(err))
			}
			for range 20 {
				j.run(1, 10)
				a.Nudge()
			}
			if n := strings.Count(c.Log(), "] "+login+" FATAL"); n != 1 {
				t.Errorf("%d attempts", n)
			}
			c.Exec(t, "postgres", "ALTER ROLE "+login+" "+test.right)
			a.Retry()
			until(t, "everything is there", complete(t, a, j))
		})
	}
}

// The password is asked for again after it was refused.
func TestRun_ThePasswordComesFromTheKeychain(t *testing.T) {
	t.Parallel()
	c, db := newArchive(t)
	login, _ := operator(t, c, db)
	stored := make(chan string, 2)
	stored <- "wrong"
	stored <- "secret"
	j := newJournal("i1")
	j.run(1, 1)
	url := "postgres://" + login + "@" + c.Addr() + "/" + db + "?sslmode=disable"
	var asked string
	a := quick(Config{URL: url, FromFile: true, Source: j, Password: func(_ context.Context, server string) (string, error) {
		asked = server
		return <-stored, nil
	}})
	defer a.Close()
	background(t, a)
	until(t, "it is stopped", isState(a, Stopped))
	a.Retry()
	until(t, "everything is there", complete(t, a, j))
	if want := login + "@" + c.Addr() + "/" + db; asked != want {
		t.Errorf("asked for the password of %q, want %q", asked, want)
	}
}

func TestRun_WhatSomebodyHasToPutRight(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, wrong, right string // LOGIN is the login
		want               error
	}{
		{"a viewer", `REVOKE vmo_operator FROM LOGIN; GRANT vmo_viewer TO LOGIN`, `GRANT vmo_operator TO LOGIN`, errViewer},
		{"no rights", `REVOKE vmo_operator FROM LOGIN`, `GRANT vmo_operator TO LOGIN`, errNoAccess},
		{"a newer archive", `INSERT INTO vmo.migration (version_id, is_applied) VALUES (7, true); INSERT INTO vmo.schema_version VALUES (7, 7)`,
			`SET vmo.maintenance = on; SET ROLE vmo_owner; DELETE FROM vmo.schema_version WHERE version = 7; DELETE FROM vmo.migration WHERE version_id = 7`, errNewer},
		{"another's installation", `INSERT INTO vmo.installation (installation_id, operator, laptop) VALUES ('i1', 'bob', 'x')`,
			`SET ROLE vmo_owner; SELECT vmo.hand_over('i1', 'LOGIN', 'bob left')`, errForeign},
		{"no archive", `ALTER SCHEMA vmo RENAME TO gone`, `ALTER SCHEMA gone RENAME TO vmo`, errNoArchive},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c, db := newArchive(t)
			login, url := operator(t, c, db)
			c.Exec(t, db, strings.ReplaceAll(test.wrong, "LOGIN", login))
			j := newJournal("i1")
			j.run(1, 1)
			a := quick(Config{URL: url, Source: j})
			defer a.Close()
			background(t, a)
			until(t, "it is stopped", isState(a, Stopped))
			if err := a.Status().Error; !errors.Is(err, test.want) || job.HintOf(err) == "" {
				t.Errorf("error %v, hint %q", err, job.HintOf(err))
			}
			c.Exec(t, db, strings.ReplaceAll(test.right, "LOGIN", login)) // and nothing else: it is looked at again
			until(t, "everything is there", complete(t, a, j))
		})
	}
}

func TestRun_ADatabaseThatDoesNotExist(t *testing.T) {
	t.Parallel()
	c := archivetest.Shared(t)
	a := quick(Config{URL: c.URL(archivetest.Admin, "nowhere"), Source: newJournal("i1")})
	defer a.Close()
	if _, err := a.ShipOnce(t.Context()); err == nil || !strings.Contains(job.HintOf(err), "name of the database") {
		t.Errorf("got %v, hint %q", err, job.HintOf(err))
	}
}

// The clock of the laptop is set back, and that of its jobs was never right.
func TestShip_OrderIsNotTime(t *testing.T) {
	t.Parallel()
	c, db := newArchive(t)
	_, url := operator(t, c, db)
	j := newJournal("i1")
	for _, when := range []time.Time{time.Now().AddDate(3, 0, 0), time.Now().AddDate(-30, 0, 0), time.Now(), {}} {
		what := aJob()
		what.QueuedAt = when
		if !when.IsZero() {
			what.ID = firstID(when)[:14] + what.ID[14:]
		}
		id := j.begin(what)
		j.start(id)
		j.print(id, 100)
		j.print(id, 100)
		j.records[id].blocks[1].FirstAt = -5
		j.seal(id, succeeded())
	}
	a := quick(Config{URL: url, Source: j})
	defer a.Close()
	shipOnce(t, a)
	same(t, a, j)
}

// The first server dies without having sent everything to the second, which takes
// over: what was lost with it is shipped again.
func TestRun_FailoverToAStandby(t *testing.T) {
	t.Parallel()
	c, db, login := ownArchive(t)
	standby := c.Standby(t)
	two := fmt.Sprintf("postgres://%s:secret@127.0.0.1:%d,127.0.0.1:%d/%s?sslmode=disable", login, c.Port, standby.Port, db)
	j := newJournal("i1")
	a := quick(Config{URL: two, Source: j})
	defer a.Close()
	background(t, a)
	id := j.begin(aJob())
	for range 20 {
		j.print(id, 10000)
	}
	until(t, "the first server has it", func() bool { return differs(t, a, j) == nil })

	only := quick(Config{URL: c.TCP(standby.Addr(), login, "secret", db) + "?sslmode=disable", Source: j})
	defer only.Close()
	until(t, "the second can be read", func() bool { return differs(t, only, j) == nil })
	if _, err := only.ShipOnce(t.Context()); err == nil || !strings.Contains(err.Error(), "takes no writes") || only.Status().State != Waiting {
		t.Errorf("shipping to a standby: %v", err)
	}

	standby.Exec(t, "postgres", "ALTER SYSTEM SET primary_conninfo = ''")
	standby.Exec(t, "postgres", "SELECT pg_reload_conf()")
	until(t, "the second does not follow any more", func() bool { return count(t, c, "postgres", `SELECT count(*) FROM pg_stat_replication`) == 0 })
	for range 20 {
		j.run(2, 1000)
	}
	acked := uint64(len(j.entries))
	until(t, "only the first server has it", func() bool { return a.Status().Acked == acked && a.Status().State == Current })
	c.Kill()
	standby.Promote(t)
	until(t, "the second has everything", func() bool { return differs(t, only, j) == nil })
}

func TestRun_TLS(t *testing.T) {
	t.Parallel()
	c, db, login := ownArchive(t)
	url := func(query string) string { return c.TCP(c.Addr(), login, "secret", db) + "?" + query }
	j := newJournal("i1")
	ship := func(query string) error {
		a := quick(Config{URL: url(query), Source: j})
		defer a.Close()
		_, err := a.ShipOnce(t.Context())
		return err
	}
	refused := func(query, want string) {
		t.Helper()
		if err := ship(query); err == nil || !strings.Contains(err.Error(), want) || job.HintOf(err) == "" {
			t.Errorf("%s: got %v, hint %q; want %q", query, err, job.HintOf(err), want)
		}
	}
	refused("sslmode=verify-full", "does not offer TLS")
	other := c.TLS(t, "db.example")
	until(t, "it offers TLS", func() bool { return !strings.Contains(fmt.Sprint(ship("sslmode=verify-full")), "does not offer") })
	refused("sslmode=verify-full&sslrootcert="+other, "another name")
	right := c.TLS(t, "127.0.0.1")
	until(t, "it has the other certificate", func() bool { return ship("sslmode=verify-full&sslrootcert="+right) == nil })
	refused("sslmode=verify-full&sslrootcert="+other, "authority")
	a := quick(Config{URL: url("sslmode=verify-full&sslrootcert=" + right)})
	if got, err := a.Check(t.Context()); err != nil || got.Transport != "TLS 1.3" {
		t.Errorf("%+v, %v", got, err)
	}
}
