package journal

import (
	"errors"
	"os"
	"testing"
	"time"

	"vmorchestrator/internal/job"
)

// What leaves this machine is on its disk before: a power cut must not take back
// what others have seen.
func TestLasting_WhatTravelsIsOnTheDisk(t *testing.T) {
	t.Parallel()
	j := open(t, t.TempDir(), func(c *Config) { c.Sync = time.Hour }) // the keeper does not do it
	synced, fails := 0, error(nil)
	sync := func() error { synced++; return fails }
	j.ledger.sync = sync
	r, err := j.Begin(job.NewRun(job.Spec{Argv: []string{"yes"}}).Begin("", "me@here", time.Now()))
	if err != nil {
		t.Fatal(err)
	}
	entries := func() ([]job.Entry, error) { return j.LastingEntries(0, 10) }
	if list, err := entries(); err != nil || len(list) == 0 || synced != 1 {
		t.Fatalf("%d entries, forced %d times, %v", len(list), synced, err)
	}
	if _, err := entries(); err != nil || synced != 1 {
		t.Errorf("nothing new: forced %d times, %v", synced, err)
	}

	p, err := j.Parts(r.ID())
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	p.Lasting()
	p.sync, synced = sync, 0
	part := func(from uint32, blocks int) {
		t.Helper()
		if x, err := p.Part(from, 1<<30); err != nil || len(x.Blocks) != blocks {
			t.Fatalf("from block %d: %d blocks, %v", from, len(x.Blocks), err)
		}
	}
	part(0, 0)
	if synced != 0 {
		t.Errorf("nothing is given and the disk waits for it: %d times", synced)
	}
	w := r.Writer(job.Stdout)
	write := func() {
		t.Helper()
		if _, err := w.Write(make([]byte, 2*blockSize)); err != nil {
			t.Fatal(err)
		}
	}
	write()
	part(0, 2)
	if synced != 1 {
		t.Errorf("forced %d times", synced)
	}
	part(0, 2)
	if synced != 1 {
		t.Errorf("read again: forced %d times", synced)
	}
	write()
	fails = os.ErrDeadlineExceeded
	if _, err := p.Part(2, 1<<30); !errors.Is(err, fails) {
		t.Errorf("the disk fails: %v", err)
	}
	fails = nil
	part(2, 2)
}
