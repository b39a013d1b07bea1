package remote

import (
	"bufio"
	"encoding/base64"
	"os"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
)

// tellAccepted says which host keys ssh has written down, and on whose word.
func (m *master) tellAccepted() {
	m.mu.Lock()
	asked := m.accepted
	m.mu.Unlock()
	tell := m.d.pool.cfg.Accepted
	if tell == nil {
		return
	}
	for _, q := range asked {
		tell(AcceptedKey{Hop: q.Hop, Type: q.Type, Fingerprint: q.Fingerprint, File: q.File, Line: lineOf(q.File, q.Fingerprint), Because: "asked", At: time.Now()})
	}
	f, o := m.said.facts(), m.d.step.options
	if !f.written || len(asked) > 0 {
		return
	}
	because := "StrictHostKeyChecking no"
	if o.Get("StrictHostKeyChecking") == string(strictNew) {
		because = string(strictNew)
	}
	k := AcceptedKey{Hop: m.d.step.hop, Type: f.keyType, Fingerprint: f.fingerprint, Because: because, At: time.Now()}
	if files := hostKeyFiles(o).User; len(files) > 0 {
		k.File, k.Line = files[0], lineOf(files[0], f.fingerprint)
	}
	tell(k)
}

// lineOf is where a key was written last; zero: it was not.
func lineOf(path, fingerprint string) (line int) {
	f, err := os.Open(path)
	if err != nil {
		return 0
	}
	defer f.Close()
	in := bufio.NewScanner(f)
	for n := 1; in.Scan(); n++ {
		fields := strings.Fields(in.Text())
		if len(fields) < 3 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		for _, word := range fields[2:] {
			blob, err := base64.StdEncoding.DecodeString(word)
			if err != nil {
				continue
			}
			if key, err := ssh.ParsePublicKey(blob); err == nil && ssh.FingerprintSHA256(key) == fingerprint {
				line = n
			}
		}
	}
	return line // a line that is too long ends the search, and leaves it unknown
}
