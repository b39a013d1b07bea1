package app

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"vmorchestrator/internal/job"
)

// Output serves the bytes of records to the page, through the asset server:
//
//	GET /journal/output?q=ID.AFTER&…  chunks, binary, of several jobs at once
//	GET /journal/lines?job=ID&from=N&count=M  lines, JSON
//	GET /journal/seek?job=ID&at=MS    the place of a moment, JSON
//	GET /journal/search?id=ID         what a search has found since, JSON
//
// The page asks for more when it has drawn the last, which is all the flow
// control there is. Answers are at most about a megabyte.
type Output struct {
	shell   *shell
	readers *readers
}

func newOutput(s *shell) *Output { return &Output{s, newReaders(s)} }

func (o *Output) close() {
	o.shell.searches.close()
	o.shell.pulls.close()
	o.readers.close()
}

// policy allows what the window needs and nothing else. Scripts come only from
// the program itself; style elements are how xterm.js draws.
const policy = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; " +
	"font-src 'self'; connect-src 'self'%s; base-uri 'none'; form-action 'none'; frame-src 'none'; object-src 'none'"

// Middleware answers /journal/ and puts the content policy on everything.
func (o *Output) Middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !localHost(r.Host) {
			http.Error(w, "only this machine may ask", http.StatusForbidden)
			return
		}
		h := w.Header()
		h.Set("Content-Security-Policy", fmt.Sprintf(policy, extraConnect))
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		if probed(w, r) {
			return
		}
		path, ours := strings.CutPrefix(r.URL.Path, "/journal/")
		if !ours {
			next.ServeHTTP(w, r)
			return
		}
		h.Set("Cache-Control", "no-store")
		body, err := o.answer(path, r)
		if err != nil {
			h.Set("Content-Type", "application/json")
			w.WriteHeader(status(err))
			_ = json.NewEncoder(w).Encode(failure(err)) // the page has gone
			return
		}
		h.Set("Content-Type", body.kind)
		_, _ = w.Write(body.data) // the page has gone
	})
}

type body struct {
	kind string
	data []byte
}

func (o *Output) answer(path string, r *http.Request) (body, error) {
	q := r.URL.Query()
	switch {
	case r.Method != http.MethodGet:
		return body{}, fmt.Errorf("%w: %s", job.ErrInvalid, r.Method)
	case path == "output":
		data, err := o.frames(q)
		return body{"application/octet-stream", data}, err
	case path == "lines":
		return o.json(o.lines(q))
	case path == "seek":
		return o.json(o.seek(q))
	case path == "search":
		return o.json(o.search(r.Context(), q))
	}
	return body{}, fmt.Errorf("/journal/%s: %w", path, job.ErrNotFound)
}

func (o *Output) json(v any, err error) (body, error) {
	if err != nil {
		return body{}, err
	}
	data, err := json.Marshal(v)
	return body{"application/json", data}, err
}

func status(err error) int {
	switch {
	case errors.Is(err, job.ErrInvalid):
		return http.StatusBadRequest
	case errors.Is(err, job.ErrNotFound):
		return http.StatusNotFound
	}
	return http.StatusInternalServerError
}

func number(q url.Values, name string, otherwise, most int) (int, error) {
	if !q.Has(name) {
		return otherwise, nil
	}
	n, err := strconv.Atoi(q.Get(name))
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%w: %s=%q", job.ErrInvalid, name, q.Get(name))
	}
	return min(n, most), nil
}
