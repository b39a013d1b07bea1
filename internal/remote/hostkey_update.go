package remote

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"

	"vmorchestrator/internal/remote/knownhosts"
)

// The requests of OpenSSH's PROTOCOL, 2.5: a server tells all of its host keys, and
// proves that it has them.
const (
	hostKeysRequest = "hostkeys-00@openssh.com"
	proveRequest    = "hostkeys-prove-00@openssh.com"
)

// maxHostKeys bounds how many keys a server may tell.
const maxHostKeys = 32

// serve takes what concerns host keys out of the requests of a server, and writes
// down those that it proves (UpdateHostKeys): so it can change its key some day
// without an alarm. The goroutines are the link's, and end with the connection.
func (k *hopKeys) serve(l *link, c ssh.Conn, requests <-chan *ssh.Request) <-chan *ssh.Request {
	others := make(chan *ssh.Request)
	told := false
	forward := func() {
		defer close(others)
		for r := range requests {
			if r.Type != hostKeysRequest {
				others <- r // read until it is closed
				continue
			}
			if r.WantReply {
				_ = r.Reply(true, nil)
			}
			if !told && k.updates() {
				told = true
				l.run(func() { _ = k.learn(c, r.Payload) }) // what was not proved was not learnt
			}
		}
	}
	if !l.run(forward) {
		return requests
	}
	return others
}

// updates reports whether UpdateHostKeys is on. Ask is not: it would be a question
// in the middle of something else.
func (k *hopKeys) updates() bool { return k.o.Yes("UpdateHostKeys") && !k.untrusted() }

// learn writes down the keys that a server tells and proves, all of them or none.
func (k *hopKeys) learn(c ssh.Conn, told []byte) error {
	known := k.files.Read()
	file, ok := k.updatable(known)
	if !ok {
		return nil
	}
	offered, err := k.offered(told)
	if err != nil {
		return err
	}
	k.mu.Lock()
	used := k.accepted
	k.mu.Unlock()
	if !slices.ContainsFunc(offered, func(o ssh.PublicKey) bool { return sameKey(o, used) }) {
		return errors.New("the server does not tell the host key that it uses")
	}
	var fresh []ssh.PublicKey
	for _, key := range offered {
		r, err := known.Check(k.query, key)
		switch {
		case err != nil:
			return err
		case r.Status == knownhosts.IsKnown || r.Status == knownhosts.IsRevoked:
			continue
		case len(known.Others(key)) > 0: // of another host: which one it is must not be decided by it
			return nil
		}
		fresh = append(fresh, key)
	}
	if len(fresh) == 0 {
		return nil
	}
	if err := prove(c, fresh); err != nil {
		return err
	}
	for _, key := range fresh {
		line, err := knownhosts.Add(file, k.query, key, k.o.Yes("HashKnownHosts"))
		if err != nil {
			return err
		}
		k.all.accept(k.hop, key, file, line, "proved by the server (UpdateHostKeys)")
	}
	return nil
}

// updatable returns the file to write to. As with ssh the key in use must stand in
// a file of the user's, under this very name: not by an authority or a pattern,
// which the operator has thought about.
func (k *hopKeys) updatable(known *knownhosts.Known) (file string, ok bool) {
	k.mu.Lock()
	used := k.accepted
	k.mu.Unlock()
	for _, e := range known.Find(k.query.Name()) {
		if e.Marker != knownhosts.MarkNone || strings.ContainsAny(e.Hosts, "*?!") || strings.Count(e.Hosts, ",") > 1 {
			return "", false
		}
		if file == "" && e.User && sameKey(e.Key, used) {
			file = e.File
		}
	}
	return file, file != ""
}

// offered reads what a server tells. Keys that we would not take are left out.
func (k *hopKeys) offered(told []byte) ([]ssh.PublicKey, error) {
	var keys []ssh.PublicKey
	for len(told) > 0 {
		var next struct {
			Blob []byte
			Rest []byte `ssh:"rest"`
		}
		if err := ssh.Unmarshal(told, &next); err != nil {
			return nil, err
		}
		told = next.Rest
		key, err := ssh.ParsePublicKey(next.Blob)
		if err != nil || !k.takes(key) || slices.ContainsFunc(keys, func(o ssh.PublicKey) bool { return sameKey(o, key) }) {
			continue
		}
		if keys = append(keys, key); len(keys) > maxHostKeys {
			return nil, fmt.Errorf("the server tells more than %d host keys", maxHostKeys)
		}
	}
	return keys, nil
}

// takes reports whether HostKeyAlgorithms and RequiredRSASize allow a key.
func (k *hopKeys) takes(key ssh.PublicKey) bool {
	algorithms := []string{key.Type()}
	if key.Type() == ssh.KeyAlgoRSA {
		algorithms = []string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256}
	}
	_, cert := key.(*ssh.Certificate)
	return !cert && len(common(algorithms, k.order)) > 0 && k.strong(key) == nil
}

// prove has the server sign with each key what only this connection can know.
func prove(c ssh.Conn, keys []ssh.PublicKey) error {
	var question []byte
	for _, key := range keys {
		question = append(question, ssh.Marshal(struct{ Blob []byte }{key.Marshal()})...)
	}
	ok, answer, err := c.SendRequest(proveRequest, true, question)
	if err != nil {
		return err
	}
	if !ok {
		return errors.New("the server does not prove its host keys")
	}
	for _, key := range keys {
		var next struct {
			Signature []byte
			Rest      []byte `ssh:"rest"`
		}
		if err := ssh.Unmarshal(answer, &next); err != nil {
			return err
		}
		answer = next.Rest
		var signature ssh.Signature
		if err := ssh.Unmarshal(next.Signature, &signature); err != nil {
			return err
		}
		if signature.Format == ssh.KeyAlgoRSA {
			return errors.New("the server proves its RSA key with SHA-1")
		}
		signed := ssh.Marshal(struct {
			What          string
			Session, Blob []byte
		}{proveRequest, c.SessionID(), key.Marshal()})
		if err := key.Verify(signed, &signature); err != nil {
			return fmt.Errorf("the server does not have the %s key that it tells: %w", key.Type(), err)
		}
	}
	return nil
}
