package inventory

import "strings"

// keyword is one that ssh knows.
type keyword struct {
	name string // of several names for one, that which `ssh -G` prints
	read func(e *evaluator, s *statement) error
}

// states are the words of a keyword that has a few, each with the word that
// `ssh -G` prints for it.
type states map[string]string

var (
	flag        = states{"true": "yes", "yes": "yes", "false": "no", "no": "no"}
	flagAsk     = states{"true": "true", "yes": "true", "false": "false", "no": "false", "ask": "ask"}
	strict      = states{"true": "true", "yes": "true", "false": "false", "no": "false", "off": "false", "ask": "ask", "accept-new": "accept-new"}
	families    = states{"inet": "inet", "inet6": "inet6", "any": "any"}
	masters     = states{"true": "true", "yes": "true", "false": "false", "no": "false", "auto": "auto", "ask": "ask", "autoask": "autoask"}
	tunnels     = states{"ethernet": "ethernet", "point-to-point": "point-to-point", "true": "true", "yes": "true", "false": "false", "no": "false"}
	terminals   = states{"true": "true", "yes": "true", "false": "false", "no": "false", "force": "force", "auto": "auto"}
	sessions    = states{"none": "none", "subsystem": "subsystem", "default": "default"}
	canonicals  = states{"true": "true", "yes": "true", "false": "false", "no": "false", "always": "always"}
	publicKeys  = states{"true": "true", "yes": "true", "false": "false", "no": "false", "unbound": "unbound", "host-bound": "host-bound"}
	compression = states{"yes": "yes", "no": "no"}
)

// keywords has every keyword of OpenSSH up to 10.5, in lower case.
var keywords map[string]keyword

func init() {
	keywords = map[string]keyword{}
	add := func(read func(e *evaluator, s *statement) error, names ...string) {
		for _, line := range names {
			for name := range strings.FieldsSeq(line) {
				keywords[name] = keyword{name: name, read: read}
			}
		}
	}
	add((*evaluator).hostLine, "host")
	add((*evaluator).matchLine, "match")
	add((*evaluator).include, "include")

	add(flag.read, `forwardx11 forwardx11trusted gatewayports exitonforwardfailure passwordauthentication
		kbdinteractiveauthentication hostbasedauthentication gssapiauthentication gssapidelegatecredentials
		batchmode checkhostip tcpkeepalive nohostauthenticationforlocalhost clearallforwardings enablesshkeysign
		identitiesonly hashknownhosts permitlocalcommand visualhostkey stdinnull forkafterauthentication
		proxyusefdpass canonicalizefallbacklocal streamlocalbindunlink enableescapecommandline
		gssapikeyexchange gssapitrustdns gssapirenewalforcesrekey`)
	add(flagAsk.read, "verifyhostkeydns updatehostkeys")
	add(strict.read, "stricthostkeychecking")
	add(families.read, "addressfamily")
	add(masters.read, "controlmaster")
	add(tunnels.read, "tunnel")
	add(terminals.read, "requesttty")
	add(sessions.read, "sessiontype")
	add(canonicals.read, "canonicalizehostname")
	add(publicKeys.read, "pubkeyauthentication")
	add(compression.read, "compression")

	add((*evaluator).timeLine, "connecttimeout serveraliveinterval forwardx11timeout")
	add((*evaluator).intLine, "serveralivecountmax connectionattempts numberofpasswordprompts canonicalizemaxdots requiredrsasize")
	add((*evaluator).portLine, "port")
	add((*evaluator).stringLine, `user hostname hostkeyalias preferredauthentications bindaddress bindinterface
		pkcs11provider securitykeyprovider xauthlocation kbdinteractivedevices controlpath ignoreunknown
		revokedhostkeys tag versionaddendum gssapiclientidentity gssapiserveridentity gssapikexalgorithms
		ciphers macs kexalgorithms hostkeyalgorithms casignaturealgorithms hostbasedacceptedalgorithms
		pubkeyacceptedalgorithms loglevel syslogfacility escapechar fingerprinthash tunneldevice streamlocalbindmask`)
	add((*evaluator).commandLine, "proxycommand knownhostscommand localcommand remotecommand")
	add((*evaluator).proxyJumpLine, "proxyjump")
	add((*evaluator).fileLine, "identityfile certificatefile")
	add((*evaluator).filesLine, "userknownhostsfile globalknownhostsfile")
	add((*evaluator).agentLine, "identityagent forwardagent")
	add((*evaluator).sendEnvLine, "sendenv")
	add((*evaluator).setEnvLine, "setenv")
	add((*evaluator).forwardLine, "localforward remoteforward dynamicforward")
	add((*evaluator).restLine, `permitremoteopen logverbose canonicaldomains
		canonicalizepermittedcnames ipqos rekeylimit controlpersist addkeystoagent channeltimeout
		obscurekeystroketiming refuseconnection warnweakcrypto`)

	// Deprecated, or not supported: ssh passes over them.
	add(ignored, `protocol cipher fallbacktorsh globalknownhostsfile2 rhostsauthentication userknownhostsfile2
		useroaming usersh useprivilegedport afstokenpassing kerberosauthentication kerberostgtpassing
		rsaauthentication rhostsrsaauthentication compressionlevel`)

	for alias, name := range map[string]string{
		"smartcarddevice":                 "pkcs11provider",
		"challengeresponseauthentication": "kbdinteractiveauthentication",
		"skeyauthentication":              "kbdinteractiveauthentication",
		"tisauthentication":               "kbdinteractiveauthentication",
		"dsaauthentication":               "pubkeyauthentication",
		"identityfile2":                   "identityfile",
		"keepalive":                       "tcpkeepalive",
		"hostbasedkeytypes":               "hostbasedacceptedalgorithms",
		"pubkeyacceptedkeytypes":          "pubkeyacceptedalgorithms",
	} {
		keywords[alias] = keywords[name]
	}
}

func ignored(_ *evaluator, s *statement) error {
	s.args = nil
	return nil
}
