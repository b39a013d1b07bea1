package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"golang.org/x/crypto/ssh"
)

// maxOffers is how many keys a server may refuse. Most hang up after six failures
// of any kind (MaxAuthTries), and some lock the address out after a few of those.
const maxOffers = 5

// candidate is a key that can be offered.
type candidate struct {
	pub   ssh.PublicKey // nil: known only when its file is unlocked
	label string        // type, fingerprint and where it comes from
	file  *keyFile      // nil: the agent signs
	agent ssh.PublicKey // what the agent knows the key as
	cert  *ssh.Certificate

	unnamed bool // it is in the agent, and no IdentityFile names it

	tried bool
	took  bool // the server was content with it
}

// offer is a candidate on its way: an ssh.Signer that notes how far it came, as
// x/crypto does not tell.
type offer struct {
	auth       *auth
	key        *candidate
	algorithms []string
	sent       bool // the server was asked whether it takes the key
	accepted   bool // it does, and wants a signature
	err        error
}

var _ ssh.MultiAlgorithmSigner = (*offer)(nil)

func (f *offer) PublicKey() ssh.PublicKey { return seenKey{f.key.pub, f} }
func (f *offer) Algorithms() []string     { return f.algorithms }

func (f *offer) Sign(rand io.Reader, data []byte) (*ssh.Signature, error) {
	return f.SignWithAlgorithm(rand, data, f.algorithms[0])
}

// SignWithAlgorithm is called when the server has accepted the key, which is when
// a passphrase is worth asking for.
func (f *offer) SignWithAlgorithm(rand io.Reader, data []byte, algorithm string) (*ssh.Signature, error) {
	f.accepted = true
	var signature *ssh.Signature
	signature, f.err = f.auth.sign(f.key, rand, data, algorithm)
	return signature, f.err
}

// seenKey is a public key that notes when it is written into a message.
type seenKey struct {
	ssh.PublicKey
	offer *offer
}

func (k seenKey) Marshal() []byte {
	k.offer.sent = true
	return k.PublicKey.Marshal()
}

// nextKey is the next attempt with a key, nil when none is left or too many were
// refused.
func (a *auth) nextKey() ssh.AuthMethod {
	if a.keys == nil {
		a.keys = a.candidates()
	}
	for i, k := range a.keys {
		if k.tried {
			continue
		}
		if a.ctx.Err() != nil {
			return nil
		}
		if a.refused >= maxOffers {
			a.tooMany(a.keys[i:])
			return nil
		}
		k.tried = true
		if k.pub == nil && !a.reveal(k) {
			continue
		}
		algorithms := signatureAlgorithms(k.pub, accepted(a.o))
		if len(algorithms) == 0 {
			a.step(false, "publickey", "%s not offered: PubkeyAcceptedAlgorithms has no signature for it", k.label)
			continue
		}
		f := &offer{auth: a, key: k, algorithms: algorithms}
		a.pending = &attempt{what: "publickey", offer: f}
		return ssh.PublicKeys(f)
	}
	return nil
}

// tooMany says which keys were not offered.
func (a *auth) tooMany(left []*candidate) {
	for _, k := range left {
		if !k.tried {
			a.step(false, "publickey", "%s not offered: the server has refused %d others, and may hang up at the next", k.label, a.refused)
			a.advice[adviceMany] = a.hop.Name
		}
	}
}

// settleKey writes down what became of a key that did not help.
func (a *auth) settleKey(f *offer) {
	switch {
	case errors.Is(f.err, ErrRefused), errors.Is(f.err, errSilent), errors.Is(f.err, errPassphrase):
		a.step(false, "publickey", "%s accepted by the server, but not unlocked: %v", f.key.label, f.err)
		a.advice[adviceUnlock] = f.key.file.path
	case f.err != nil:
		a.step(false, "publickey", "%s accepted by the server, but not used: %v", f.key.label, f.err)
	case errors.Is(context.Cause(a.ctx), errHungUp):
		a.step(false, "publickey", "%s offered; %v", f.key.label, context.Cause(a.ctx))
	case f.accepted:
		a.refused++
		a.step(false, "publickey", "%s accepted by the server, but not its signature", f.key.label)
	case f.sent:
		a.refused++
		a.step(false, "publickey", "%s not accepted by the server", f.key.label)
	default:
		a.step(false, "publickey", "%s not offered: the server knows none of its signatures (%s)", f.key.label, f.algorithms)
	}
}

// sign makes the signature that lets us in.
func (a *auth) sign(k *candidate, rand io.Reader, data []byte, algorithm string) (*ssh.Signature, error) {
	if k.file == nil {
		defer a.wait()() // the agent may ask its owner, or want a touch
		return a.agent.sign(a.ctx, k.agent, data, algorithm)
	}
	key, err := a.unlock(k.file)
	if err != nil {
		return nil, err
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		return nil, err
	}
	want := k.pub
	if k.cert != nil {
		want = k.cert.Key
	}
	if !bytes.Equal(signer.PublicKey().Marshal(), want.Marshal()) {
		return nil, errors.New("the .pub beside it is that of another key")
	}
	a.addToAgent(k, key)
	as, ok := signer.(ssh.AlgorithmSigner)
	if !ok {
		return signer.Sign(rand, data)
	}
	return as.SignWithAlgorithm(rand, data, algorithm)
}

// errSilent means that a passphrase was not asked for.
var errSilent = errors.New("not asked for its passphrase")

// unlock returns the private half of a key file, asking for the passphrase if no
// connection has done so before.
func (a *auth) unlock(k *keyFile) (any, error) {
	if k.key != nil {
		return k.key, nil
	}
	defer a.wait()()
	return a.memory.unlock(a.ctx, k.sum, func() (any, error) { return a.askPassphrase(k) })
}

func (a *auth) askPassphrase(k *keyFile) (any, error) {
	if a.silent != "" {
		return nil, fmt.Errorf("%w: %s", errSilent, a.silent)
	}
	if a.prompts.Secret == nil {
		return nil, fmt.Errorf("%w: there is nobody to ask", errSilent)
	}
	for try := 1; try <= a.maxTries(); try++ {
		passphrase, err := a.secret("passphrase", k.path, try)
		if err != nil {
			return nil, err
		}
		if passphrase == "" { // as in ssh: on to the next key
			return nil, ErrRefused
		}
		key, err := k.decrypt(passphrase)
		if !errors.Is(err, errPassphrase) {
			return key, err
		}
	}
	return nil, errPassphrase
}

// reveal unlocks a file whose public half nobody knows before, as ssh does too.
func (a *auth) reveal(k *candidate) bool {
	key, err := a.unlock(k.file)
	if err == nil {
		var signer ssh.Signer
		if signer, err = ssh.NewSignerFromKey(key); err == nil {
			k.pub = signer.PublicKey()
			k.label = keyLabel(k.pub, k.file.path)
			return true
		}
	}
	if a.ctx.Err() == nil {
		a.step(false, "publickey", "%s not unlocked: %v", k.file.path, err)
		a.advice[adviceUnlock] = k.file.path
	}
	return false
}
