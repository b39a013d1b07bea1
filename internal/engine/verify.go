package engine

import (
	"context"
	"slices"
	"time"

	"vmorchestrator/internal/job"
	"vmorchestrator/internal/journal"
)

// Verdict is the result of a verification for one record, or for the ledger.
type Verdict = journal.Verdict

// The results of a verification; see [journal.Result].
const (
	Intact   = journal.Intact
	Unknown  = journal.Unknown
	Tampered = journal.Tampered
)

// Verify checks the ledger of this machine and the records of some jobs against
// it; without jobs, all. It reports a verdict on each as soon as it has it, on the
// ledger first.
func (e *Engine) Verify(ctx context.Context, jobs []job.ID, report func(Verdict) error) error {
	evidence := e.journal.Evidence()
	key, err := e.config.trustedKey(ctx, e.journal.ID())
	if err != nil {
		return err
	}
	evidence.Key = key
	evidence.Witnesses = e.archiveSays(ctx)
	return verify(ctx, evidence, jobs, report)
}

// askWitness is how long a verification waits for what the archive remembers.
const askWitness = 5 * time.Second

// archiveSays is what the archive remembers of the ledger of this machine: now, if
// it can be asked, else as it was seen last.
func (e *Engine) archiveSays(ctx context.Context) []journal.Witness {
	all := e.remembered("the archive")
	a, err := e.reachable()
	if err != nil {
		return all
	}
	ctx, cancel := context.WithTimeout(ctx, askWitness)
	defer cancel()
	installations, err := a.Installations(ctx)
	if err != nil {
		return all // it is a witness that cannot be asked, not one that says no
	}
	for _, i := range installations {
		now := journal.Witness{Who: "the archive", N: i.Entries, Hash: i.Head}
		if i.ID == e.journal.ID() && i.Entries > 0 && !slices.Contains(all, now) {
			all = append(all, now)
		}
	}
	return all
}

func verify(ctx context.Context, evidence journal.Evidence, jobs []job.ID, report func(Verdict) error) error {
	told := map[job.ID]bool{}
	err := journal.Verify(ctx, evidence,
		func(id job.ID) bool { return len(jobs) == 0 || slices.Contains(jobs, id) },
		func(v Verdict) error { told[v.Job] = true; return report(v) })
	for _, id := range jobs {
		if err == nil && !told[id] {
			err = report(Verdict{Job: id, Result: Tampered, State: "gone", Findings: []string{"neither the record nor a word about it in the ledger is there"}})
		}
	}
	return err
}
