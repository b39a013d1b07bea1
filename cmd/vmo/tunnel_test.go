//go:build unix

package main

import (
	"bufio"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"vmorchestrator/internal/job"
)

// Ensure vmo tunnel says on which port it listens, leads through the host, and closes
// the port with Ctrl-C or vmo cancel; and that what is no tunnel is refused.
func TestTunnel_LeadsThroughTheHost(t *testing.T) {
	t.Parallel()
	h, s := fleet(t, "web1")
	for how, end := range map[string]func(*os.Process){
		"Ctrl-C":     func(p *os.Process) { _ = p.Signal(os.Interrupt) },
		"vmo cancel": func(*os.Process) { h.must("cancel", "@1") },
	} {
		cmd := h.command("vmo", "tunnel", "web1", "-L", "0:"+s.Addr)
		out := bufio.NewReader(startPiped(t, cmd))
		line, err := out.ReadString('\n')
		m := regexp.MustCompile(`^listening on (127\.0\.0\.1:\d+)(?: and \S+)?, leads to ` + s.Addr).FindStringSubmatch(line)
		if m == nil {
			t.Fatalf("%s: %q, %v", how, line, err)
		}
		conn, err := net.DialTimeout("tcp", m[1], 10*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		banner := make([]byte, 7)
		if _, err := io.ReadFull(conn, banner); err != nil || string(banner) != "SSH-2.0" {
			t.Errorf("%s: through it came %q, %v", how, banner, err)
		}
		conn.Close()
		end(cmd.Process)
		rest, _ := io.ReadAll(out)
		_ = cmd.Wait()
		if code := cmd.ProcessState.ExitCode(); code != 130 {
			t.Errorf("%s: exit code %d after %q", how, code, rest)
		}
		if _, err := net.Dial("tcp", m[1]); err == nil {
			t.Errorf("%s: the port is still open", how)
		}
		if j := h.newest(); j.State != job.Cancelled || !strings.HasPrefix(j.Source, "tunnel:-L 0:") {
			t.Errorf("%s: the record is %+v", how, j)
		}
	}
	for _, args := range [][]string{{"tunnel", "web1", "-L", "x"}, {"tunnel", "web1"}, {"tunnel", "local", "-D", "1080"}, {"tunnel"}} {
		if _, errs, code := h.vmo(args...); code != 2 {
			t.Errorf("%q: %d, %q", args, code, errs)
		}
	}
}

// Ensure a shell has the forwards of the configuration, and that a note about one
// stands in lines of its own in a terminal that is typed into.
func TestShell_OpensForwards(t *testing.T) {
	t.Parallel()
	h, s := fleet(t, "web1")
	config := filepath.Join(h.dir, "ssh_config")
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	write(t, config, "Host web1\n  LocalForward "+s.Addr+" db:1\n  RemoteForward 0 "+s.Addr+"\n"+string(text))
	x := h.terminal(h.command("vmo", "shell", "web1"))
	x.until(`vmo: cannot listen on ` + s.Addr + `: address already in use\r\nvmo: listening on \d+ of web1, leads to ` + s.Addr + ` from this machine\r\n(?s).*[#$%>] ?`)
	x.typed("exit 4\n")
	if code := x.end(); code != 4 {
		t.Errorf("exit code %d, said %q", code, x.said.String())
	}
}
