package job

import "errors"

// The few conditions that the whole program tells apart. Errors that wrap one
// of them name what they are about.
var (
	ErrInvalid   = errors.New("invalid")                        // the request cannot be right
	ErrNotFound  = errors.New("not found")                      // no such job, target or project
	ErrAmbiguous = errors.New("ambiguous")                      // a prefix that several jobs share
	ErrFinished  = errors.New("job has ended")                  // cancel, input or resize came too late
	ErrNotOwner  = errors.New("job belongs to another process") // input and resize need the owner
	ErrReadOnly  = errors.New("journal is read-only")
	ErrDiskFull  = errors.New("no space left for the journal")
	ErrNewer     = errors.New("made by a newer version")
)

// Hint is an error that knows what its reader can do next. The text of the
// error says what failed and what exactly happened.
type Hint struct {
	Err  error
	Next string // an imperative sentence
}

func (h *Hint) Error() string { return h.Err.Error() }

// Unwrap returns the error that the hint is about.
func (h *Hint) Unwrap() error { return h.Err }

// WithHint adds what to do next to an error; nil stays nil.
func WithHint(err error, next string) error {
	if err == nil {
		return nil
	}
	return &Hint{Err: err, Next: next}
}

// HintOf returns what to do next about an error, or "".
func HintOf(err error) string {
	var h *Hint
	if errors.As(err, &h) {
		return h.Next
	}
	return ""
}
