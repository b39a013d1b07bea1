package app

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vmorchestrator/internal/engine"
	"vmorchestrator/internal/inventory"
	"vmorchestrator/internal/job"
	"vmorchestrator/internal/remote"
	"vmorchestrator/internal/tail"
	"vmorchestrator/internal/target"
)

var update = flag.Bool("update", false, "write the golden files anew")

// Ensure every type that crosses to TypeScript looks as the golden file says.
// The page's own tests read the same files (frontend/src/lib/wire.test.ts).
func TestWire_GoldenFiles(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 23, 12, 0, 0, 123456789, time.UTC)
	code := 7
	rate, took := 0.95, int64(9000)
	j := job.Job{
		ID: "01a20000-0000-7000-8000-000000000001", Run: "01a20000-0000-7000-8000-000000000002", Project: "web", Target: "deploy",
		Argv: []string{"make", "deploy", "ENV=staging"}, Dir: "/srv/web", EnvNames: []string{"TOKEN"}, TTY: true,
		Size: job.Size{Cols: 120, Rows: 40}, TimeoutMS: 60000, Operator: "ann@laptop", State: job.Failed, Cause: job.CauseExit,
		Source: "docker:web", Link: job.LinkKeep, Event: true, Detail: "exit code 7", ExitCode: &code, Survivors: []job.Survivor{{PID: 42, Command: "sleep 99", Why: "keeps the output open"}},
		QueuedAt: at, StartedAt: &at, FinishedAt: &at, Bytes: 3, Chunks: 2, Lines: 1, Unrecorded: 5,
		Marks: job.Marks{Pinned: true, Labels: []string{"known-good"}, Notes: 2},
	}
	web1 := inventory.Host{
		Name: "web1", Environment: "production", Address: "10.0.0.1", User: "deploy", Port: 22, Tags: []string{"web"},
		Origins: []inventory.Origin{{Field: "name", Value: "web1", File: "/home/ann/.ssh/config", Line: 4}}, Conflicts: []string{"the port is 22 and 2222"},
		Destination: inventory.Destination{Alias: "web1", User: "deploy", Port: 22},
	}
	state := remote.State{
		Destination: web1.Destination, Status: remote.StatusLost, Since: at, LatencyMS: 12.5, Attempt: 3, Next: at, Error: "no answer", Hint: "It is tried again.",
		Steps: []remote.Step{{Hop: "web1", What: "tcp", Detail: "10.0.0.1:22", OK: true}}, Way: []remote.Waypoint{{Name: "bastion", Addr: "ann@bastion:22", Came: remote.CameThrough, Banner: "Authorised users only.\n"}, {Name: "web1", Addr: "deploy@10.0.0.1:22", Came: remote.CameToStop}}, Engine: "built-in",
		Connections: 1, Sessions: 2, MaxSessions: 10, Server: "SSH-2.0-OpenSSH_9.2", HostKey: "ssh-ed25519 SHA256:x", Kex: "curve25519-sha256", Cipher: "aes128-gcm@openssh.com", MAC: "implicit",
	}
	hop := remote.Hop{Host: "web1", Name: "bastion", User: "ann", Addr: "bastion:22", Number: 1, Of: 2}
	for name, v := range map[string]any{
		"job":         Job{j, true},
		"job-pending": Job{Job: job.Job{ID: j.ID, Run: j.Run, Argv: []string{"true"}, Dir: "/", Operator: "ann@laptop", State: job.Pending, QueuedAt: at}},
		"query": Query{Limit: 50, Before: string(j.ID), Filter: job.Filter{
			Hosts: []string{"web1"}, Targets: []string{"deploy"}, Labels: []string{"known-good"}, Project: "web", Operator: "ann@laptop", States: []job.State{job.Failed}, Since: at, Until: at, Text: "stag",
		}},
		"said": engine.Said{Team: true, Problem: "read the archive: no answer", Remarks: []engine.Remark{
			{Remark: job.Remark{Kind: job.EntryNote, Job: j.ID, At: at, By: "bob@desk", Text: "two\nlines"}, Login: "bob"},
		}},
		"acts-query": ActsQuery{Filter: job.Filter{Hosts: []string{"web1"}}, Limit: 100, Team: true},
		"acts": ActsPage{More: true, Acts: []engine.Act{
			{At: at, By: "bob@desk", Login: "bob", What: "remove", Host: "web1", Job: j.ID, State: job.Failed, Text: "space", Count: 3},
		}},
		"stat": engine.Stat{
			Project: "web", Target: "deploy", Host: "web1", Runs: 24, Succeeded: 19, Failed: 1, TimedOut: 1, Cancelled: 2, Lost: 1, Rate: &rate, P50: &took, P95: &took, Newest: at,
		},
		"counts": engine.Counts{job.Failed: 2, job.Running: 1},
		"names":  engine.Names{Hosts: []string{"", "web1"}, Targets: []string{"deploy"}, Projects: []string{"web"}, Operators: []string{"ann@laptop"}, Labels: []string{"known-good"}},
		"tunnel": TunnelRequest{Host: "web1", Forwards: []TunnelForward{{Kind: engine.ForwardLocal, Spec: "8080:localhost:80"}}},
		"archive": engine.ArchiveStatus{
			State: "waiting", Since: at, Server: "ann@db.example:5432/vmo", Origin: "VMO_DATABASE_URL", Error: "connect to db.example: connection refused", Hint: "It is tried again.",
			LagKnown: true, LagJobs: 3, LagBytes: 4096, LagSeconds: 60, Entries: 12,
			Quarantined: []engine.ArchiveFault{{Job: j.ID, Error: "block 7 is another one there", Hint: "Verify it."}}, SetAside: []engine.ArchiveFault{},
		},
		"database-check": engine.DatabaseCheck{Server: "ann@db.example:5432/vmo", Postgres: "16.4", Transport: "TLSv1.3", Login: "ann", May: "operator", Writable: true, Schema: 1, AnswerMS: 4, Jobs: 12, Bytes: 4096, Installations: 3, Entries: 12, Ledger: 14},
		"team-job":       engine.TeamJob{Job: j, Installation: "01a20000-0000-7000-8000-00000000000a", Login: "bob", Laptop: "bob@desk", OwnerSeen: at, Offline: true, Removed: true},
		"exported":       Exported{Path: "/home/ann/deploy.html", Bytes: 4096, Problem: "block 7 is damaged"},
		"verdicts": []engine.Verdict{
			{Result: engine.Intact, State: "signed"},
			{Job: j.ID, Result: engine.Tampered, Findings: []string{"block 7 is not what it was"}, State: "sealed", Blocks: 9, Bytes: 4096},
		},
		"search": SearchQuery{Pattern: "err(or)?", IgnoreCase: true, Context: 1, Jobs: job.Filter{Hosts: []string{"web1"}}},
		"search-page": searchPage{
			Hits: []searchHit{
				found(engine.Hit{Job: j.ID, Line: 41, At: at, Stream: job.Stdout, Text: "an \xff error\x00", From: 5, To: 10, Before: []string{"before"}, After: []string{"after"}}),
				{Job: j.ID, Line: 50, Before: []string{}, After: []string{}, Problem: "block 7 is damaged"},
			},
			Jobs: []Job{{j, false}}, Done: true, Failure: &Failure{Code: "invalid", Message: "missing closing )", Hint: "Close it."},
		},
		"updates": engine.UpdateStatus{
			State: "on", URL: "https://releases.example.com/release.json", Managed: true, Policy: "/etc/vm-orchestrator/policy.json", Current: "v0.7.0", Checked: &at, Error: "no answer", Hint: "Try again.",
			Release: &engine.Release{
				Unsure: true, Version: "v0.8.0", Date: at, Notes: "What is <new>.\n", Schema: "It is migrated.", Migrate: true, Journal: "It stays.", How: "sudo apt install ./vmo.deb",
				From: "https://releases.example.com", Files: []engine.NewFile{{Name: "vmo.deb", URL: "https://releases.example.com/vmo.deb", Size: 7, SHA256: "ab"}},
			},
		},
		"updates-off": engine.UpdateStatus{State: "off", Current: "v0.7.0"},
		"hints":       Hints{Jobs: []Hint{{j.ID, job.Running, 12, 3, 4096, "no space left on the disk of the journal"}}, More: true},
		"news":        News{Jobs: []job.ID{j.ID}, More: true},
		"opened":      Opened{Dir: "/srv/web"},
		"followed": []Followed{
			{Link: "vmo://job/01a20000-0000-7000-8000-000000000001#7", Job: string(j.ID), Mine: true, Line: 7},
			{Link: "vmo://run?dir=~/web&target=deploy&host=web1&var.ENV=staging", Wish: &Wish{
				Project: "web", Dir: "~/web", Known: true, Target: "deploy", Hosts: []WishHost{{Name: "web1", Known: true, Environment: "production"}}, Vars: []job.Variable{{Name: "ENV", Value: "staging"}},
			}},
		},
		"rejection": FormatError(job.WithHint(errors.Join(job.ErrDiskFull), "Free some space.")),
		"failure":   failure(job.WithHint(errors.Join(job.ErrDiskFull), "Free some space.")),
		"info":      Info{Version: "v1.2.3", DataDir: "/home/ann/.local/share/vm-orchestrator", ReadOnly: "", Operator: "ann@laptop", MaxParallel: 16, OS: "linux"},
		"projects": engine.Projects{
			Projects: []engine.Project{{Alias: "web", Dir: "/srv/web", Source: "registry", File: "/home/ann/.config/mkcli/registry", Line: 3}, {Alias: "old", Dir: "/gone", Source: "added", Missing: true, Error: "the folder does not exist"}},
			Problems: []target.Problem{{File: "registry", Line: 4, Text: "there is no = here"}}, Registry: "/home/ann/.config/mkcli/registry", RegistryExists: true,
		},
		"targets": engine.Targets{
			Dir: "/srv/web", File: "Makefile", Problems: []target.Problem{}, ComputedAvailable: true,
			Targets: []engine.Target{{Target: target.Target{
				Name: "deploy", Help: "Put it there", Section: "Ship", File: "Makefile", Line: 12, Phony: true, Interactive: true, Why: "marked @tty",
				Params: []target.Param{{Name: "ENV", Default: "dev", Help: "where to", File: "Makefile", Line: 3}},
			}, Mode: engine.ModeAuto}},
		},
		"lines": linesPage{From: 1, Total: 3, Complete: true, Lines: []linePart{
			{N: 1, At: 1700000000123.5, Parts: []part{{1, "out \x1b[31mred\x1b[0m"}, {2, "err"}}, Cut: 9},
			{N: 2, At: 1700000000124, Parts: []part{}, Event: &job.Note{Kind: job.NoteGap, Bytes: 77, Text: "77 bytes were not recorded"}},
		}},
		"hosts": engine.Hosts{
			Hosts:     []engine.HostInfo{{Host: inventory.Host{Name: "laptop", Local: true}}, {Host: web1, State: state}},
			Problems:  []inventory.Problem{{File: "/home/ann/.ssh/config", Line: 7, Host: "db1", Text: "Bad configuration option: prot"}},
			SSHConfig: "/home/ann/.ssh/config", Looked: []string{"/home/ann/.ssh/config"},
		},
		"host-detail": engine.HostDetail{
			HostInfo: engine.HostInfo{Host: web1, State: state}, Resolved: "deploy@10.0.0.1:22", By: "ssh", Jumps: []string{"bastion"},
			Options: []engine.Option{{Key: "identityfile", Values: []string{"/home/ann/.ssh/id_ed25519"}, File: "/home/ann/.ssh/config", Line: 5}}, Differs: []string{"Compression: not used"},
			Forwards: []engine.Forward{{Kind: engine.ForwardLocal, Listen: "5432", To: "db1:5432"}, {Kind: engine.ForwardDynamic, Listen: "*:1080"}},
		},
		"changed-key": engine.ChangedKey{Hop: "bastion", Name: "[10.0.0.1]:2222", Type: "ssh-ed25519", Fingerprint: "SHA256:x", Kept: true, Blocked: "it is for all users",
			Old: []engine.KnownKey{{Type: "ssh-rsa", Fingerprint: "SHA256:y", File: "/home/ann/.ssh/known_hosts", Line: 3}}},
		"sources": engine.Sources{Found: []tail.Found{{Source: "docker:web", Kind: tail.Docker, Name: "web", Detail: "shop/web:1.41", State: "running"}}, Problems: []string{"journal: not allowed"}},
		"prompts": []engine.Prompt{
			{ID: "1", Kind: "host-key", Hop: hop, HostKey: &remote.HostKeyQuestion{Hop: hop, Type: "ssh-ed25519", Fingerprint: "SHA256:x", File: "/home/ann/.ssh/known_hosts", Others: []string{"web2 (known_hosts:3)"}}},
			{ID: "2", Kind: "secret", Hop: hop, Secret: &remote.SecretQuestion{Hop: hop, Kind: "password", Of: "ann@web1", Try: 1}},
			{ID: "3", Kind: "challenge", Hop: hop, Challenge: &remote.ChallengeQuestion{Hop: hop, Name: "2FA", Instruction: "Look at your phone.", Fields: []remote.Field{{Prompt: "Code: ", Echo: true}}, Try: 2}},
		},
		"answer": engine.Answer{Accept: true, Values: []string{"secret"}},
		"shell":  ShellRequest{Host: "web1", Dir: "~/shop", Cols: 120, Rows: 40},
		"exec":   ExecRequest{Hosts: []string{"web1", ""}, Line: "uptime | cut -c1-5", Dir: "", Mode: engine.ModeStream, Link: job.LinkKeep, Cols: 120, Rows: 40},
		"tail":   TailRequest{Host: "web1", Source: "docker:web", Since: "15m", Lines: 200},
		"checks": []engine.Check{{Name: "PATH", OK: true, Found: "/usr/bin", Origin: "login shell /bin/zsh", Next: "Set it."}},
		"report": engine.Report{Parts: []engine.ReportPart{{Name: "doctor.json", What: "what vmo doctor finds", Text: "[]\n"}}},
		"saved":  Saved{Path: "/home/ann/report.tar.gz", Parts: []string{"README.txt", "doctor.json"}},
		"place":  engine.Place{Seq: 3, Line: 2, Offset: 40},
	} {
		got, err := json.MarshalIndent(v, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join("testdata", "wire", name+".json")
		if *update {
			if err := os.WriteFile(path, append(got, '\n'), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(got)+"\n"); diff != "" {
			t.Errorf("%s (regenerate with -update):\n%s", path, diff)
		}
	}
}

// sample is a project folder that the engine knows.
func sample(t *testing.T, e *engine.Engine, makefile string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "Makefile"), []byte(makefile), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := e.AddProject(dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

const greeting = "NAME ?= world\nexport NAME\n.PHONY: hello shell\nhello: ## Greet\n\t@printf 'Hello, %s!\\n' \"$$NAME\"\nshell: ## A shell\n\t@stty -echo; read x; echo \"got $$x\"\n"

// Ensure the page can run what a project offers, with the values of its form as
// they are, and nothing else.
func TestJobs_StartOnlyWhatIsOffered(t *testing.T) {
	t.Parallel()
	a, e := served(t)
	dir := sample(t, e, greeting)
	j, err := a.Jobs.one(a.Jobs.Start(Request{Dir: dir, Target: "hello", Vars: map[string]string{"NAME": "$(shell touch pwned) & co"}}))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Wait(t.Context(), j.ID); err != nil {
		t.Fatal(err)
	}
	if got := output(t, e, j.ID); got != "Hello, $(shell touch pwned) & co!\n" {
		t.Errorf("the output is %q", got)
	}
	if diff := cmp.Diff([]string{"make", "hello", "NAME=$$(shell touch pwned) & co"}, j.Argv); diff != "" {
		t.Error(diff)
	}
	for name, r := range map[string]Request{
		"a folder that is no project": {Dir: "/", Target: "hello"},
		"a target that vanished":      {Dir: dir, Target: "gone"},
		"an option":                   {Dir: dir, Target: "--eval=x:;id"},
		"another variable":            {Dir: dir, Target: "hello", Vars: map[string]string{"SHELL": "/bin/evil"}},
		"a line break":                {Dir: dir, Target: "hello", Vars: map[string]string{"NAME": "a\nb"}},
	} {
		if jobs, err := a.Jobs.Start(r); err == nil {
			t.Errorf("%s was run as %v", name, jobs)
		}
	}
	list, err := a.Jobs.List(Query{Limit: 10})
	if err != nil || len(list) != 1 {
		t.Errorf("List: %d jobs, %v", len(list), err)
	}
}

// output is what a job has printed, on the given streams or on all.
func output(t *testing.T, e *engine.Engine, id job.ID, streams ...job.Stream) string {
	t.Helper()
	r, err := e.Output(id)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	page, err := r.Page(0, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	var text []byte
	for _, c := range page {
		if len(streams) == 0 || slices.Contains(streams, c.Stream) {
			text = append(text, c.Data...)
		}
	}
	return string(text)
}

// Ensure an interactive target gets a terminal that can be typed into, and is
// run again as it was.
func TestJobs_TypeIntoATerminal(t *testing.T) {
	t.Parallel()
	a, e := served(t)
	dir := sample(t, e, greeting)
	j, err := a.Jobs.one(a.Jobs.Start(Request{Dir: dir, Target: "shell", Cols: 100, Rows: 30}))
	if err != nil || !j.TTY || j.Size.Cols != 100 || !j.Owned {
		t.Fatalf("Start: %+v, %v", j, err)
	}
	typed := base64.StdEncoding.EncodeToString([]byte("secret\r"))
	for a.Jobs.Input(string(j.ID), typed) != nil { // not before its process is there
		time.Sleep(time.Millisecond)
	}
	if err := a.Jobs.Resize(string(j.ID), 0, 5); !errors.Is(err, job.ErrInvalid) {
		t.Errorf("Resize to nothing: %v", err)
	}
	if err := a.Jobs.Input(string(j.ID), "not base64!"); !errors.Is(err, job.ErrInvalid) {
		t.Errorf("Input: %v", err)
	}
	ended, err := e.Wait(t.Context(), j.ID)
	if err != nil || ended.State != job.Succeeded {
		t.Fatalf("%+v, %v", ended, err)
	}
	if err := a.Jobs.Input(string(j.ID), typed); err == nil {
		t.Error("an ended job takes input")
	}
	again, err := a.Jobs.Again(string(j.ID), 90, 20)
	if err != nil || !cmp.Equal(again.Argv, j.Argv) || again.Dir != j.Dir || !again.TTY || again.ID == j.ID {
		t.Errorf("Again: %+v, %v", again, err)
	}
	if err := a.Jobs.Cancel(string(again.ID), true); err != nil {
		t.Error(err)
	}
	if ended, err := e.Wait(t.Context(), again.ID); err != nil || ended.State != job.Cancelled {
		t.Errorf("cancelled: %+v, %v", ended, err)
	}
}

// Ensure a hint stays small enough for the page whatever happens at once.
func TestHints_AreSmall(t *testing.T) {
	t.Parallel()
	a, e := served(t)
	_ = a
	for range 2 * mostHints {
		ran(t, e, "true")
	}
	h := hints(t.Context(), e)
	data, err := json.Marshal(h)
	if err != nil || len(data) > 4096 || !h.More || len(h.Jobs) > mostHints {
		t.Errorf("%d jobs in %d bytes, more=%v, %v", len(h.Jobs), len(data), h.More, err)
	}
}

// Ensure calls before the journal is open, or without one, say so.
func TestShell_SaysWhyThereIsNoJournal(t *testing.T) {
	t.Parallel()
	a := New("test", nil)
	if _, err := a.Jobs.List(Query{}); !errors.Is(err, errStarting) {
		t.Errorf("before the start: %v", err)
	}
	a.shell.broken = job.WithHint(job.ErrNewer, "Update this program.")
	if f := failure(func() error { _, err := a.Projects.List(); return err }()); f.Code != "newer" || f.Hint == "" {
		t.Errorf("%+v", f)
	}
}
