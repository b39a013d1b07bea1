package app

import (
	"context"

	"github.com/wailsapp/wails/v2/pkg/runtime"

	"vmorchestrator/internal/engine"
)

// Updates is bound: whether there is a newer release. It is off until the operator
// turns it on, and works without a journal.
type Updates struct{ shell *shell }

// Status tells how it stands, and what was found last. Nobody is asked.
func (b *Updates) Status() engine.UpdateStatus { return b.shell.updates.Status() }

// Check asks now.
func (b *Updates) Check() (engine.UpdateStatus, error) {
	return b.shell.updates.Check(b.shell.context())
}

// Set turns it on or off. Without a URL the address stays what it is.
func (b *Updates) Set(on bool, url string) error { return b.shell.updates.Set(on, url) }

// watchUpdates asks once a day while the window is open, if that was turned on.
func (a *App) watchUpdates(ctx context.Context) {
	a.shell.updates.Watch(ctx, func() { runtime.EventsEmit(ctx, string(EventUpdates), struct{}{}) })
}
