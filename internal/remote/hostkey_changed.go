package remote

import (
	"errors"
	"fmt"
	"slices"

	"golang.org/x/crypto/ssh"

	"vmorchestrator/internal/inventory"
	"vmorchestrator/internal/job"
	"vmorchestrator/internal/remote/knownhosts"
)

// ChangedKey is a host key that was refused because another one is known.
type ChangedKey struct {
	Hop         string     `json:"hop"`  // the machine that showed it, as configurations call it
	Name        string     `json:"name"` // as known_hosts has it: host, [host]:port or HostKeyAlias
	Type        string     `json:"type"` // of the key that it showed
	Fingerprint string     `json:"fingerprint"`
	Old         []KnownKey `json:"old"`     // those that are known instead
	Kept        bool       `json:"kept"`    // the new one is written down in their place; else it is asked about when it is seen again
	Blocked     string     `json:"blocked"` // why they cannot be replaced from here; empty: they can
}

// KnownKey is a key of a host in a file.
type KnownKey struct {
	Type        string `json:"type"`
	Fingerprint string `json:"fingerprint"`
	File        string `json:"file"`
	Line        int    `json:"line"`
}

// refusedKey is what it takes to put another key into the place of the known one.
type refusedKey struct {
	hop         Hop
	query       knownhosts.Query
	files       knownhosts.Files
	hash        bool
	key         ssh.PublicKey // nil: ssh has seen it, and says only its fingerprint
	kind        string
	fingerprint string
}

func (k *hopKeys) refused(r knownhosts.Result) *refusedKey {
	return &refusedKey{k.hop, k.query, k.files, k.o.Yes("HashKnownHosts"), r.Key, r.Key.Type(), ssh.FingerprintSHA256(r.Key)}
}

// old are the keys that are known of the host, as the files are now.
func (r *refusedKey) old() (own, others []KnownKey) {
	for _, e := range r.files.Read().Find(r.query.Name()) {
		if e.Marker != knownhosts.MarkNone {
			continue
		}
		k := KnownKey{e.Key.Type(), ssh.FingerprintSHA256(e.Key), e.File, e.Line}
		if e.User {
			own = append(own, k)
		} else {
			others = append(others, k)
		}
	}
	return own, others
}

// stands reports whether the key is still one that was refused because another one
// is known, as the files are now.
func (r *refusedKey) stands() bool {
	if r.key == nil {
		own, others := r.old()
		return len(own)+len(others) > 0
	}
	now, err := r.files.Read().Check(r.query, r.key)
	return err == nil && now.Status == knownhosts.IsChanged
}

// blocked is why the known keys cannot be replaced by this program.
func (r *refusedKey) blocked() error {
	own, others := r.old()
	if len(others) > 0 {
		return job.WithHint(fmt.Errorf("the known key of %s stands in %s:%d, which is for all users of this machine", r.query.Name(), others[0].File, others[0].Line),
			"Let the administrator of this machine replace it there.")
	}
	return removable(r.query, own)
}

// removable reports why the keys of a host cannot be taken out of their files.
func removable(q knownhosts.Query, keys []KnownKey) error {
	for _, file := range filesOf(keys) {
		if err := knownhosts.Removable(file, q); err != nil {
			return job.WithHint(err, "Edit the line by hand.")
		}
	}
	return nil
}

// filesOf are the files in which keys stand, each once, in order.
func filesOf(keys []KnownKey) (files []string) {
	for _, k := range keys {
		if !slices.Contains(files, k.File) {
			files = append(files, k.File)
		}
	}
	return files
}

// ChangedKey tells which key of a destination, or of a machine on the way to it, was
// refused when it was last connected to, because another one is known by now. It
// fails with job.ErrNotFound if there is none.
func (p *Pool) ChangedKey(d inventory.Destination) (ChangedKey, error) {
	r, err := p.refusedKey(d)
	if err != nil {
		return ChangedKey{}, err
	}
	own, others := r.old()
	c := ChangedKey{
		Hop: r.hop.Name, Name: r.query.Name(), Type: r.kind, Fingerprint: r.fingerprint,
		Old: append(append([]KnownKey{}, own...), others...), Kept: r.key != nil,
	}
	if err := r.blocked(); err != nil {
		c.Blocked = err.Error() + ". " + job.HintOf(err)
	}
	return c, nil
}

func (p *Pool) refusedKey(d inventory.Destination) (*refusedKey, error) {
	p.mu.Lock()
	h := p.hosts[place{Destination: d}]
	p.mu.Unlock()
	var r *refusedKey
	if h != nil {
		h.mu.Lock()
		r = h.refusedKey
		h.mu.Unlock()
	}
	if r == nil || !r.stands() {
		return nil, job.WithHint(fmt.Errorf("the host key of %s: %w that was refused because it has changed", d, job.ErrNotFound), "Connect again and see what is wrong now.")
	}
	return r, nil
}

// ReplaceKey puts the key with that fingerprint, which ChangedKey has told of, into
// the place of those that are known, because an operator has compared it and says so.
// The files as they were stay beside them as FILE.old. It is all or nothing as far as
// that can be known before.
func (p *Pool) ReplaceKey(d inventory.Destination, fingerprint string) error {
	r, err := p.refusedKey(d)
	if err != nil {
		return err
	}
	if r.fingerprint != fingerprint {
		return job.WithHint(fmt.Errorf("replace the host key of %s: %w: meanwhile it has shown another one, %s %s", r.query.Name(), job.ErrInvalid, r.kind, r.fingerprint),
			"Somebody may be listening in. Compare that one with what is on the host.")
	}
	if err := r.blocked(); err != nil {
		return fmt.Errorf("replace the host key of %s: %w", r.query.Name(), err)
	}
	own, _ := r.old()
	line := 0
	files := filesOf(own)
	for i, file := range files {
		key := r.key
		if i > 0 {
			key = nil
		}
		n, err := knownhosts.Replace(file, r.query, key, r.hash)
		if err != nil {
			return err
		}
		line = max(line, n)
	}
	if r.key != nil && len(files) > 0 {
		p.keys.accept(r.hop, r.key, files[0], line, "an operator has put it into the place of "+own[0].Type+" "+own[0].Fingerprint)
	}
	return nil
}

// ForgetHostKey takes the keys of a host out of the user's files, as ssh-keygen -R
// does: the next connection asks about its key. Each file that is changed stays
// beside it as FILE.old. It returns what was removed, and removes nothing if it
// cannot remove all. Revoked keys and authorities stay.
func ForgetHostKey(o *inventory.Options) ([]KnownKey, error) {
	r := refusedKey{query: hostKeyQuery(o), files: hostKeyFiles(o)}
	own, others := r.old()
	name := r.query.Name()
	switch {
	case len(own) == 0 && len(others) > 0:
		return nil, fmt.Errorf("forget the host key of %s: %w", name, r.blocked())
	case len(own) == 0:
		return nil, fmt.Errorf("forget the host key of %s: %w in %s", name, job.ErrNotFound, list(r.files.User))
	}
	err := removable(r.query, own)
	for _, file := range filesOf(own) {
		if err == nil {
			_, err = knownhosts.Replace(file, r.query, nil, false)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("forget the host key of %s: %w", name, err)
	}
	return own, nil
}

func list(files []string) string {
	if len(files) == 0 {
		return "any file: UserKnownHostsFile is none"
	}
	return fmt.Sprint(files)
}

// refusedBy is the changed key that an attempt to connect has failed with.
func refusedBy(err error) *refusedKey {
	var key *HostKeyError
	if errors.As(err, &key) && key.Kind == HostKeyChanged {
		return key.refused
	}
	return nil
}
