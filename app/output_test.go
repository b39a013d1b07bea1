package app

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"vmorchestrator/internal/engine"
	"vmorchestrator/internal/job"
)

// served is an app with an engine but without a window.
func served(t *testing.T) (*App, *engine.Engine) {
	t.Helper()
	return servedWith(t, os.DevNull)
}

// servedWith is served with the hosts of an ssh_config.
func servedWith(t *testing.T, sshConfig string) (*App, *engine.Engine) {
	t.Helper()
	return servedBy(t, engine.Config{SSHConfig: sshConfig, Operator: "ann@laptop"})
}

// servedBy is served with some of the configuration.
func servedBy(t *testing.T, c engine.Config) (*App, *engine.Engine) {
	t.Helper()
	c.DataDir, c.ConfigDir, c.Registry, c.Ask = t.TempDir(), t.TempDir(), t.TempDir()+"/none", true
	e, err := engine.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	a := New("test", nil)
	a.shell.ctx, a.shell.engine = t.Context(), e
	t.Cleanup(func() {
		a.Output.close()
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return a, e
}

// ran runs a command to its end.
func ran(t *testing.T, e *engine.Engine, argv ...string) job.Job {
	t.Helper()
	_, jobs, err := e.Start(engine.Launch{Spec: job.Spec{Argv: argv, Dir: t.TempDir()}})
	if err != nil {
		t.Fatal(err)
	}
	ended, err := e.Wait(t.Context(), jobs[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	return ended
}

func get(t *testing.T, a *App, path string) *http.Response {
	t.Helper()
	next := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "page") })
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.Host = "wails"
	a.Output.Middleware(next).ServeHTTP(w, r)
	return w.Result()
}

type frame struct {
	index       int
	stream      job.Stream
	first, last uint64
	at          float64
	data        []byte
}

func frames(t *testing.T, r *http.Response) (out []frame) {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != http.StatusOK {
		t.Fatalf("%d %s %v", r.StatusCode, b, err)
	}
	for len(b) > 0 {
		n := binary.LittleEndian.Uint32(b[4:])
		out = append(out, frame{
			index: int(binary.LittleEndian.Uint16(b)), stream: job.Stream(b[2]),
			first: binary.LittleEndian.Uint64(b[8:]), last: binary.LittleEndian.Uint64(b[16:]),
			at: math.Float64frombits(binary.LittleEndian.Uint64(b[24:])), data: b[32 : 32+n],
		})
		b = b[32+n:]
	}
	return out
}

// Ensure a view that asks until nothing comes has every byte, in order, of each
// of the jobs that it asks for at once.
func TestOutput_PagesOfSeveralJobs(t *testing.T) {
	t.Parallel()
	a, e := served(t)
	one := ran(t, e, "sh", "-c", "i=0; while [ $i -lt 20000 ]; do echo line $i of the first job; i=$((i+1)); done")
	two := ran(t, e, "sh", "-c", "printf '\\000\\377half \\342\\202'; printf 'an error\\n' >&2")
	after := []uint64{0, 0}
	got := make([]bytes.Buffer, 2)
	for {
		page := frames(t, get(t, a, fmt.Sprintf("/journal/output?max=65536&q=%s.%d&q=%s.%d", one.ID, after[0], two.ID, after[1])))
		if len(page) == 0 {
			break
		}
		for _, f := range page {
			if f.first != after[f.index]+1 || f.last < f.first {
				t.Fatalf("job %d: chunks %d to %d follow %d", f.index, f.first, f.last, after[f.index])
			}
			if at := time.UnixMilli(int64(f.at)); time.Since(at) > time.Minute || time.Until(at) > time.Second {
				t.Fatalf("a chunk is at %v", at)
			}
			after[f.index] = f.last
			got[f.index].Write(f.data)
		}
	}
	if n := bytes.Count(got[0].Bytes(), []byte("\n")); n != 20000 || !bytes.HasSuffix(got[0].Bytes(), []byte("line 19999 of the first job\n")) {
		t.Errorf("the first job has %d lines", n)
	}
	if s := got[1].String(); len(s) != len("\x00\xffhalf \xe2\x82an error\n") || !strings.Contains(s, "\x00\xffhalf \xe2\x82") {
		t.Errorf("the second job has %q", s)
	}
}

// Ensure a view can begin near the end, is told what it skipped, and can stop at
// a moment.
func TestOutput_TailAndUntil(t *testing.T) {
	t.Parallel()
	a, e := served(t)
	j := ran(t, e, "sh", "-c", "i=0; while [ $i -lt 30000 ]; do echo a line of the log number $i; i=$((i+1)); done")
	page := frames(t, get(t, a, fmt.Sprintf("/journal/output?q=%s.0&tail=1000", j.ID)))
	var note struct {
		Kind  string
		Bytes uint64
	}
	if len(page) < 2 || page[0].stream != job.Event || json.Unmarshal(page[0].data, &note) != nil || note.Kind != "skipped" {
		t.Fatalf("the first frame is %+v", page[0])
	}
	rest := uint64(0)
	for _, f := range page[1:] {
		rest += uint64(len(f.data))
	}
	if note.Bytes+rest != j.Bytes || rest < 1000 {
		t.Errorf("skipped %d and got %d of %d bytes", note.Bytes, rest, j.Bytes)
	}
	if page := frames(t, get(t, a, fmt.Sprintf("/journal/output?q=%s.0&until=%d", j.ID, j.StartedAt.Add(-time.Hour).UnixMilli()))); len(page) != 0 {
		t.Errorf("before the start there are %d frames", len(page))
	}
}

// Ensure lines carry their number, time, streams and text that is always valid.
func TestOutput_Lines(t *testing.T) {
	t.Parallel()
	a, e := served(t)
	j := ran(t, e, "sh", "-c", `printf 'one\ntwo \377\n'; printf 'three'`)
	var page linesPage
	if err := json.NewDecoder(get(t, a, fmt.Sprintf("/journal/lines?job=%s&from=-2&count=10", j.ID)).Body).Decode(&page); err != nil {
		t.Fatal(err)
	}
	if page.From != 1 || page.Total != 3 || !page.Complete || len(page.Lines) != 2 {
		t.Fatalf("%+v", page)
	}
	for i, want := range []string{"two \uFFFD", "three"} {
		if l := page.Lines[i]; l.N != uint64(i+1) || len(l.Parts) != 1 || l.Parts[0].Stream != 1 || l.Parts[0].Text != want || l.At == 0 {
			t.Errorf("line %d is %+v, want %q", i, l, want)
		}
	}
}

// Ensure bad requests get an error that says which, and break nothing.
func TestOutput_BadRequests(t *testing.T) {
	t.Parallel()
	a, e := served(t)
	j := ran(t, e, "true")
	for path, want := range map[string]int{
		"/journal/output":                                                http.StatusBadRequest,
		"/journal/output?q=nonsense":                                     http.StatusBadRequest,
		"/journal/output?q=../../etc/passwd.0":                           http.StatusBadRequest,
		"/journal/output?q=" + string(j.ID) + ".x":                       http.StatusBadRequest,
		"/journal/output?q=" + string(j.ID) + ".0&max=-1":                http.StatusBadRequest,
		"/journal/output?q=01a20000-0000-7000-8000-000000000000.0":       http.StatusNotFound,
		"/journal/lines?job=01a20000-0000-7000-8000-000000000000&from=0": http.StatusNotFound,
		"/journal/lines?job=" + string(j.ID):                             http.StatusBadRequest,
		"/journal/seek?job=" + string(j.ID) + "&at=":                     http.StatusBadRequest,
		"/journal/else": http.StatusNotFound,
	} {
		resp := get(t, a, path)
		var f Failure
		if err := json.NewDecoder(resp.Body).Decode(&f); err != nil || resp.StatusCode != want || f.Code == "internal" || f.Message == "" {
			t.Errorf("%s: %d %+v, want %d", path, resp.StatusCode, f, want)
		}
	}
}

// Ensure the content policy is on everything that is served, and nothing is
// served to a name that is not this machine's.
func TestMiddleware_PolicyAndHost(t *testing.T) {
	t.Parallel()
	a, _ := served(t)
	for _, path := range []string{"/", "/journal/else"} {
		if p := get(t, a, path).Header.Get("Content-Security-Policy"); !strings.Contains(p, "default-src 'none'; script-src 'self'; ") || strings.Contains(p, "ws:") {
			t.Errorf("%s: the policy is %q", path, p)
		}
	}
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Host = "evil.example"
	a.Output.Middleware(http.NotFoundHandler()).ServeHTTP(w, r)
	if w.Code != http.StatusForbidden {
		t.Errorf("another host gets %d", w.Code)
	}
}

// Ensure more jobs than readers are kept can be looked at.
func TestReaders_AreClosedAndOpenedAgain(t *testing.T) {
	t.Parallel()
	a, e := served(t)
	var jobs []job.Job
	for i := range mostReaders + 5 {
		jobs = append(jobs, ran(t, e, "echo", fmt.Sprint("job ", i)))
	}
	for range 2 {
		for i, j := range jobs {
			if page := frames(t, get(t, a, fmt.Sprintf("/journal/output?q=%s.0", j.ID))); string(page[0].data) != fmt.Sprintf("job %d\n", i) {
				t.Fatalf("job %d shows %q", i, page[0].data)
			}
		}
	}
	if n := len(a.Output.readers.open); n > mostReaders {
		t.Errorf("%d readers are open", n)
	}
}
