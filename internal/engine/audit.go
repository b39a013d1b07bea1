package engine

import (
	"context"
	"errors"
	"fmt"

	"vmorchestrator/internal/inventory"
	"vmorchestrator/internal/job"
	"vmorchestrator/internal/remote"
)

// Act is something that somebody did; see [job.Act].
type Act = job.Act

// Acts returns about limit things that were done on this machine, the newest
// first: jobs, and what else the ledger tells, such as settings that were changed,
// records that were removed, connections without a job. Of the filter it takes the
// hosts, the operator and the times. If there are more, they were before the last.
func (e *Engine) Acts(ctx context.Context, f Filter, limit int) (list []Act, more bool, err error) {
	return e.journal.Acts(ctx, f, limit)
}

// TeamActs returns what anybody did, as the archive knows it.
func (e *Engine) TeamActs(ctx context.Context, f Filter, limit int) (list []Act, more bool, err error) {
	a, err := e.reachable()
	if err != nil {
		return nil, false, err
	}
	return a.Acts(ctx, f, limit)
}

// set records that a setting was changed. A journal that cannot be written keeps
// nobody from changing it: nothing is run there either.
func (e *Engine) set(host, format string, args ...any) error {
	err := e.journal.Event(job.EntrySetting, host, "", e.config.Operator, fmt.Sprintf(format, args...))
	if err == nil || errors.Is(err, job.ErrReadOnly) {
		return nil
	}
	return fmt.Errorf("the setting is changed, and that could not be recorded: %w", err)
}

// connected records a connection that no job needed, if it was made just now.
func (e *Engine) connected(h inventory.Host, before remote.State, why string) {
	after := e.pool.State(h.Destination)
	if before.Status == remote.StatusConnected || after.Status != remote.StatusConnected {
		return
	}
	e.tell(h, "", wayWords(h.Destination, after)+why)
}

// tell records what was done on a host without a job, or about one that has ended.
func (e *Engine) tell(h inventory.Host, about job.ID, text string) {
	err := e.journal.Event(job.EntryConnect, h.Name, about, e.config.Operator, text)
	if err != nil && !errors.Is(err, job.ErrReadOnly) {
		e.mu.Lock()
		e.unfinished = append(e.unfinished, fmt.Errorf("record what was done on %s: %w", h.Name, err))
		e.mu.Unlock()
	}
}

// wayWords are the way that a connection took, and whom it found at its end.
func wayWords(d inventory.Destination, s remote.State) string {
	text := d.String()
	if len(s.Way) > 0 {
		text = s.Way[len(s.Way)-1].Addr
	}
	if s.HostKey != "" {
		text += ", " + s.HostKey
	}
	return text
}
