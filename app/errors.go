package app

import (
	"encoding/json"
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

// FormatError is Wails' ErrorFormatter: every rejected call carries a Failure. It
// is one in JSON, since Wails makes a JavaScript Error of it, which keeps nothing
// but a text.
func FormatError(err error) any {
	text, err := json.Marshal(failure(err))
	if err != nil {
		return err.Error() // three strings; it cannot be
	}
	return string(text)
}

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
