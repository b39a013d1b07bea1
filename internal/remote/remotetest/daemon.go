package remotetest

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/crypto/ssh/knownhosts"
)

// KnownHost is how an address is written in known_hosts.
func KnownHost(addr string) string { return knownhosts.Normalize(addr) }

// daemon is one run of the server.
type daemon struct {
	cmd    *exec.Cmd
	exited chan struct{}
}

// Log is what the server has said so far. sshd and its children write to the file
// themselves, so that a child that outlives sshd keeps nobody waiting for the end
// of a pipe.
func (s *Server) Log() string {
	b, err := os.ReadFile(filepath.Join(s.Dir, "log"))
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// start starts sshd and waits until it listens. A port that was free a moment
// ago can be taken meanwhile: then it takes another.
func (s *Server) start() {
	s.t.Helper()
	for try := 1; ; try++ {
		s.Addr = net.JoinHostPort("127.0.0.1", strconv.Itoa(s.Port))
		err := s.launch()
		if err == nil {
			break
		}
		if s.through != "" || try == 5 || !strings.Contains(s.Log(), "Address already in use") {
			s.t.Fatalf("start %s: %v\n%s", s.program, err, s.Log())
		}
		if s.Port, err = freePort(); err != nil {
			s.t.Fatal(err)
		}
	}
	if s.through == "" {
		s.through = s.Addr
		if s.cfg.Through != nil {
			s.through = s.cfg.Through(s.Addr)
		}
		s.writeKnownHosts()
	}
}

func (s *Server) launch() error {
	log, err := os.OpenFile(filepath.Join(s.Dir, "log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	before, err := log.Seek(0, 2)
	if err != nil {
		return err
	}
	program := s.sshd
	if s.cfg.Dropbear {
		program = s.dropbear
	}
	cmd, ready := program()
	d := &daemon{cmd: cmd, exited: make(chan struct{})}
	d.cmd.Stdout, d.cmd.Stderr = log, log
	d.cmd.SysProcAttr = withParent()
	if err := d.cmd.Start(); err != nil {
		return err
	}
	go func() { d.cmd.Wait(); close(d.exited) }()
	s.run = d

	// The word of the server itself: whoever answers on the port might be another.
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	over := time.After(startTimeout)
	for {
		if text := s.Log(); len(text) > int(before) && strings.Contains(text[before:], ready) {
			return nil
		}
		select {
		case <-d.exited:
			s.run = nil
			return fmt.Errorf("it has ended: %v", d.cmd.ProcessState)
		case <-over:
			s.Stop()
			return fmt.Errorf("it does not listen after %v", startTimeout)
		case <-look.C:
		}
	}
}

// sshd is how it is started, and what it says when it listens.
func (s *Server) sshd() (cmd *exec.Cmd, ready string) {
	config := filepath.Join(s.Dir, "sshd_config")
	write(s.t, config, s.serverConfig(), 0o644)
	argv := s.inNamespace([]string{s.program, "-D", "-e", "-f", config})
	return exec.Command(argv[0], argv[1:]...), "Server listening on 127.0.0.1 port"
}

// serverConfig is sshd's: the first value of a keyword wins there, and what
// follows a Match is only for whom it names.
func (s *Server) serverConfig() string {
	options, match := s.cfg.Options, []string(nil)
	for i, line := range options {
		if strings.HasPrefix(strings.ToLower(strings.TrimSpace(line)), "match ") {
			options, match = options[:i], options[i:]
			break
		}
	}
	// A bash that sshd starts reads ~/.bashrc while SHLVL says that it is the first
	// shell: what is in there, on whichever machine, is no part of any test.
	setEnv := "SetEnv SHLVL=2 " + s.mark
	var b bytes.Buffer
	fmt.Fprintf(&b, "ListenAddress 127.0.0.1\nPort %d\n", s.Port)
	for _, line := range options {
		if keyword, value, _ := strings.Cut(strings.TrimSpace(line), " "); strings.EqualFold(keyword, "SetEnv") {
			setEnv += " " + value
			continue
		}
		b.WriteString(line + "\n")
	}
	b.WriteString(setEnv + "\n")
	for _, kind := range s.cfg.HostKeys {
		fmt.Fprintf(&b, "HostKey %s\n", filepath.Join(s.Dir, "host_"+kind))
	}
	for _, line := range []string{
		"AuthorizedKeysFile " + filepath.Join(s.Dir, "authorized_keys"),
		"PidFile none", "UsePAM no", "StrictModes no", "UseDNS no", "PrintMotd no", "PrintLastLog no",
		"PermitRootLogin yes", "PasswordAuthentication no", "KbdInteractiveAuthentication no",
		"Subsystem sftp internal-sftp", "LogLevel VERBOSE",
	} {
		b.WriteString(line + "\n")
	}
	if s.takes("PerSourcePenalties no") { // since OpenSSH 9.8; every test has the same address
		b.WriteString("PerSourcePenalties no\n")
	}
	if slices.Contains(s.cfg.Shells, "fish") && !s.Emulated { // or it leaves /tmp/fish.vmo-fish behind
		match = append(match, "Match User vmo-fish", setEnv+" XDG_RUNTIME_DIR="+s.Home("vmo-fish"))
	}
	b.WriteString(strings.Join(append(match, ""), "\n"))
	return b.String()
}

// takes reports whether this sshd knows a line.
func (s *Server) takes(line string) bool {
	return exec.Command(s.program, "-t", "-f", os.DevNull, "-h", filepath.Join(s.Dir, "host_"+s.cfg.HostKeys[0]), "-o", line).Run() == nil
}

// Stop ends the server and everything that was started through it. A test does
// not have to: it is done at its end.
func (s *Server) Stop() {
	s.t.Helper()
	d := s.run
	if d == nil {
		return
	}
	s.run = nil
	pid := d.cmd.Process.Pid
	pause(pid) // or it would go on to make children; alive, or those it has would be nobody's
	s.clear(func() []int { return append(descendants(pid), s.marked()...) })
	d.cmd.Process.Kill()
	<-d.exited
	s.clear(s.marked)
}

// clear kills what a function finds until it finds nothing more.
func (s *Server) clear(find func() []int) {
	s.t.Helper()
	over := time.Now().Add(startTimeout)
	for left := find(); len(left) > 0; left = find() {
		for _, pid := range left {
			kill(pid)
		}
		if time.Now().After(over) {
			s.t.Errorf("processes %v of the server outlive SIGKILL", left)
			return
		}
		time.Sleep(5 * time.Millisecond) // nobody tells when a process that is not our child has gone
	}
}

// Restart ends the server with all its connections and starts it again on the
// same port, as an upgrade of the machine would.
func (s *Server) Restart() {
	s.t.Helper()
	s.Stop()
	s.start()
}

// Disconnect ends all connections as if their sshd had crashed. The server and
// what was started through it go on.
func (s *Server) Disconnect() {
	s.t.Helper()
	if s.run == nil {
		return
	}
	marked := s.marked()
	for _, pid := range descendants(s.run.cmd.Process.Pid) {
		if !slices.Contains(marked, pid) {
			kill(pid)
		}
	}
}

// Started are the numbers of the processes that run because of somebody who
// logged in.
func (s *Server) Started() []int { return s.marked() }

func (s *Server) marked() []int {
	found := Carrying(s.mark)
	if s.cfg.Dropbear { // which hands on its own environment
		found = slices.DeleteFunc(found, func(pid int) bool {
			exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
			return err == nil && exe == s.program
		})
	}
	return found
}
