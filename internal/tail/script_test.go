//go:build unix

package tail

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// shells are those that may be a host's sh.
var shells = [][]string{{"sh"}, {"dash"}, {"bash", "--posix"}, {"busybox", "sh"}, {"ksh"}}

func eachShell(t *testing.T, test func(t *testing.T, h *host)) {
	shells := shells
	if runtime.GOOS != "linux" {
		shells = shells[:1] // make setup installs the others where the tests of hosts run
	}
	for _, shell := range shells {
		t.Run(shell[0], func(t *testing.T) {
			t.Parallel()
			if _, err := exec.LookPath(shell[0]); err != nil {
				t.Fatalf("%s is needed: run make setup", shell[0])
			}
			test(t, newHost(t, shell...))
		})
	}
}

// host is a machine with fakes of what is not on this one.
type host struct {
	t     *testing.T
	shell []string
	dir   string // FAKE
	bin   string
}

func newHost(t *testing.T, shell ...string) *host {
	t.Helper()
	h := &host{t: t, shell: shell, dir: t.TempDir()}
	h.bin = filepath.Join(h.dir, "bin")
	for _, dir := range []string{h.bin, filepath.Join(h.dir, "docker"), filepath.Join(h.dir, "podman")} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	// Nothing but what the scripts need: the machine's own docker is not asked.
	for _, tool := range []string{"sh", "cat", "tail", "head", "ls", "cksum", "wc", "find", "sort", "cut", "sed", "grep", "tr", "id", "date", "sleep", "timeout", "env"} {
		if path, err := exec.LookPath(tool); err == nil {
			if err := os.Symlink(path, filepath.Join(h.bin, tool)); err != nil {
				t.Fatal(err)
			}
		}
	}
	return h
}

// has puts a fake into PATH.
func (h *host) has(programs ...string) {
	self, err := os.Executable()
	for _, program := range programs {
		if err == nil {
			err = os.Symlink(self, filepath.Join(h.bin, program))
		}
	}
	if err != nil {
		h.t.Fatal(err)
	}
}

// notRoot replaces id, so that whoever runs the test is an operator.
func (h *host) notRoot() {
	path := filepath.Join(h.bin, "id")
	if err := os.Remove(path); err != nil {
		h.t.Fatal(err)
	}
	h.write("bin/id", "#!/bin/sh\ncase $1 in -u) echo 1000 ;; -un) echo ops ;; -Gn) echo ops users ;; esac\n")
	if err := os.Chmod(path, 0o755); err != nil {
		h.t.Fatal(err)
	}
}

func (h *host) write(name, text string) {
	h.t.Helper()
	if err := os.WriteFile(filepath.Join(h.dir, name), []byte(text), 0o644); err != nil {
		h.t.Fatal(err)
	}
}

func (h *host) put(program string, c container) {
	h.t.Helper()
	if err := c.put(filepath.Join(h.dir, program)); err != nil {
		h.t.Fatal(err)
	}
	h.log(program, c.ID)
}

// log writes lines to a container's log; those that begin with ! to its stderr.
func (h *host) log(program, id string, lines ...string) {
	h.t.Helper()
	f, err := os.OpenFile(filepath.Join(h.dir, program, id+".log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		h.t.Fatal(err)
	}
	defer f.Close()
	at := time.Now()
	for _, line := range lines { // all with one time
		l := logLine{Log: line + "\n", Stream: "stdout", Time: at.UTC()}
		if strings.HasPrefix(line, "!") {
			l.Stream = "stderr"
		}
		data, _ := json.Marshal(l)
		if _, err := f.Write(append(data, '\n')); err != nil {
			h.t.Fatal(err)
		}
	}
}

// record is what has arrived, with the boundaries in it.
type record struct {
	mu   sync.Mutex
	text strings.Builder
	more chan struct{}
}

func newRecord() *record { return &record{more: make(chan struct{}, 1)} }

func (r *record) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.text.Write(p)
	select {
	case r.more <- struct{}{}:
	default:
	}
	return len(p), nil
}

func (r *record) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.String()
}

// wait waits until the record is this text.
func (r *record) wait(t *testing.T, want string) {
	t.Helper()
	timeout := time.After(2 * time.Minute)
	for {
		got := r.String()
		if got == want {
			return
		}
		if !strings.HasPrefix(want, got) {
			t.Fatalf("got\n%s\nwant\n%s", got, want)
		}
		select {
		case <-r.more:
		case <-timeout:
			t.Fatalf("it stays\n%s\nwant\n%s", got, want)
		}
	}
}

// follow is a tail with its record.
type follow struct {
	*Tracker
	h         *host
	out, errs *record
	cmd       *exec.Cmd
}

func (h *host) follow(source string, o Options) *follow {
	h.t.Helper()
	s, err := Parse(source)
	if err != nil {
		h.t.Fatal(err)
	}
	return h.followSource(s, o)
}

func (h *host) followSource(s Source, o Options) *follow {
	f := &follow{h: h, out: newRecord(), errs: newRecord()}
	f.Tracker = NewTracker(s, o, func(text string) { fmt.Fprintf(f.out, "<%s>\n", strings.ReplaceAll(text, h.dir, "")) })
	return f
}

// connect runs the command on the host.
func (f *follow) connect() {
	f.h.t.Helper()
	argv := append(slices.Clone(f.h.shell), f.Command()[1:]...)
	f.cmd = exec.Command(argv[0], argv[1:]...)
	f.cmd.Env = []string{"PATH=" + f.h.bin, "FAKE=" + f.h.dir, "HOME=" + f.h.dir,
		"GORACE=atexit_sleep_ms=0"} // a fake under the race detector would end a second late
	if path, err := exec.LookPath(argv[0]); err == nil {
		f.cmd.Path, f.cmd.Err = path, nil
	}
	f.cmd.Stdout, f.cmd.Stderr = f.Stdout(f.out), f.Stderr(f.errs)
	f.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := f.cmd.Start(); err != nil {
		f.h.t.Fatal(err)
	}
	f.h.t.Cleanup(f.cut)
}

// cut ends the command with everything it started, as the loss of a link does.
func (f *follow) cut() {
	if f.cmd != nil {
		_ = syscall.Kill(-f.cmd.Process.Pid, syscall.SIGKILL)
		_ = f.cmd.Wait()
		f.cmd = nil
	}
}

// end waits for a command that ends by itself.
func (f *follow) end() int {
	_ = f.cmd.Wait()
	if err := f.Flush(); err != nil {
		f.h.t.Error(err)
	}
	code := f.cmd.ProcessState.ExitCode()
	f.cmd = nil
	return code
}

func TestFileScript_FollowsThroughRotationAndTruncation(t *testing.T) {
	t.Parallel()
	eachShell(t, func(t *testing.T, h *host) {
		name := filepath.Join(h.dir, "a b'$(x).log")
		appendTo := func(text string) {
			f, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
			if err == nil {
				_, err = f.WriteString(text)
				_ = f.Close()
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		appendTo("zero\none\ntwo\n")
		f := h.follow("file:"+name, Options{Lines: 2, Follow: true})
		f.connect()
		want := "one\ntwo\n"
		f.out.wait(t, want)
		appendTo("thr")
		f.out.wait(t, want+"thr")
		f.cut()
		appendTo("ee\nfour\n")
		f.connect()
		want += "three\nfour\n"
		f.out.wait(t, want)

		if err := os.Rename(name, name+".1"); err != nil {
			t.Fatal(err)
		}
		appendTo("five\n")
		want += "</a b'$(x).log was rotated>\nfive\n"
		f.out.wait(t, want)

		// The old file is still there when the link comes back.
		f.cut()
		appendTo("six\n")
		if err := os.Rename(name, name+".1"); err != nil {
			t.Fatal(err)
		}
		appendTo("seven\n")
		f.connect()
		want += "six\n</a b'$(x).log was rotated>\nseven\n"
		f.out.wait(t, want)

		if err := os.Truncate(name, 0); err != nil {
			t.Fatal(err)
		}
		f.out.wait(t, want+"</a b'$(x).log was truncated: what was written just before may be missing>\n")
		want += "</a b'$(x).log was truncated: what was written just before may be missing>\n"
		appendTo("eight\n")
		want += "eight\n"
		f.out.wait(t, want)

		// Truncated while there was no link, and grown beyond the old offset.
		f.cut()
		if err := os.Truncate(name, 0); err != nil {
			t.Fatal(err)
		}
		appendTo("nine, and longer than it was\n")
		f.connect()
		want += "</a b'$(x).log was truncated or replaced while there was no connection: lines may be missing>\nnine, and longer than it was\n"
		f.out.wait(t, want)

		// Rotated twice.
		f.cut()
		appendTo("nine and a half\n")
		for _, n := range []string{".1", ".2"} {
			if err := os.Rename(name, name+n); err != nil {
				t.Fatal(err)
			}
			// A tick of the file system's clock later, which a real rotation is.
			old := time.Now().Add(-time.Minute)
			if n == ".2" {
				old = old.Add(time.Second)
			}
			if err := os.Chtimes(name+n, old, old); err != nil {
				t.Fatal(err)
			}
			appendTo("behind " + n + "\n")
		}
		f.connect()
		want += "nine and a half\n</a b'$(x).log was rotated>\nbehind .1\n</a b'$(x).log was rotated>\nbehind .2\n"
		f.out.wait(t, want)

		// Rotated away and deleted.
		f.cut()
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(h.dir, "takes the inode"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		appendTo("ten\n")
		f.connect()
		want += "</a b'$(x).log was rotated while there was no connection, and the old file is gone: lines may be missing>\nten\n"
		f.out.wait(t, want)
		if f.errs.String() != "" {
			t.Errorf("stderr: %s", f.errs)
		}
	})
}

func TestFileScript_SaysWhyItCannot(t *testing.T) {
	t.Parallel()
	h := newHost(t, "sh")
	for path, want := range map[string]string{
		filepath.Join(h.dir, "none"): "there is no file",
		h.dir:                        "is not a regular file",
	} {
		f := h.follow("file:"+path, Options{Lines: 1, Follow: true})
		f.connect()
		if code := f.end(); code == 0 || !strings.Contains(f.errs.String(), want) || f.out.String() != "" {
			t.Errorf("%s: %d, %q", path, code, f.errs)
		}
	}
}

func TestFileScript_BeginsWhereItIsAsked(t *testing.T) {
	t.Parallel()
	h := newHost(t, "sh")
	h.write("x.log", "a\n\nb\nc")
	for lines, want := range map[int]string{-1: "a\n\nb\nc", 0: "", 1: "c", 3: "\nb\nc", 9: "a\n\nb\nc"} {
		f := h.follow("file:~/x.log", Options{Lines: lines})
		f.connect()
		if code := f.end(); code != 0 || f.out.String() != want {
			t.Errorf("%d lines: %d, %q, want %q; %s", lines, code, f.out, want, f.errs)
		}
	}
}

func TestDockerScript_FollowsThroughRestartsAndCuts(t *testing.T) {
	t.Parallel()
	eachShell(t, func(t *testing.T, h *host) {
		h.has("docker")
		c := container{ID: "1111111111111111", Name: "web", Image: "nginx:1", Started: "2026-01-01T00:00:00Z", Running: true}
		h.put("docker", c)
		h.log("docker", c.ID, "old", "one", "one")
		f := h.follow("docker:web", Options{Lines: 2, Follow: true})
		f.connect()
		want := "one\none\n"
		f.out.wait(t, want)
		h.log("docker", c.ID, "one", "!warn", "two")
		want += "one\ntwo\n"
		f.out.wait(t, want)
		f.errs.wait(t, "!warn\n")
		f.cut()
		h.log("docker", c.ID, "while away")
		f.connect()
		want += "while away\n"
		f.out.wait(t, want)

		c.Running = false
		h.put("docker", c)
		want += "<docker:web does not run; waiting for it>\n"
		f.out.wait(t, want)
		c.Running, c.Started = true, "2026-01-01T00:01:00Z"
		h.log("docker", c.ID, "again")
		h.put("docker", c)
		want += "<docker:web was restarted>\nagain\n"
		f.out.wait(t, want)

		if err := os.Remove(filepath.Join(h.dir, "docker", c.ID+".json")); err != nil {
			t.Fatal(err)
		}
		want += "<docker:web is gone; waiting for it>\n"
		f.out.wait(t, want)
		c2 := container{ID: "2222222222222222", Name: "web", Image: "nginx:2", Started: "2026-01-01T00:02:00Z", Running: true}
		h.log("docker", c2.ID, "new")
		h.put("docker", c2)
		want += "<docker:web was recreated: 111111111111 (nginx:1) → 222222222222 (nginx:2)>\nnew\n"
		f.out.wait(t, want)

		// Recreated while there is no link; the old one can still be asked.
		f.cut()
		h.log("docker", c2.ID, "last words")
		c2.Running, c2.Name = false, "web_old"
		h.put("docker", c2)
		c3 := container{ID: "3333333333333333", Name: "web", Image: "nginx:3", Started: "2026-01-01T00:03:00Z", Running: true}
		h.log("docker", c3.ID, "third")
		h.put("docker", c3)
		f.connect()
		want += "last words\n<docker:web was recreated: 222222222222 (nginx:2) → 333333333333 (nginx:3)>\nthird\n"
		f.out.wait(t, want)

		// Removed while there is no link.
		f.cut()
		if err := os.Remove(filepath.Join(h.dir, "docker", c3.ID+".json")); err != nil {
			t.Fatal(err)
		}
		c4 := container{ID: "4444444444444444", Name: "web", Image: "nginx:4", Started: "2026-01-01T00:04:00Z", Running: true}
		h.log("docker", c4.ID, "fourth")
		h.put("docker", c4)
		f.connect()
		want += "<docker:web was removed while there was no connection: its last lines may be missing>\n" +
			"<docker:web was recreated: 333333333333 (nginx:3) → 444444444444 (nginx:4)>\nfourth\n"
		f.out.wait(t, want)
		if f.errs.String() != "!warn\n" {
			t.Errorf("stderr: %q", f.errs)
		}
	})
}

func TestDockerScript_WaitsForAnEngineThatIsNotThereYet(t *testing.T) {
	t.Parallel()
	h := newHost(t, "sh")
	h.has("docker")
	c := container{ID: "1111111111111111", Name: "web", Image: "nginx:1", Started: "s", Running: true}
	h.put("docker", c)
	h.log("docker", c.ID, "one")
	f := h.follow("docker:web", Options{Lines: -1, Follow: true})
	f.connect()
	f.out.wait(t, "one\n")
	f.cut()
	h.log("docker", c.ID, "two")
	h.write("docker/refuses", "Cannot connect to the Docker daemon")
	f.connect()
	for asked := filepath.Join(h.dir, "docker", "asked"); ; { // until it was asked in vain
		if _, err := os.Stat(asked); err == nil {
			break
		}
		select {
		case <-time.After(time.Millisecond):
		case <-t.Context().Done():
			return
		}
	}
	if err := os.Remove(filepath.Join(h.dir, "docker", "refuses")); err != nil {
		t.Fatal(err)
	}
	f.out.wait(t, "one\ntwo\n")
}

func TestDockerScript_FromNowOnMissesNothingAfterACut(t *testing.T) {
	t.Parallel()
	h := newHost(t, "sh")
	h.has("docker")
	c := container{ID: "1111111111111111", Name: "web", Image: "nginx:1", Started: "s", Running: true}
	h.put("docker", c)
	f := h.follow("docker:web", Options{Follow: true})
	f.connect()
	for f.Position().Container == "" { // until it has begun
		select {
		case <-time.After(time.Millisecond):
		case <-t.Context().Done():
			return
		}
	}
	f.cut()
	h.log("docker", c.ID, "while away")
	f.connect()
	f.out.wait(t, "while away\n")
}

func TestDockerScript_TakesTheEngineThatHasTheContainer(t *testing.T) {
	t.Parallel()
	const denied = "permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock"
	for name, c := range map[string]struct {
		programs []string
		sudoers  bool
		refuses  string // what docker says to who is not root
		at       string // which program has the container; empty: none
		want     string
		stderr   []string
	}{
		"docker":           {programs: []string{"docker", "podman"}, at: "docker", want: "hello\n"},
		"podman has it":    {programs: []string{"docker", "podman"}, at: "podman", want: "hello\n"},
		"podman alone":     {programs: []string{"podman"}, at: "podman", want: "hello\n"},
		"docker with sudo": {programs: []string{"docker", "sudo"}, sudoers: true, refuses: denied, at: "docker", want: "hello\n"},
		"permission denied": {programs: []string{"docker", "sudo"}, refuses: denied, at: "docker",
			stderr: []string{"vmo: docker: " + denied, "usermod -aG docker ops", "sudo without a password"}},
		"no daemon": {programs: []string{"docker"}, refuses: "Cannot connect to the Docker daemon. Is the docker daemon running?",
			stderr: []string{"Cannot connect to the Docker daemon", "systemctl start docker"}},
		"nothing":      {stderr: []string{"neither docker nor podman is installed here"}},
		"no container": {programs: []string{"docker"}, stderr: []string{"docker knows no container web", "There are: other"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHost(t, "sh")
			h.notRoot()
			h.has(c.programs...)
			h.put("docker", container{ID: "9999999999999999", Name: "other", Image: "x", Started: "s", Running: true})
			if c.at != "" {
				h.put(c.at, container{ID: "1111111111111111", Name: "web", Image: "nginx:1", Started: "s", Running: true})
				h.log(c.at, "1111111111111111", "hello")
			}
			if c.refuses != "" {
				h.write("docker/refuses", c.refuses)
			}
			if c.sudoers {
				h.write("sudoers", "")
			}
			f := h.follow("docker:web", Options{Lines: -1})
			f.connect()
			code := f.end()
			if f.out.String() != c.want || (code == 0) != (c.want != "") {
				t.Errorf("exit %d, stdout %q, want %q; stderr %q", code, f.out, c.want, f.errs)
			}
			for _, want := range c.stderr {
				if !strings.Contains(f.errs.String(), want) {
					t.Errorf("stderr %q, want %q", f.errs, want)
				}
			}
		})
	}
}

func TestDockerScript_FollowsAComposeServiceOfItsProject(t *testing.T) {
	t.Parallel()
	h := newHost(t, "sh")
	h.has("docker")
	dirs := map[string]string{}
	for i, project := range []string{"shop", "blog"} {
		dir, err := filepath.EvalSymlinks(h.dir)
		if err == nil {
			dir = filepath.Join(dir, project)
			err = os.Mkdir(dir, 0o755)
		}
		if err != nil {
			t.Fatal(err)
		}
		dirs[project] = dir
		id := strings.Repeat(fmt.Sprint(i+1), 16)
		h.put("docker", container{ID: id, Name: project + "-web-1", Image: "nginx:1", Started: "s", Running: true, Service: "web", Dir: dir})
		h.log("docker", id, project)
	}
	for dir, want := range map[string]string{dirs["shop"]: "shop\n", "~/blog": "blog\n"} {
		f := h.followSource(Source{Kind: Compose, Name: "web", Dir: dir}, Options{Lines: -1})
		f.connect()
		if code := f.end(); code != 0 || f.out.String() != want || f.errs.String() != "" {
			t.Errorf("%s: exit %d, %q, %q", dir, code, f.out, f.errs)
		}
	}
	f := h.follow("compose:web", Options{Lines: -1})
	f.connect()
	if f.end(); !strings.Contains(f.errs.String(), "has 2 containers") || f.out.String() == "" {
		t.Errorf("%q, %q", f.out, f.errs)
	}
	f = h.follow("compose:db", Options{Lines: -1})
	f.connect()
	if code := f.end(); code == 0 || !strings.Contains(f.errs.String(), "no container of the service db") {
		t.Errorf("%q", f.errs)
	}
}

func TestJournalScript_GoesOnAfterTheCursor(t *testing.T) {
	t.Parallel()
	eachShell(t, func(t *testing.T, h *host) {
		h.has("journalctl")
		h.write("journal", entries(""))
		f := h.follow("journal:nginx.service", Options{Lines: 1, Follow: true})
		f.connect()
		f.end()
		f.connect()
		f.end()
		if !strings.HasSuffix(f.out.String(), ": five\n") || strings.Count(f.out.String(), "\n") != 1 {
			t.Errorf("%q, %q", f.out, f.errs)
		}
		// From now on: the last entry there is, is not shown, but what follows it is.
		h.write("journal", entries("")[:strings.Index(entries(""), `{"__CURSOR":"s=a;i=5"`)])
		f = h.follow("journal:nginx.service", Options{Follow: true})
		f.connect()
		f.end()
		if f.out.String() != "" {
			t.Errorf("from now on: %q", f.out)
		}
		h.write("journal", entries(""))
		f.connect()
		f.end()
		if !strings.HasSuffix(f.out.String(), ": five\n") || strings.Count(f.out.String(), "\n") != 1 {
			t.Errorf("after: %q, %q", f.out, f.errs)
		}
	})
}

func TestJournalScript_SaysWhoMayReadIt(t *testing.T) {
	t.Parallel()
	h := newHost(t, "sh")
	h.notRoot()
	h.has("journalctl", "sudo")
	h.write("journal", entries(""))
	f := h.follow("journal:nginx", Options{Lines: -1})
	f.connect()
	if f.end(); !strings.Contains(f.errs.String(), "usermod -aG systemd-journal ops") || f.out.String() == "" {
		t.Errorf("%q, %q", f.out, f.errs)
	}
	h.write("sudoers", "")
	f = h.follow("journal:nginx", Options{Lines: -1})
	f.connect()
	if f.end(); f.errs.String() != "" || f.out.String() == "" {
		t.Errorf("with sudo: %q, %q", f.out, f.errs)
	}
	f = newHost(t, "sh").follow("journal:nginx", Options{})
	f.connect()
	if code := f.end(); code == 0 || !strings.Contains(f.errs.String(), "there is no journalctl here") {
		t.Errorf("%q", f.errs)
	}
}

func TestCksum_IsThatOfPOSIX(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "a", "123456789", strings.Repeat("log line\n", 300)} {
		cmd := exec.CommandContext(t.Context(), "cksum")
		cmd.Stdin = strings.NewReader(text)
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		s := Source{Kind: File, Name: "/x"}
		argv := s.Command(Options{Resume: Position{Inode: "1", Offset: 9, Before: []byte(text)}})
		if got := argv[len(argv)-2]; got != strings.TrimSpace(string(out)) {
			t.Errorf("%.20q: %s, want %s", text, got, out)
		}
	}
}
