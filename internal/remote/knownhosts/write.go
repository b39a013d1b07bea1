package knownhosts

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/crypto/ssh"
)

// ErrName means that a name cannot be written down: as a pattern it would mean
// something else.
var ErrName = errors.New("a name that cannot be written into a list of known hosts")

// Add writes down a host key as ssh does, and returns its line; zero for a file
// that keeps nothing, such as /dev/null. A key that is there already is not
// written again. The file and its folder are made if need be, for the user alone.
func Add(file string, q Query, key ssh.PublicKey, hash bool) (int, error) {
	text, err := newLine(q, key, hash)
	if err != nil {
		return 0, err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return 0, fmt.Errorf("write a host key: %w", err)
	}
	f, unlock, err := openLocked(file)
	if err != nil {
		return 0, fmt.Errorf("write a host key into %s: %w", file, err)
	}
	defer unlock()
	n, err := appendLine(f, file, q, key, text)
	if err != nil {
		return 0, fmt.Errorf("write a host key into %s: %w", file, err)
	}
	return n, nil
}

func appendLine(f *os.File, file string, q Query, key ssh.PublicKey, text string) (int, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	if !info.Mode().IsRegular() {
		_, err := io.WriteString(f, text)
		return 0, err
	}
	old, err := io.ReadAll(f)
	if err != nil {
		return 0, err
	}
	if n := lineOf(file, old, q, key); n > 0 {
		return n, nil
	}
	if len(old) > 0 && old[len(old)-1] != '\n' {
		text = "\n" + text
		old = append(old, '\n')
	}
	if _, err := io.WriteString(f, text); err != nil {
		return 0, err
	}
	return bytes.Count(old, []byte{'\n'}) + 1, nil
}

// lineOf is where a key of a host already stands, or zero.
func lineOf(file string, text []byte, q Query, key ssh.PublicKey) int {
	lines, _ := parse(file, text)
	k := &Known{lines: lines}
	for _, e := range k.Find(q.Name()) {
		if e.Marker == MarkNone && sameKey(e.Key, key) {
			return e.Line
		}
	}
	return 0
}

func newLine(q Query, key ssh.PublicKey, hash bool) (string, error) {
	bare := q.Alias
	if bare == "" {
		bare = q.Host
	}
	// The characters are those that ssh does not write, and what would end the name.
	if bare == "" || strings.ContainsAny(bare, "@?*!#[]|'\"\\, ") || strings.ContainsFunc(bare, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return "", fmt.Errorf("%s: %w", quote(bare), ErrName)
	}
	if _, ok := key.(*ssh.Certificate); ok {
		return "", errors.New("a certificate is not written into a list of known hosts: its key is")
	}
	name := strings.ToLower(q.Name())
	if hash {
		name = hashed(name)
	}
	return name + " " + key.Type() + " " + base64.StdEncoding.EncodeToString(key.Marshal()) + "\n", nil
}

// Replace removes every key that a file has under the very name of a host, and
// writes down the given one, in one step; the file as it was stays beside it as
// FILE.old. A nil key only removes. It returns the line of the new key.
//
// Other names on those lines keep their key. A line that matches by a pattern
// concerns other hosts too: it is an error that names the line, and nothing is
// changed. So are authorities and revoked keys left alone.
func Replace(file string, q Query, key ssh.PublicKey, hash bool) (int, error) {
	text := ""
	if key != nil {
		var err error
		if text, err = newLine(q, key, hash); err != nil {
			return 0, err
		}
	}
	real, err := filepath.EvalSymlinks(file) // a link stays one
	if err != nil {
		return 0, fmt.Errorf("replace a host key: %w", err)
	}
	f, unlock, err := openLocked(real)
	if err != nil {
		return 0, fmt.Errorf("replace a host key in %s: %w", file, err)
	}
	defer unlock()
	n, err := rewrite(f, real, q, text)
	if err != nil {
		return 0, fmt.Errorf("replace a host key in %s: %w", file, err)
	}
	return n, nil
}

// Removable reports why Replace would not remove the keys that a file has under the
// name of a host.
func Removable(file string, q Query) error {
	text, err := readRegular(file)
	if err != nil {
		return err
	}
	_, err = without(file, text, q.Name())
	return err
}

func rewrite(f *os.File, file string, q Query, text string) (int, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	if !info.Mode().IsRegular() {
		return 0, errors.New("not a regular file")
	}
	old, err := io.ReadAll(f)
	if err != nil {
		return 0, err
	}
	if closeFirst {
		_ = f.Close()
	}
	kept, err := without(file, old, q.Name())
	if err != nil {
		return 0, err
	}
	if len(kept) > 0 && kept[len(kept)-1] != '\n' {
		kept = append(kept, '\n')
	}
	if err := writeFile(file+".old", old, info.Mode().Perm()); err != nil {
		return 0, err
	}
	if err := writeFile(file, append(kept, text...), info.Mode().Perm()); err != nil {
		return 0, err
	}
	if text == "" {
		return 0, nil
	}
	return bytes.Count(kept, []byte{'\n'}) + 1, nil
}

// without is a file without the keys of one name.
func without(file string, text []byte, name string) ([]byte, error) {
	var kept []byte
	for n, raw := range bytes.SplitAfter(text, []byte{'\n'}) {
		l, err := parseLine(bytes.TrimSuffix(raw, []byte{'\n'}))
		if err != nil || l.hosts == "" || l.marker != MarkNone || !l.matches(name) {
			kept = append(kept, raw...)
			continue
		}
		if l.hosts[0] == hashDelim {
			continue
		}
		others, pattern := "", false
		for host := range strings.SplitSeq(l.hosts, ",") {
			switch {
			case strings.EqualFold(host, name):
			case strings.ContainsAny(host, "*?!"):
				pattern = true
				others += "," + host
			default:
				others += "," + host
			}
		}
		if pattern && matchList(strings.TrimPrefix(others, ","), name) {
			return nil, fmt.Errorf("%s matches by the pattern %s, which may be about other hosts too: change it by hand", Place{file, n + 1}, quote(l.hosts))
		}
		if others != "" {
			kept = append(kept, bytes.Replace(raw, []byte(l.hosts), []byte(others[1:]), 1)...)
		}
	}
	return kept, nil
}

// writeFile replaces a file in one step.
func writeFile(file string, text []byte, mode os.FileMode) error {
	tmp, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name()) // fails when all went well
	_, err = tmp.Write(text)
	if err == nil {
		err = tmp.Chmod(mode)
	}
	if err == nil {
		err = tmp.Sync()
	}
	if e := tmp.Close(); err == nil {
		err = e
	}
	if err != nil {
		return err
	}
	return os.Rename(tmp.Name(), file)
}
