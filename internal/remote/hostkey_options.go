package remote

import (
	"crypto/rsa"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/crypto/ssh"

	"vmorchestrator/internal/inventory"
	"vmorchestrator/internal/job"
	"vmorchestrator/internal/remote/knownhosts"
)

// defaultHostKeys is HostKeyAlgorithms unless the configuration says otherwise,
// in the order of OpenSSH.
var defaultHostKeys = []string{
	ssh.CertAlgoED25519v01, ssh.CertAlgoECDSA256v01, ssh.CertAlgoECDSA384v01, ssh.CertAlgoECDSA521v01,
	ssh.CertAlgoRSASHA512v01, ssh.CertAlgoRSASHA256v01,
	ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521,
	ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256,
}

// defaultCASignatures is CASignatureAlgorithms unless the configuration says
// otherwise.
var defaultCASignatures = []string{
	ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521,
	ssh.KeyAlgoSKED25519, ssh.KeyAlgoSKECDSA256, ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256,
}

// hostKeyAlgorithms are those that the configuration allows and that we have.
// What x/crypto calls insecure is among them when the operator asks for it.
func hostKeyAlgorithms(o *inventory.Options) ([]string, error) {
	have := ssh.SupportedAlgorithms().HostKeys
	value := o.Get("HostKeyAlgorithms")
	allowed := common(listed(value, defaultHostKeys), slices.Concat(have, ssh.InsecureAlgorithms().HostKeys))
	if len(allowed) == 0 {
		return nil, job.WithHint(fmt.Errorf("HostKeyAlgorithms allows %s, of which the built-in engine has none: it has %s", value, strings.Join(have, ",")),
			"Allow one of these in the SSH configuration.")
	}
	return allowed, nil
}

// listed is a list of algorithms. ssh -G has put it together already; the
// prefixes are there when somebody else evaluated the configuration.
func listed(value string, defaults []string) []string {
	if value == "" {
		return defaults
	}
	names := strings.Split(strings.TrimLeft(value, "+-^"), ",")
	named := func(algorithm string) bool {
		return slices.ContainsFunc(names, func(pattern string) bool {
			ok, _ := path.Match(pattern, algorithm)
			return ok
		})
	}
	switch value[0] {
	case '+':
		return slices.Concat(defaults, names)
	case '^':
		return slices.Concat(names, slices.DeleteFunc(slices.Clone(defaults), named))
	case '-':
		return slices.DeleteFunc(slices.Clone(defaults), named)
	}
	return names
}

func hostKeyQuery(o *inventory.Options) knownhosts.Query {
	return knownhosts.Query{
		Host: o.HostName, Port: o.Port, Alias: o.Get("HostKeyAlias"),
		CASignatures: listed(o.Get("CASignatureAlgorithms"), defaultCASignatures),
	}
}

// hostKeyFiles are the files that the configuration names.
func hostKeyFiles(o *inventory.Options) knownhosts.Files {
	f := knownhosts.Files{
		User:    fileList(o.All("UserKnownHostsFile")),
		Global:  fileList(o.All("GlobalKnownHostsFile")),
		Revoked: fileList(o.All("RevokedHostKeys")),
	}
	if len(o.All("UserKnownHostsFile")) == 0 {
		if home, err := os.UserHomeDir(); err == nil {
			f.User = []string{filepath.Join(home, ".ssh", "known_hosts"), filepath.Join(home, ".ssh", "known_hosts2")}
		}
	}
	if len(o.All("GlobalKnownHostsFile")) == 0 {
		dir := "/etc/ssh"
		if data := os.Getenv("ProgramData"); data != "" && filepath.Separator == '\\' {
			dir = filepath.Join(data, "ssh")
		}
		f.Global = []string{filepath.Join(dir, "ssh_known_hosts"), filepath.Join(dir, "ssh_known_hosts2")}
	}
	return f
}

// fileList is the files of a list; none means that there are none.
func fileList(values []string) (files []string) {
	for _, file := range values {
		if file != "" && !strings.EqualFold(file, "none") {
			files = append(files, file)
		}
	}
	return files
}

// rsaBits is how long an RSA key must be, if RequiredRSASize does not say more.
const rsaBits = 1024

// strong refuses an RSA key that ssh would refuse.
func (k *hopKeys) strong(key ssh.PublicKey) error {
	c, ok := key.(ssh.CryptoPublicKey)
	if !ok {
		return nil
	}
	public, ok := c.CryptoPublicKey().(*rsa.PublicKey)
	if !ok {
		return nil
	}
	want := rsaBits
	if n, err := strconv.Atoi(k.o.Get("RequiredRSASize")); err == nil {
		want = max(n, rsaBits)
	}
	if bits := public.N.BitLen(); bits < want {
		return fmt.Errorf("the RSA host key of %s has %d bits, and RequiredRSASize wants %d", k.query.Name(), bits, want)
	}
	return nil
}
