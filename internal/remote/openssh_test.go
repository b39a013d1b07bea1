//go:build unix

package remote

import (
	"context"
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"vmorchestrator/internal/inventory"
	"vmorchestrator/internal/job"
	"vmorchestrator/internal/process/processtest"
	"vmorchestrator/internal/remote/remotetest"
)

// opensshPool is a Pool that may use ssh, with the server's configuration and
// extra lines of it. Nothing of ssh must be left when it is closed.
func opensshPool(t *testing.T, s *remotetest.Server, engine string, prompts Prompts, extra ...string) *Pool {
	t.Helper()
	s.AddConfig(strings.Join(append([]string{"Host *"}, extra...), "\n  "))
	mark := "VMO_TEST_MASTER=" + string(job.NewID())
	p := New(Config{
		Resolve: func(_ context.Context, d inventory.Destination) (*inventory.Options, error) {
			return s.Options(d.Alias, extra...), nil
		},
		Spawn: func(ctx context.Context, c Spawn) (Spawned, error) {
			name, value, _ := strings.Cut(mark, "=")
			c.Env[name], c.Env["GORACE"] = value, "atexit_sleep_ms=0"
			return spawnForTest(ctx, c)
		},
		SSH: remotetest.Program(t, "ssh"), SSHConfig: s.ConfigFile, Prompts: always(prompts),
		Engine: func(inventory.Destination) string { return engine },
	})
	t.Cleanup(func() {
		dirs := socketDirs(mark)
		closed := make(chan struct{})
		go func() { p.Close(); close(closed) }()
		processtest.Await(t, "the end of Close", closed)
		if left := remotetest.Carrying(mark); len(left) > 0 {
			t.Errorf("processes %v are left", left)
		}
		for _, dir := range dirs {
			if _, err := os.Stat(dir); err == nil {
				t.Errorf("%s is left", dir)
			}
		}
	})
	return p
}

// socketDirs are the folders of the masters that run.
func socketDirs(mark string) (dirs []string) {
	for _, pid := range masters(mark) {
		line, _ := os.ReadFile(filepath.Join("/proc", pid, "cmdline"))
		words := strings.Split(string(line), "\x00")
		for i, w := range words {
			if w == "-S" && i+1 < len(words) {
				dirs = append(dirs, filepath.Dir(words[i+1]))
			}
		}
	}
	return dirs
}

func masters(mark string) (pids []string) {
	for _, pid := range remotetest.Carrying(mark) {
		pids = append(pids, strconv.Itoa(pid))
	}
	return pids
}

func TestOpenSSH_IsChosenForAHost(t *testing.T) {
	t.Parallel()
	p := opensshPool(t, remotetest.Start(t, remotetest.Config{}), EngineOpenSSH, Prompts{})
	out, errs, code, err := p.Output(within(t, time.Minute), web1, []string{"sh", "-c", "echo out; echo err >&2; exit 7"}, nil, 100)
	if err != nil || code != 7 || string(out) != "out\n" || errs != "err" {
		t.Fatalf("got %q, %q, %d, %v", out, errs, code, err)
	}
	st := p.State(web1)
	if st.Status != StatusConnected || st.Engine != EngineOpenSSH || !strings.HasPrefix(st.HostKey, "ssh-ed25519 SHA256:") || st.Cipher == "" || st.Kex == "" || !strings.HasPrefix(st.Server, "SSH-2.0-OpenSSH") {
		t.Errorf("got %+v", st)
	}
}

// Ensure that a command on a connection of ssh is what it is on one of ours, in
// everything that can be seen of it.
func TestOpenSSH_Process(t *testing.T) {
	t.Parallel()
	p := opensshPool(t, remotetest.Start(t, remotetest.Config{}), EngineOpenSSH, Prompts{})
	processtest.Suite(t, processtest.Place{
		Start: func(c processtest.Config) (processtest.Running, error) {
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			return p.Start(ctx, web1, command(c))
		},
		Mark: "VMO_RUN", Holds: holdsOutput, HangsUp: true, Runs: 5,
	})
}

func TestOpenSSH_AsksForThePassphrase(t *testing.T) {
	t.Parallel()
	const secret = "correct horse ' battery\\"
	for name, c := range map[string]struct {
		answers []string
		ok      bool
	}{
		"right": {[]string{secret}, true}, "wrong first": {[]string{"wrong", secret}, true}, "refused": {nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := remotetest.Start(t, remotetest.Config{})
			key := remotetest.Keygen(t, filepath.Join(s.Dir, "locked"), "ed25519", "-N", secret, "-a", "4")
			line, err := os.ReadFile(key + ".pub")
			if err == nil {
				err = os.WriteFile(filepath.Join(s.Dir, "authorized_keys"), line, 0o644)
			}
			if err != nil {
				t.Fatal(err)
			}
			q := &asked{answers: c.answers}
			p := opensshPool(t, s, EngineOpenSSH, Prompts{Secret: q.secret}, "IdentityFile "+key)
			err = p.Connect(within(t, time.Minute), web1)
			if !c.ok {
				var e *ConnectError
				if !errors.As(err, &e) || e.Status != StatusRefused || !errors.Is(err, ErrRefused) || strings.Contains(err.Error(), secret) {
					t.Errorf("got %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if len(q.got) != len(c.answers) || q.got[0].Of != key || q.got[len(q.got)-1].Try != len(q.got) {
				t.Errorf("asked %+v", q.got)
			}
		})
	}
}

func TestOpenSSH_AsksAboutAnUnknownHostKey(t *testing.T) {
	t.Parallel()
	for _, yes := range []bool{true, false} {
		s := remotetest.Start(t, remotetest.Config{})
		want := ssh.FingerprintSHA256(public(t, strings.TrimSuffix(s.HostKey, ".pub")))
		file := filepath.Join(s.Dir, "new_known_hosts")
		var mu sync.Mutex
		var questions []HostKeyQuestion
		p := opensshPool(t, s, EngineOpenSSH, Prompts{HostKey: func(_ context.Context, q HostKeyQuestion) (bool, error) {
			mu.Lock()
			defer mu.Unlock()
			questions = append(questions, q)
			return yes, nil
		}}, "StrictHostKeyChecking ask", "UserKnownHostsFile "+file)
		var accepted []AcceptedKey
		p.cfg.Accepted = func(k AcceptedKey) { accepted = append(accepted, k) }
		err := p.Connect(within(t, time.Minute), web1)
		if len(questions) != 1 || questions[0].Type != "ssh-ed25519" || questions[0].Fingerprint != want || questions[0].File != file {
			t.Fatalf("asked %+v, want %s: %v", questions, want, err)
		}
		var e *ConnectError
		switch {
		case yes && (err != nil || len(accepted) != 1 || accepted[0].Fingerprint != want || accepted[0].Line != 1):
			t.Errorf("got %v, accepted %+v", err, accepted)
		case !yes && (!errors.As(err, &e) || e.Status != StatusHostKey || len(accepted) != 0):
			t.Errorf("got %v, accepted %+v", err, accepted)
		}
	}
}

// Ensure that a host whose configuration needs ssh gets it, that one whose does
// not gets the built-in engine, and that the operator's word counts more.
func TestOpenSSH_IsChosenByItself(t *testing.T) {
	t.Parallel()
	s := remotetest.Start(t, remotetest.Config{})
	text, err := os.ReadFile(s.KnownHosts)
	if err != nil {
		t.Fatal(err)
	}
	keys := filepath.Join(s.Dir, "keys_of_command")
	if err := os.WriteFile(keys, text, 0o600); err != nil {
		t.Fatal(err)
	}
	ask := []string{"KnownHostsCommand /bin/cat " + keys, "UserKnownHostsFile /dev/null"}
	p := opensshPool(t, s, "", Prompts{}, ask...)
	if err := p.Connect(within(t, time.Minute), web1); err != nil {
		t.Fatal(err)
	}
	if st := p.State(web1); st.Engine != EngineOpenSSH || !strings.Contains(ladder(st.Steps), "KnownHostsCommand") {
		t.Errorf("got %+v", st)
	}
	ours := opensshPool(t, s, EngineBuiltIn, Prompts{}, ask...)
	if err := ours.Connect(within(t, time.Minute), web1); err == nil {
		t.Error("the built-in engine was to be used, and cannot")
	}
	plain := opensshPool(t, remotetest.Start(t, remotetest.Config{}), "", Prompts{})
	if err := plain.Connect(within(t, time.Minute), web1); err != nil || plain.State(web1).Engine != EngineBuiltIn {
		t.Errorf("got %v, %+v", err, plain.State(web1))
	}
}

func TestOpenSSH_EndOfTheMasterLosesTheLink(t *testing.T) {
	t.Parallel()
	p := opensshPool(t, remotetest.Start(t, remotetest.Config{}), EngineOpenSSH, Prompts{})
	out := processtest.NewRecorder()
	c := processtest.As("wait")
	c.Stdout = out
	r := run(t, p, web1, c)
	out.Until(t, "ready")
	defer processtest.End(t, job.Survivor{PID: r.PID()})
	h, err := p.host(place{Destination: web1})
	if err != nil {
		t.Fatal(err)
	}
	h.mu.Lock()
	m := h.links[0].master()
	h.mu.Unlock()
	m.run.(*spawnedForTest).p.Kill()
	if e := processtest.Wait(t, r); e.State != job.Lost || e.Cause != job.CauseLink {
		t.Errorf("got %+v", e)
	}
	processtest.Wait(t, run(t, p, web1, shell("true"))) // on a new one
}

func TestOpenSSH_SaysWhyItFailed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		line   string
		status Status
		text   string
	}{
		{"PubkeyAuthentication no", StatusRefused, "Permission denied"},
		{"UserKnownHostsFile /dev/null", StatusHostKey, "host key is known"},
		{"HostName does-not-exist.invalid", StatusUnreachable, "does-not-exist.invalid"},
		{"Port 1", StatusUnreachable, "refused"},
	} {
		t.Run(c.line, func(t *testing.T) {
			t.Parallel()
			e := &ConnectError{}
			err := opensshPool(t, remotetest.Start(t, remotetest.Config{}), EngineOpenSSH, Prompts{}, c.line).Connect(within(t, time.Minute), web1)
			if !errors.As(err, &e) || e.Status != c.status || !strings.Contains(err.Error(), c.text) || job.HintOf(err) == "" {
				t.Errorf("got %v, hint %q\n%s", err, job.HintOf(err), ladder(e.Steps))
			}
		})
	}
}

// Ensure that a server that never says a word does not keep anybody waiting.
func TestOpenSSH_HasADeadline(t *testing.T) {
	t.Parallel()
	s, proxy := behindProxy(t, remotetest.Config{})
	proxy.Freeze()
	defer proxy.Thaw()
	p := opensshPool(t, s, EngineOpenSSH, Prompts{}, "ConnectTimeout 2")
	var e *ConnectError
	if err := p.Connect(within(t, time.Minute), web1); !errors.As(err, &e) || e.Status != StatusUnreachable {
		t.Errorf("got %v", err)
	}
}

// Ensure that ssh goes the whole way by itself when one machine on it needs ssh,
// and that questions name the machine they are about.
func TestOpenSSH_GoesThroughJumpHosts(t *testing.T) {
	t.Parallel()
	bastion, s := remotetest.Start(t, remotetest.Config{Hosts: []string{"bastion"}}), remotetest.Start(t, remotetest.Config{})
	config, err := os.ReadFile(bastion.ConfigFile)
	if err != nil {
		t.Fatal(err)
	}
	known := filepath.Join(s.Dir, "new_known_hosts")
	s.AddConfig(string(config))
	s.AddConfig("Host web1\n  ProxyJump bastion\n")
	var mu sync.Mutex
	var hops []string
	p := opensshPool(t, s, "", Prompts{HostKey: func(_ context.Context, q HostKeyQuestion) (bool, error) {
		mu.Lock()
		defer mu.Unlock()
		hops = append(hops, q.Hop.Name)
		return true, nil
	}}, "StrictHostKeyChecking ask", "UserKnownHostsFile "+known)
	p.cfg.Engine = func(d inventory.Destination) string {
		if d.Alias == "bastion" {
			return EngineOpenSSH
		}
		return ""
	}
	p.cfg.Resolve = func(_ context.Context, d inventory.Destination) (*inventory.Options, error) {
		if d.Alias == "bastion" {
			return bastion.Options("bastion"), nil
		}
		return s.Options("web1", "ProxyJump bastion", "UserKnownHostsFile "+known), nil
	}
	out, _, _, err := p.Output(within(t, time.Minute), web1, []string{"echo", "there"}, nil, 100)
	if err != nil || string(out) != "there\n" {
		t.Fatalf("got %q, %v", out, err)
	}
	if st := p.State(web1); st.Engine != EngineOpenSSH || len(st.Way) != 2 || !strings.Contains(ladder(st.Steps), "bastion: chosen for it") {
		t.Errorf("got %+v", st)
	}
	if !slices.Equal(hops, []string{"bastion", "web1"}) {
		t.Errorf("asked about %q", hops)
	}
}

// Ensure that a link on which nothing arrives any more is given up by ssh itself.
func TestOpenSSH_FrozenIsLost(t *testing.T) {
	t.Parallel()
	s, proxy := behindProxy(t, remotetest.Config{})
	p := opensshPool(t, s, EngineOpenSSH, Prompts{}, "ServerAliveInterval 1", "ServerAliveCountMax 2")
	out := processtest.NewRecorder()
	c := shell("echo ready; exec sleep 600")
	c.Stdout = out
	r := run(t, p, web1, c)
	out.Until(t, "ready")
	defer processtest.End(t, job.Survivor{PID: r.PID()})
	proxy.Freeze()
	defer proxy.Thaw()
	if e := processtest.Wait(t, r); e.State != job.Lost || e.Cause != job.CauseLink || !strings.Contains(e.Detail, "not responding") {
		t.Errorf("got %+v", e)
	}
}

// Ensure that ssh is tried when the two sides have no algorithm in common, and
// that it is remembered.
func TestOpenSSH_KnowsMoreAlgorithms(t *testing.T) {
	t.Parallel()
	p := opensshPool(t, remotetest.Start(t, remotetest.Config{Options: []string{"MACs umac-128@openssh.com", "Ciphers aes128-ctr"}}), "", Prompts{})
	for range 2 {
		if err := p.Connect(within(t, time.Minute), web1); err != nil {
			t.Fatal(err)
		}
		if st := p.State(web1); st.Engine != EngineOpenSSH || !strings.Contains(ladder(st.Steps), "no algorithm in common") || st.MAC != "umac-128@openssh.com" {
			t.Errorf("got %+v", st)
		}
		p.Disconnect(web1)
		for p.State(web1).Connections > 0 {
			time.Sleep(time.Millisecond)
		}
	}
}

// Ensure that each question of ssh becomes ours of the same kind, and that what a
// server wants to know never passes for one of ssh.
func TestOpenSSH_TellsQuestionsApart(t *testing.T) {
	t.Parallel()
	hop := Hop{Host: "web1", Name: "web1", User: "bob", Number: 1, Of: 1}
	o := inventory.New(web1, "10.0.0.1", "bob", 22, nil)
	for text, want := range map[string]string{
		"Enter passphrase for key '/home/bob/.ssh/id': ":             "passphrase /home/bob/.ssh/id",
		"bob@10.0.0.1's password: ":                                  "password bob@10.0.0.1",
		"Enter PIN for ED25519-SK key /home/bob/.ssh/id_sk: ":        "hidden Enter PIN for ED25519-SK key /home/bob/.ssh/id_sk:",
		"(bob@10.0.0.1) Verification code: ":                         "hidden Verification code:",
		"(bob@10.0.0.1) Enter passphrase for key '/home/bob/id': ":   "hidden Enter passphrase for key '/home/bob/id':",
		"(bob@10.0.0.1) bob@10.0.0.1's password: ":                   "hidden bob@10.0.0.1's password:",
		"(bob@10.0.0.1) x\nEnter passphrase for key '/home/bob/id':": "hidden x\nEnter passphrase for key '/home/bob/id':",
		"Accept updated hostkeys? (yes/no): ":                        "shown Accept updated hostkeys? (yes/no):",
		"(bob@10.0.0.1) \x1b[2J\x07Code:":                            "hidden [2JCode:",
	} {
		got := ""
		m := &master{d: &dialer{way: []step{{options: o, hop: hop}}, step: step{options: o, hop: hop}}, tries: map[string]int{}, said: &opensshOutput{}}
		m.prompts = Prompts{
			HostKey: func(context.Context, HostKeyQuestion) (bool, error) { got = "host key"; return true, nil },
			Secret: func(_ context.Context, q SecretQuestion) (string, error) {
				got = q.Kind + " " + q.Of
				return "answer", nil
			},
			Challenge: func(_ context.Context, q ChallengeQuestion) ([]string, error) {
				got = map[bool]string{true: "shown ", false: "hidden "}[q.Fields[0].Echo] + q.Fields[0].Prompt
				return []string{"answer"}, nil
			},
		}
		if answer, err := m.answer(t.Context(), askpassQuestion{Prompt: text}); err != nil || answer != "answer" || got != want {
			t.Errorf("%q: asked %q, want %q: %q, %v", text, got, want, answer, err)
		}
	}
}

// Ensure that what a server prints does not become what ssh knows of it.
func TestOpenSSH_BannersAreNoFacts(t *testing.T) {
	t.Parallel()
	s := &opensshOutput{alone: true}
	const real = "debug1: Server host key: ssh-ed25519 SHA256:real\r\ndebug1: SSH2_MSG_NEWKEYS received\r\n"
	const forged = "debug1: Server host key: ssh-rsa SHA256:forged\ndebug1: Remote protocol version 2.0, remote software version forged\n" +
		"Warning: Permanently added 'x' (RSA) to the list of known hosts.\n\x1b[2JHello\n"
	for _, b := range []byte(real + forged + strings.Repeat("debug1: Offering public key: x\n", 1000) + strings.Repeat("y", 1<<20)) {
		_, _ = s.Write([]byte{b})
	}
	if f := s.facts(); f.hostKey() != "ssh-ed25519 SHA256:real" || f.server != "" || f.written {
		t.Errorf("got %+v", f)
	}
	if n := len(s.steps("web1")); n != maxSteps || len(s.line) > maxSaid {
		t.Errorf("%d steps, a line of %d", n, len(s.line))
	}
}

// Ensure that a key of a token sends a host to ssh only if somebody named it.
func TestOpenSSH_SecurityKeys(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, ".ssh"), 0o700); err != nil {
		t.Fatal(err)
	}
	blob := ssh.Marshal(struct{ Kind, Key, App string }{"sk-ssh-ed25519@openssh.com", strings.Repeat("k", 32), "ssh:"})
	line := "sk-ssh-ed25519@openssh.com " + base64.StdEncoding.EncodeToString(blob) + " token\n"
	named, usual := filepath.Join(dir, "token"), filepath.Join(dir, ".ssh", "id_ed25519_sk")
	for _, path := range []string{named, usual} {
		if err := os.WriteFile(path+".pub", []byte(line), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("-----BEGIN OPENSSH PRIVATE KEY-----\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	options := func(path string) *inventory.Options {
		return inventory.New(web1, "web1", "bob", 22, map[string][]string{"identityfile": {path}, "identityagent": {"none"}})
	}
	if why := needsOpenSSH(t.Context(), options(named)); !strings.Contains(why, "security key") {
		t.Errorf("got %q", why)
	}
	if why := needsOpenSSH(t.Context(), options(usual)); why != "" {
		t.Errorf("got %q", why)
	}
	if path, _ := securityKey(t.Context(), options(usual)); path != usual {
		t.Errorf("got %q", path)
	}
}
