package remote

import (
	"bytes"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
)

// builtInKeys are the files that ssh looks for when no IdentityFile is written
// anywhere. Nobody misses one of them.
var builtInKeys = []string{"id_rsa", "id_ecdsa", "id_ecdsa_sk", "id_ed25519", "id_ed25519_sk", "id_xmss", "id_dsa", "id_mldsa44_ed25519"}

// candidates are the keys to be offered, in this order: certificates, keys of the
// agent that IdentityFile names, its other keys unless IdentitiesOnly, and keys
// that are only in files: as ssh does. One that this machine took before goes
// first, and a certificate that is not valid now goes last. When the server would
// not hear us out, those that somebody named for it go before those that nobody did.
func (a *auth) candidates() []*candidate {
	held := a.held()
	files := a.files()
	all := a.certificates(held, files)

	var others []*candidate // keys of the agent that nobody named
	for _, k := range held {
		c := &candidate{pub: k.pub, agent: k.pub, label: keyLabel(k.pub, "agent, "+k.comment)}
		named := slices.IndexFunc(files, func(f *keyFile) bool { return sameKey(f.pub, k.pub) })
		switch {
		case slices.ContainsFunc(all, func(b *candidate) bool { return sameKey(b.pub, k.pub) }):
		case named >= 0:
			all = append(all, c)
		case !a.o.Yes("IdentitiesOnly"):
			c.unnamed = true
			others = append(others, c)
		}
	}
	all = append(all, others...)
	for _, f := range files {
		switch inAgent := slices.ContainsFunc(held, func(k agentKey) bool { return sameKey(k.pub, f.pub) }); {
		case inAgent:
		case f.problem != "":
			a.step(false, "publickey", "%s: %s", f.path, f.problem)
			a.advice[f.advice] = f.path
		default:
			all = append(all, &candidate{pub: f.pub, file: f, label: keyLabel(f.pub, f.path)})
		}
	}
	return a.arrange(all)
}

// held are the keys of the agent.
func (a *auth) held() []agentKey {
	keys, err := a.agent.list(a.ctx)
	switch {
	case errors.Is(err, errNoAgent):
		a.step(false, "agent", "%v", err)
		a.advice[adviceAgent] = a.agent.why
	case err != nil:
		a.step(false, "agent", "%v", err)
		a.advice[adviceAgent] = a.agent.why
	case len(keys) == 0:
		a.step(false, "agent", "%s (%s) holds no keys: it is empty or locked", a.agent.address, a.agent.why)
		a.advice[adviceEmpty] = a.agent.address
	default:
		a.step(true, "agent", "%s (%s) holds %d keys", a.agent.address, a.agent.why, len(keys))
	}
	return keys
}

// files are what IdentityFile names and is there.
func (a *auth) files() []*keyFile {
	var files []*keyFile
	for _, path := range a.o.All("IdentityFile") {
		if path == "none" || path == "" {
			continue
		}
		f, err := readKeyFile(atHome(path))
		switch {
		case errors.Is(err, fs.ErrNotExist) && slices.Contains(builtInKeys, filepath.Base(path)):
		case err != nil:
			a.step(false, "publickey", "%s cannot be read: %v", path, osReason(err))
		case !slices.ContainsFunc(files, func(g *keyFile) bool { return g.sum == f.sum }):
			files = append(files, f)
		}
	}
	return files
}

// osReason is what the system says, without the path that stands before it anyway.
func osReason(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// certificates are those of CertificateFile, or else those beside the keys, if
// somebody holds the private half.
func (a *auth) certificates(held []agentKey, files []*keyFile) []*candidate {
	paths := a.o.All("CertificateFile")
	named := len(paths) > 0
	if !named {
		for _, f := range files {
			paths = append(paths, strings.TrimSuffix(f.path, ".pub")+"-cert.pub")
		}
	}
	var all []*candidate
	for _, path := range paths {
		path = atHome(path)
		cert, ok := readPublic(path).(*ssh.Certificate)
		if !ok || cert.CertType != ssh.UserCert {
			if named && path != "none" {
				a.step(false, "publickey", "%s: there is no user certificate in it", path)
			}
			continue
		}
		c := &candidate{pub: cert, cert: cert, label: keyLabel(cert, path)}
		for _, k := range held {
			if sameKey(k.pub, cert) || c.agent == nil && sameKey(k.pub, cert.Key) {
				c.agent = k.pub
			}
		}
		if c.agent == nil {
			i := slices.IndexFunc(files, func(f *keyFile) bool { return f.problem == "" && sameKey(f.pub, cert.Key) })
			if i < 0 {
				a.step(false, "publickey", "%s not offered: its private key is neither in the agent nor in an IdentityFile", c.label)
				continue
			}
			c.file = files[i]
		}
		all = append(all, c)
	}
	return all
}

// arrange takes out what is too short, and moves what worked and what expired.
func (a *auth) arrange(all []*candidate) []*candidate {
	worked := a.memory.key(a.hop)
	least, _ := strconv.Atoi(a.o.Get("RequiredRSASize"))
	kept := make([]*candidate, 0, len(all)) // not nil: they have been looked for
	for _, c := range all {
		if n := rsaSize(c.pub); n != 0 && n < least {
			a.step(false, "publickey", "%s not offered: %d bits, and RequiredRSASize is %d", c.label, n, least)
			continue
		}
		kept = append(kept, c)
	}
	many := len(kept) > maxOffers
	rank := func(c *candidate) int {
		switch {
		case expired(c.pub):
			return 3
		case c.pub != nil && worked == fingerprint(c.pub):
			return 0
		case c.unnamed && many:
			return 2
		default:
			return 1
		}
	}
	slices.SortStableFunc(kept, func(x, y *candidate) int { return rank(x) - rank(y) })
	return kept
}

// fingerprint tells a certificate from its key, which have the same one for ssh.
func fingerprint(pub ssh.PublicKey) string {
	sum := sha256.Sum256(pub.Marshal())
	return string(sum[:])
}

// expired reports whether a certificate is not valid at this moment, by our clock.
func expired(pub ssh.PublicKey) bool {
	cert, ok := pub.(*ssh.Certificate)
	now := uint64(time.Now().Unix())
	return ok && (now < cert.ValidAfter || cert.ValidBefore != ssh.CertTimeInfinity && now >= cert.ValidBefore)
}

func rsaSize(pub ssh.PublicKey) int {
	if cert, ok := pub.(*ssh.Certificate); ok {
		pub = cert.Key
	}
	if c, ok := pub.(ssh.CryptoPublicKey); ok {
		if key, ok := c.CryptoPublicKey().(*rsa.PublicKey); ok {
			return key.N.BitLen()
		}
	}
	return 0
}

// sameKey reports whether two keys, or two certificates, are one.
func sameKey(x, y ssh.PublicKey) bool {
	return x != nil && y != nil && bytes.Equal(x.Marshal(), y.Marshal())
}

// keyLabel is how a key is called in steps: as ssh -v does.
func keyLabel(pub ssh.PublicKey, from string) string {
	from = strings.TrimSuffix(from, ", ")
	if pub == nil {
		return from
	}
	cert, ok := pub.(*ssh.Certificate)
	if !ok {
		return fmt.Sprintf("%s %s (%s)", pub.Type(), ssh.FingerprintSHA256(pub), from)
	}
	l := fmt.Sprintf("certificate %q of %s %s (%s)", oneLine(cert.KeyId), cert.Key.Type(), ssh.FingerprintSHA256(cert.Key), from)
	if expired(cert) {
		l += ", which is valid only " + validity(cert) + ","
	}
	return l
}

func validity(cert *ssh.Certificate) string {
	const layout = "2006-01-02 15:04"
	s := "from " + time.Unix(int64(cert.ValidAfter), 0).Format(layout)
	if cert.ValidBefore != ssh.CertTimeInfinity {
		s += " to " + time.Unix(int64(cert.ValidBefore), 0).Format(layout)
	}
	return s
}
