package inventory

import (
	"net/netip"
	"os"
	"strconv"
	"strings"
)

// defaults are what ssh takes where the configuration says nothing. Lists of
// algorithms depend on how an ssh was built: they stay as they are written.
var defaults = map[string]string{
	"addressfamily": "any", "forwardagent": "no", "identitiesonly": "no", "stricthostkeychecking": "ask",
	"serveraliveinterval": "0", "serveralivecountmax": "3", "connecttimeout": "none", "batchmode": "no",
	"checkhostip": "no", "compression": "no", "connectionattempts": "1", "hashknownhosts": "no",
	"kbdinteractiveauthentication": "yes", "passwordauthentication": "yes", "pubkeyauthentication": "true",
	"hostbasedauthentication": "no", "gssapiauthentication": "no", "nohostauthenticationforlocalhost": "no",
	"numberofpasswordprompts": "3", "tcpkeepalive": "yes", "verifyhostkeydns": "false", "requesttty": "auto",
	"controlmaster": "false", "requiredrsasize": "1024", "rekeylimit": "0 0", "loglevel": "INFO",
	"proxyusefdpass": "no", "permitlocalcommand": "no", "addkeystoagent": "false",
}

// settleHost takes the name from HostName, brings an address into its usual form
// and folds a name to lower case.
func (e *evaluator) settleHost() error {
	if name, set := e.values["hostname"]; set {
		var err error
		if e.host, err = expandPercent(name[0], map[byte]string{'h': e.host}); err != nil {
			return refuse("%v", err)
		}
	}
	if a, ok := parseAddress(e.host); ok {
		family := e.first("addressfamily")
		fits := family != "inet6" && a.Is4() || family != "inet" && a.Is6()
		if fits && a.Zone() == "" && !strings.EqualFold(a.String(), e.host) {
			e.host = a.String()
		}
		return nil
	}
	if !looksLikeAddress(e.host) {
		e.host = lower(e.host)
	}
	return nil
}

func looksLikeAddress(s string) bool {
	return strings.ContainsAny(s, "%:") || strings.Trim(s, "0123456789.") == ""
}

// parseAddress also knows the old forms of IPv4, such as 10.1 and 0x7f000001.
func parseAddress(s string) (netip.Addr, bool) {
	if strings.Contains(s, ":") {
		a, err := netip.ParseAddr(s)
		return a, err == nil
	}
	parts := strings.Split(s, ".")
	if len(parts) > 4 {
		return netip.Addr{}, false
	}
	var value uint64
	for i, p := range parts {
		last := i == len(parts)-1
		n, err := strconv.ParseUint(octal(p), 0, 32)
		if err != nil || strings.ContainsAny(p, "_oObB+") || !last && n > 255 || last && n >= 1<<(8*(5-len(parts))) {
			return netip.Addr{}, false
		}
		if last {
			value |= n
		} else {
			value |= n << (24 - 8*i)
		}
	}
	return netip.AddrFrom4([4]byte{byte(value >> 24), byte(value >> 16), byte(value >> 8), byte(value)}), true
}

// octal keeps Go from refusing "00".
func octal(s string) string {
	if t := strings.TrimLeft(s, "0"); len(s) > 1 && strings.Trim(s, "01234567") == "" && s[0] == '0' {
		return "0" + t
	}
	return s
}

// finish fills in the defaults and expands what `ssh -G` prints expanded.
func (e *evaluator) finish() error {
	for key, value := range defaults {
		if _, ok := e.values[key]; !ok {
			e.values[key] = []string{value}
		}
	}
	e.values["host"], e.values["hostname"] = []string{e.alias}, []string{e.host}
	if e.first("port") == "" {
		e.values["port"] = []string{"22"}
	}
	if e.first("user") == "" {
		e.values["user"] = []string{e.local.user}
	}
	if len(e.values["identityfile"]) == 0 {
		for _, kind := range []string{"rsa", "ecdsa", "ecdsa_sk", "ed25519", "ed25519_sk", "xmss", "dsa"} {
			e.values["identityfile"] = append(e.values["identityfile"], "~/.ssh/id_"+kind)
		}
	}
	if len(e.values["userknownhostsfile"]) == 0 {
		e.values["userknownhostsfile"] = []string{"~/.ssh/known_hosts", "~/.ssh/known_hosts2"}
	}
	if len(e.values["globalknownhostsfile"]) == 0 {
		e.values["globalknownhostsfile"] = []string{systemFolder() + "/ssh_known_hosts", systemFolder() + "/ssh_known_hosts2"}
	}
	for _, key := range []string{"localcommand", "remotecommand", "proxycommand", "controlpath", "revokedhostkeys", "pkcs11provider",
		"securitykeyprovider", "knownhostscommand"} {
		if strings.EqualFold(e.first(key), "none") {
			delete(e.values, key)
		}
	}
	e.values["hostkeyalias"] = lowerAll(e.values["hostkeyalias"])
	if err := e.settleJump(); err != nil {
		return err
	}
	return e.expandPrinted()
}

func lowerAll(list []string) []string {
	for i := range list {
		list[i] = lower(list[i])
	}
	return list
}

// settleJump refuses a machine that is to be reached through itself.
func (e *evaluator) settleJump() error {
	value, set := e.values["proxyjump"]
	if !set {
		return nil
	}
	if value[0] == "" {
		delete(e.values, "proxyjump")
		return nil
	}
	user, port := e.jump.User, e.jump.Port
	if user == "" {
		user = e.first("user")
	}
	if port == 0 {
		port = 22
	}
	if e.jump.Alias == e.host && port == atoi(e.first("port")) && user == e.first("user") {
		return refuse("jumphost loop via %s", e.jump.Alias)
	}
	return nil
}

// expandPrinted expands the values that ssh has expanded before it prints them.
func (e *evaluator) expandPrinted() error {
	e.final = true // the name is settled, and may hold a percent sign
	t, err := e.target()
	if err != nil {
		return err
	}
	t.host = e.host
	if t.keyAlias = e.first("hostkeyalias"); t.keyAlias == "" {
		t.keyAlias = e.alias
	}
	tokens := e.tokens(t)
	if strings.Contains(e.first("user"), "${") {
		if e.values["user"][0], err = expandEnv(e.first("user"), e.getenv); err != nil {
			return refuse("%v", err)
		}
	}
	if path := e.first(forwardPath); path != "" {
		e.values["forwardagent"] = []string{path}
		e.origins["forwardagent"] = e.origins[forwardPath]
		delete(e.values, forwardPath)
	}
	for _, key := range []string{"remotecommand", "controlpath", "identityagent", "forwardagent", "userknownhostsfile"} {
		expand := e.expandPath
		if key == "remotecommand" {
			expand = expandPercent
		}
		list := append([]string(nil), e.values[key]...)
		for i, value := range list {
			if key == "userknownhostsfile" && strings.EqualFold(value, "none") {
				list[i] = "none"
				continue
			}
			if list[i], err = expand(value, tokens); err != nil {
				return refuse("%s: %v", key, err)
			}
		}
		e.values[key] = list
	}
	for _, key := range []string{"localforward", "remoteforward", "dynamicforward"} {
		for i, value := range e.values[key] { // of which only paths of sockets may have tokens
			if !IsSocket(value) {
				continue
			}
			if e.values[key][i], err = e.expandPath(value, tokens); err != nil {
				return refuse("%s: %v", key, err)
			}
		}
	}
	if atoi(e.first("connectionattempts")) <= 0 {
		return refuse("Invalid number of ConnectionAttempts")
	}
	if path := e.first("forwardagent"); path != "yes" && path != "no" && e.first("exitonforwardfailure") == "yes" {
		if _, err := os.Stat(path); err != nil {
			return refuse("Cannot forward agent socket path %q: %v", path, plain(err))
		}
	}
	return nil
}
