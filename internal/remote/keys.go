package remote

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/crypto/ssh"
)

// maxKeyFile is far above every key; what is larger is not one.
const maxKeyFile = 256 << 10

// maxKDFRounds are the rounds of the passphrase's hash that x/crypto computes; ssh-keygen uses 16.
const maxKDFRounds = 1 << 11

// keyFile is what IdentityFile names. The public half is known without the
// passphrase in OpenSSH's own format, and in the others if the .pub is there.
type keyFile struct {
	path    string
	sum     [sha256.Size]byte // of the content: a file that is replaced is another key
	text    []byte
	pub     ssh.PublicKey // nil: known only when it is unlocked
	key     any           // the private half; nil while it is locked or cannot be used
	problem string        // why it cannot be used from the file, though an agent may hold it
	advice  advice        // what to do about that
}

// readKeyFile reads a key. The error is one of the system.
func readKeyFile(path string) (*keyFile, error) {
	text, info, err := readSmall(path)
	if err != nil {
		return nil, err
	}
	k := &keyFile{path: path, text: text, sum: sha256.Sum256(text)}
	k.parse()
	if k.pub == nil {
		k.pub = readPublic(path + ".pub")
	}
	if k.isPrivate() && tooOpen(info) {
		k.problem = fmt.Sprintf("other users may read it (mode %#o), so that ssh does not use it either", info.Mode().Perm())
		k.key, k.advice = nil, adviceMode
	}
	return k, nil
}

// isPrivate reports whether the file has something to protect.
func (k *keyFile) isPrivate() bool { return strings.Contains(string(k.text), "PRIVATE KEY-----") }

func (k *keyFile) parse() {
	if strings.HasPrefix(string(k.text), "PuTTY-User-Key-File-") {
		k.cannot("it is a key of PuTTY; load it in an agent (Pageant), or convert it with puttygen")
		return
	}
	if pub, _, _, _, err := ssh.ParseAuthorizedKey(k.text); err == nil {
		k.pub = pub
		k.cannot("it is a public key, and the agent does not hold its private half")
		return
	}
	block, _ := pem.Decode(k.text)
	if block == nil {
		k.cannot("there is no private key in it")
		return
	}
	if block.Type == "OPENSSH PRIVATE KEY" && !k.parseHeader(block.Bytes) {
		return
	}
	key, err := ssh.ParseRawPrivateKey(k.text)
	var missing *ssh.PassphraseMissingError
	switch {
	case err == nil:
		k.take(key)
	case errors.As(err, &missing):
	case block.Type == "ENCRYPTED PRIVATE KEY":
		k.cannot("its encryption (PKCS#8) is known only to ssh; load it in ssh-agent")
	default:
		k.cannot("it cannot be read; if ssh can, load it in ssh-agent")
	}
}

// take sets the private half, and the public one that belongs to it.
func (k *keyFile) take(key any) {
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		k.cannot("its type is known only to ssh; load it in ssh-agent")
		return
	}
	k.key, k.pub = key, signer.PublicKey()
}

func (k *keyFile) cannot(why string) { k.problem, k.advice = why, adviceAdd }

// opensshHeader is the part of OpenSSH's own format that is not encrypted; see
// its PROTOCOL.key.
type opensshHeader struct {
	Cipher, KDF, KDFOptions string
	Keys                    uint32
	Public                  []byte
	Rest                    []byte `ssh:"rest"`
}

// parseHeader reads the public half and reports whether x/crypto could read the
// rest, with the passphrase if need be.
func (k *keyFile) parseHeader(b []byte) bool {
	const magic = "openssh-key-v1\x00"
	var h opensshHeader
	if !strings.HasPrefix(string(b), magic) || ssh.Unmarshal(b[len(magic):], &h) != nil {
		k.cannot("it is damaged")
		return false
	}
	if pub, err := ssh.ParsePublicKey(h.Public); err == nil {
		k.pub = pub
	}
	if k.pub != nil && strings.HasPrefix(k.pub.Type(), "sk-") {
		k.cannot("it is a key of a security device; load it in ssh-agent")
		return false
	}
	if h.Cipher == "none" {
		return true
	}
	var kdf struct {
		Salt   string
		Rounds uint32
	}
	switch {
	case h.Cipher != "aes256-ctr" && h.Cipher != "aes256-cbc":
		k.cannot(fmt.Sprintf("its cipher (%s) is known only to ssh; load it in ssh-agent", oneLine(h.Cipher)))
	case ssh.Unmarshal([]byte(h.KDFOptions), &kdf) != nil || kdf.Rounds > maxKDFRounds:
		k.cannot("its passphrase takes too many rounds; load it in ssh-agent")
	default:
		return true
	}
	return false
}

// errPassphrase means that a passphrase is not the right one.
var errPassphrase = errors.New("wrong passphrase")

// decrypt returns the private half. The error says nothing of the passphrase.
func (k *keyFile) decrypt(passphrase string) (any, error) {
	key, err := ssh.ParseRawPrivateKeyWithPassphrase(k.text, []byte(passphrase))
	block, _ := pem.Decode(k.text)
	switch {
	case err == nil:
		return key, nil
	case errors.Is(err, x509.IncorrectPasswordError), block.Type != "OPENSSH PRIVATE KEY":
		// The old PEM format does not notice every wrong passphrase: what comes out
		// is then noise.
		return nil, errPassphrase
	default:
		return nil, errors.New("it cannot be read; if ssh can, load it in ssh-agent")
	}
}

// readPublic is the key or certificate in a file, nil if there is none.
func readPublic(path string) ssh.PublicKey {
	text, _, err := readSmall(path)
	if err != nil {
		return nil
	}
	pub, _, _, _, err := ssh.ParseAuthorizedKey(text)
	if err != nil {
		return nil
	}
	return pub
}

// readSmall reads a file, but nothing that is none: opening a pipe would wait.
func readSmall(path string) ([]byte, os.FileInfo, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxKeyFile {
		return nil, nil, fmt.Errorf("read %s: it is not the file of a key", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxKeyFile))
	return text, info, err
}
