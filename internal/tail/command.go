package tail

import (
	"crypto/rand"
	_ "embed"
	"fmt"
	"strconv"
	"time"
)

//go:embed docker.sh
var dockerScript string

//go:embed journal.sh
var journalScript string

//go:embed file.sh
var fileScript string

// Options say which part of a source is wanted. The zero value is what is there
// from now on, without following it: nothing.
type Options struct {
	Since  time.Duration // how far to look back; zero: as Lines says. Files and commands know no times
	Lines  int           // the last lines to begin with; negative, or with Since zero: all of them
	Follow bool          // go on until it is cancelled

	Engine string // "docker", "podman", "sudo -n docker", "sudo -n podman"; empty: whichever has it

	Resume Position // where to go on; zero: at the beginning
	Nonce  string   // tells the script's own lines from the log's; 16 letters and digits or more
}

// NewNonce makes a nonce.
func NewNonce() string { return rand.Text() }

// Command is what to run on the host: an argv whose output a [Tracker] with the
// same nonce must read.
func (s Source) Command(o Options) []string {
	lines := ""
	if o.Lines >= 0 && (o.Lines > 0 || o.Since == 0) {
		lines = strconv.Itoa(o.Lines)
	}
	follow := ""
	if o.Follow {
		follow = "y"
	}
	switch p := o.Resume; s.Kind {
	case Docker, Compose:
		since := ""
		if o.Since > 0 {
			since = seconds(o.Since) + "s"
		}
		dir := ""
		if s.Kind == Compose {
			dir = s.Dir
		}
		old, again := p.dockerSince(o)
		return script(dockerScript, o.Nonce, o.engine(), string(s.Kind), s.Name, dir, since, lines, follow, old, again)
	case Journal:
		since := ""
		if o.Since > 0 {
			since = "-" + seconds(o.Since) + "s"
		}
		return script(journalScript, o.Nonce, s.Name, since, lines, follow, p.Cursor)
	case File:
		offset, check, checked := "", "", ""
		if p.Inode != "" {
			offset, checked = strconv.FormatInt(p.Offset, 10), strconv.Itoa(len(p.Before))
			check = fmt.Sprintf("%d %d", cksum(p.Before), len(p.Before))
		}
		return script(fileScript, o.Nonce, s.Name, lines, follow, p.Inode, offset, check, checked)
	default:
		return []string{"sh", "-c", s.Name}
	}
}

// script is a command that runs a script; the values are its arguments, which no
// shell reads.
func script(text string, args ...string) []string {
	return append([]string{"sh", "-c", text, "vmo-tail"}, args...)
}

// engine is empty for anything but the programs that the script may run: it is
// split into words there.
func (o Options) engine() string {
	switch o.Engine {
	case "docker", "podman", "sudo -n docker", "sudo -n podman":
		return o.Engine
	}
	return ""
}

func seconds(d time.Duration) string {
	return strconv.FormatInt(int64((d+time.Second-1)/time.Second), 10)
}

// cksum is the CRC of POSIX cksum.
func cksum(b []byte) uint32 {
	var crc uint32
	add := func(c byte) {
		crc ^= uint32(c) << 24
		for range 8 {
			if crc&(1<<31) != 0 {
				crc = crc<<1 ^ 0x04C11DB7
			} else {
				crc <<= 1
			}
		}
	}
	for _, c := range b {
		add(c)
	}
	for n := len(b); n > 0; n >>= 8 {
		add(byte(n))
	}
	return ^crc
}
