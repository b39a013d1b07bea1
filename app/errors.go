package app

import (
	"errors"

	"vmorchestrator/internal/engine"
	"vmorchestrator/internal/job"
)

// Failure is an error as the page gets it: which case, what happened, what to
// do next.
type Failure struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Hint    string `json:"hint"`
}

// FormatError is Wails' ErrorFormatter: every rejected call carries a Failure.
func FormatError(err error) any { return failure(err) }

// failure is the only place that turns errors into what the page shows.
func failure(err error) Failure {
	code := "internal"
	for _, known := range []struct {
		err  error
		code string
	}{
		{job.ErrInvalid, "invalid"}, {job.ErrNotFound, "not-found"}, {job.ErrAmbiguous, "ambiguous"},
		{job.ErrFinished, "finished"}, {job.ErrNotOwner, "not-owner"}, {job.ErrReadOnly, "read-only"},
		{job.ErrDiskFull, "disk-full"}, {job.ErrNewer, "newer"}, {engine.ErrClosed, "closing"}, {errStarting, "starting"},
	} {
		if errors.Is(err, known.err) {
			code = known.code
			break
		}
	}
	return Failure{Code: code, Message: err.Error(), Hint: job.HintOf(err)}
}
