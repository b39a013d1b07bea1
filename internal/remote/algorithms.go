package remote

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"

	"vmorchestrator/internal/inventory"
	"vmorchestrator/internal/job"
)

// algorithms are those that the configuration allows and that we have. What the
// operator wrote keeps its order; OpenSSH's own list is only a limit, since ours
// puts first what is fast here (AES-GCM).
func algorithms(o *inventory.Options) (ssh.Config, error) {
	have, old := ssh.SupportedAlgorithms(), ssh.InsecureAlgorithms()
	var c ssh.Config
	for _, a := range []struct {
		keyword  string
		ours     []string
		insecure []string
		to       *[]string
	}{
		{"Ciphers", have.Ciphers, old.Ciphers, &c.Ciphers},
		{"KexAlgorithms", have.KeyExchanges, old.KeyExchanges, &c.KeyExchanges},
		{"MACs", have.MACs, old.MACs, &c.MACs},
	} {
		value := o.Get(a.keyword)
		if value == "" {
			continue
		}
		wanted := strings.Split(value, ",")
		if o.Origin(a.keyword).File == "" {
			*a.to = common(a.ours, wanted)
		} else {
			*a.to = common(wanted, append(a.ours, a.insecure...))
		}
		if len(*a.to) == 0 {
			return c, job.WithHint(fmt.Errorf("%s allows %s, of which the built-in engine has none: it has %s", a.keyword, value, strings.Join(a.ours, ",")),
				"Allow one of these in the SSH configuration.")
		}
	}
	return c, nil
}

// common are the members of a that are in b too, in the order of a.
func common(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(s string) bool { return !slices.Contains(b, s) })
}
