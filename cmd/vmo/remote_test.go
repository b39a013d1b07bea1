//go:build unix

package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"vmorchestrator/internal/job"
	"vmorchestrator/internal/remote/remotetest"
)

// fleet is a house whose hosts are names of one real sshd.
func fleet(t *testing.T, hosts ...string) (house, *remotetest.Server) {
	t.Helper()
	s := remotetest.Start(t, remotetest.Config{Hosts: hosts})
	h := newHouse(t)
	text, err := os.ReadFile(s.ConfigFile)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(h.dir, "ssh_config"), string(text))
	return h, s
}

// Ensure a command on a host behaves as it does here: output, input, exit code,
// words with blanks and quotes, and a record.
func TestOn_IsLikeHere(t *testing.T) {
	t.Parallel()
	h, _ := fleet(t, "web1")
	out, errs, code := h.vmo("exec", "--on", "web1", "--dir", "/", "--", "sh", "-c", `pwd; echo "$1"; echo err >&2; exit 7`, "sh", "it's \"so\" $HOME")
	if out != "/\nit's \"so\" $HOME\n" || errs != "err\n" || code != 7 {
		t.Errorf("got %q, %q, %d", out, errs, code)
	}
	if j := h.newest(); j.Host != "web1" || j.Dir != "/" || j.State != job.Failed || h.must("show", "@1") != out {
		t.Errorf("the record is %+v", j)
	}
	cmd := h.command("vmo", "exec", "--on", "web1", "--", "cat")
	cmd.Stdin = strings.NewReader("over there\x00\xff")
	if got, err := cmd.Output(); err != nil || string(got) != "over there\x00\xff" {
		t.Errorf("input: got %q, %v", got, err)
	}
	if _, errs, code := h.vmo("exec", "--on", "web1", "--", "no-such-command"); code != 127 {
		t.Errorf("a missing command: %d, %q", code, errs)
	}
}

// Ensure lines of several hosts are told apart, and the exit code is 0 only when
// all are.
func TestOn_SeveralHosts(t *testing.T) {
	t.Parallel()
	h, _ := fleet(t, "web1", "web2", "longer")
	out := h.must("exec", "--on", "web1,web2,longer", "--", "sh", "-c", "echo one; printf two")
	for _, line := range []string{"web1   | one\n", "web2   | one\n", "longer | one\n", "web1   | two\n", "longer | two\n"} {
		if strings.Count(out, line) != 1 {
			t.Errorf("%q is not once in %q", line, out)
		}
	}
	if out, errs, code := h.vmo("exec", "--on", "web1,local,web2", "--", "sh", "-c", `[ -n "$SSH_CONNECTION" ]`); code != 1 || !strings.Contains(errs, "local: failed, exit code 1") || !strings.Contains(errs, "2 of 3") {
		t.Errorf("got %q, %q, %d", out, errs, code)
	}
	jobs := h.jobs()
	if len(jobs) != 6 || jobs[0].Run != jobs[2].Run || jobs[0].Run == jobs[3].Run {
		t.Errorf("the records are %+v", jobs)
	}
}

// Ensure targets of a host are listed and run there.
func TestOn_Targets(t *testing.T) {
	t.Parallel()
	h, _ := fleet(t, "web1")
	dir := t.TempDir()
	write(t, dir+"/Makefile", "hello: ## Say hello\n\t@echo hello $(WHO) from $(CURDIR)\n")
	if out := h.must("targets", "--on", "web1", "--dir", dir); !strings.Contains(out, "Say hello") {
		t.Errorf("listed %q", out)
	}
	if out := h.must("run", "--on", "web1", "--dir", dir, "hello", "WHO=you"); out != "hello you from "+dir+"\n" {
		t.Errorf("printed %q", out)
	}
	if j := h.newest(); j.Target != "hello" || j.Host != "web1" {
		t.Errorf("the record is %+v", j)
	}
	if _, errs, code := h.vmo("run", "--on", "web1", "--dir", dir, "vanished"); code != 2 || !strings.Contains(errs, "web1") {
		t.Errorf("a missing target: %d, %q", code, errs)
	}
}

// Ensure a file on a host is followed, with what is appended to it.
func TestTail_FollowsAFile(t *testing.T) {
	t.Parallel()
	h, _ := fleet(t, "web1")
	log := filepath.Join(t.TempDir(), "app.log")
	text := ""
	for i := range 30 {
		text += fmt.Sprintf("line %d\n", i)
	}
	write(t, log, text)
	cmd := h.command("vmo", "tail", "--on", "web1", "--lines", "2", "file:"+log)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	readLine := func() string {
		var line []byte
		for b := make([]byte, 1); ; {
			if _, err := out.Read(b); err != nil {
				t.Fatalf("after %q: %v", line, err)
			}
			if line = append(line, b[0]); b[0] == '\n' {
				return string(line)
			}
		}
	}
	if a, b := readLine(), readLine(); a != "line 28\n" || b != "line 29\n" {
		t.Errorf("got %q, %q", a, b)
	}
	f, err := os.OpenFile(log, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("appended\n"); err != nil {
		t.Fatal(err)
	}
	f.Close()
	if line := readLine(); line != "appended\n" {
		t.Errorf("got %q", line)
	}
	h.must("cancel", "@1")
	_ = cmd.Wait()
	if j := h.newest(); j.State != job.Cancelled || j.Source != "file:"+log || h.must("show", "@1") != "line 28\nline 29\nappended\n" {
		t.Errorf("the record is %+v: %q", j, h.must("show", "@1"))
	}
}

// Ensure kill -9 of vmo leaves on the host exactly what the record says, and that
// cancelling the lost job ends it.
func TestKill_NamesWhatIsLeftOnTheHost(t *testing.T) {
	t.Parallel()
	h, _ := fleet(t, "web1")
	for _, c := range []struct {
		lost string
		left int
	}{{"", 1}, {"stop", 0}} {
		args := []string{"exec", "--on", "web1"}
		if c.lost != "" {
			args = append(args, "--if-lost", c.lost)
		}
		cmd := h.command("vmo", append(args, "--", "sh", "-c", "echo ready; exec sleep 1000")...)
		cmd.Stdin = nil
		if _, err := io.ReadFull(startPiped(t, cmd), make([]byte, len("ready\n"))); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()
		j := h.until("lost", func(j job.Job) bool { return j.State == job.Lost })
		if len(j.Survivors) != c.left {
			t.Errorf("--if-lost %q: the record names %+v", c.lost, j.Survivors)
		}
		running := func() []int { return remotetest.Carrying("VMO_RUN=" + string(j.ID)) }
		if c.left == 0 {
			h.until("gone", func(job.Job) bool { return len(running()) == 0 })
			continue
		}
		if got := running(); len(got) != 1 || got[0] != j.Survivors[0].PID {
			t.Errorf("on the host runs %v; the record names %+v", got, j.Survivors)
		}
		if out := h.must("cancel", string(j.ID)); !strings.Contains(out, "1 of its processes") || len(running()) != 0 {
			t.Errorf("cancel says %q; %v are left", out, running())
		}
	}
}

// Ensure the key of a host that was installed anew is forgotten as ssh-keygen -R
// forgets it, and that the host is then asked about as a new one.
func TestHosts_ForgetAHostKey(t *testing.T) {
	t.Parallel()
	h, s := fleet(t, "web1")
	other := remotetest.Keygen(t, filepath.Join(h.dir, "other"), "ed25519", "-N", "") + ".pub"
	public, err := os.ReadFile(other)
	if err != nil {
		t.Fatal(err)
	}
	name, key := fmt.Sprintf("[127.0.0.1]:%d", s.Port), strings.Join(strings.Fields(string(public))[:2], " ")
	ours, theirs := filepath.Join(h.dir, "known_hosts"), filepath.Join(h.dir, "known_hosts_2")
	for _, file := range []string{ours, theirs} {
		write(t, file, "# mine\nelsewhere "+key+"\n"+name+" "+key+"\n@revoked "+name+" "+key+"\n[127.0.0.1]:1 "+key+"\n")
	}
	config, err := os.ReadFile(filepath.Join(h.dir, "ssh_config"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(h.dir, "ssh_config"), "Host web1\n  UserKnownHostsFile "+ours+"\n"+string(config))
	if _, errs, code := h.vmo("exec", "--on", "web1", "--", "true"); code != 255 || !strings.Contains(errs, "has changed") || !strings.Contains(errs, "vmo hosts forget web1") {
		t.Errorf("before: exit code %d, %q", code, errs)
	}
	out := h.must("hosts", "forget", "web1")
	if !strings.Contains(out, "SHA256:") || !strings.Contains(out, ours+":3") {
		t.Errorf("it says %q", out)
	}
	if out, err := exec.Command("ssh-keygen", "-f", theirs, "-R", name).CombinedOutput(); err != nil {
		t.Fatalf("ssh-keygen: %v\n%s", err, out)
	}
	for _, suffix := range []string{"", ".old"} {
		got, err := os.ReadFile(ours + suffix)
		want, err2 := os.ReadFile(theirs + suffix)
		if err != nil || err2 != nil || string(got) != string(want) {
			t.Errorf("known_hosts%s is\n%s\nand of ssh-keygen\n%s%v %v", suffix, got, want, err, err2)
		}
	}
	if _, errs, code := h.vmo("exec", "--on", "web1", "--", "true"); code != 255 || !strings.Contains(errs, "is not known") {
		t.Errorf("after: exit code %d, %q", code, errs)
	}
	if _, errs, code := h.vmo("hosts", "forget", "web1"); code == 0 || !strings.Contains(errs, "not found") {
		t.Errorf("once more: exit code %d, %q", code, errs)
	}
	if list := h.must("jobs"); !strings.Contains(list, "forget-host-key web1") {
		t.Errorf("the history is\n%s", list)
	}
}
