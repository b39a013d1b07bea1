package engine

import (
	"cmp"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/url"
	"os"
	"os/user"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// redactor takes out of a text for strangers what they must not know. Names of
// things that a report is about become pseudonyms: the same in every report of an
// installation, and not to be guessed by trying names.
type redactor struct {
	key    []byte
	values []replacement // wherever they stand
	names  []replacement // where no letter or digit is next to them, in any case
}

type replacement struct{ text, by string }

// newRedactor knows what the environment and the account say, the secret makes its
// pseudonyms; without one they hold for this report only.
func newRedactor(secret string) *redactor {
	r := &redactor{key: []byte(secret)}
	if secret == "" {
		r.key = []byte(rand.Text())
	}
	if u, err := user.Current(); err == nil {
		r.name(u.Username, "<user>")
		r.name(u.Name, "<user>")
		r.value(u.HomeDir, "~")
	}
	if name, err := os.Hostname(); err == nil {
		r.name(name, "<this machine>")
	}
	for i, dir := range filepath.SplitList(os.Getenv("PATH")) {
		if !slices.ContainsFunc(commonFolders, func(known string) bool { return strings.HasPrefix(dir, known) }) {
			r.value(dir, fmt.Sprintf("<folder %d of PATH>", i+1))
		}
	}
	for _, entry := range os.Environ() {
		name, value, _ := strings.Cut(entry, "=")
		switch name {
		case "SHELL", "TERM", "OS", "GOOS", "GOARCH": // say nothing about anybody
		case "HOME", "USERPROFILE":
			r.value(value, "~")
		case "USER", "LOGNAME", "USERNAME", "PGUSER":
			r.name(value, "<user>")
		case "PGHOST", "PGHOSTADDR":
			r.host(value)
		default:
			if len(value) >= 5 { // what is shorter is a number or a word that tells nothing
				r.value(value, placeholder(name))
			}
		}
	}
	return r
}

// placeholder stands for the value of a variable. Names that somebody else chose may
// tell something, too.
func placeholder(name string) string {
	for _, v := range loginVariables {
		if v.name == name {
			return "<" + name + ">"
		}
	}
	return "<variable>"
}

// commonFolders are everybody's.
var commonFolders = []string{"/usr/", "/bin", "/sbin", "/opt/homebrew/", "/opt/local/", "/nix/", "/snap/", `C:\Windows`, `C:\Program Files`}

func (r *redactor) value(text, by string) {
	if len(text) > 1 { // not the root as a home
		r.values = append(r.values, replacement{text, by})
	}
}

func (r *redactor) name(text, by string) {
	if len(text) > 1 {
		r.names = append(r.names, replacement{text, by})
	}
}

func (r *redactor) host(name string) {
	if name != "" && !slices.Contains([]string{"localhost", "127.0.0.1", "::1"}, name) {
		r.name(name, r.pseudonym("host", name))
	}
}

func (r *redactor) pseudonym(kind, name string) string {
	mac := hmac.New(sha256.New, r.key)
	mac.Write([]byte(kind + "\x00" + strings.ToLower(name)))
	return kind + "-" + hex.EncodeToString(mac.Sum(nil)[:4])
}

// database knows the parts of a URL of a database, or of a list of key=value.
func (r *redactor) database(dsn string) {
	u, err := url.Parse(dsn)
	if dsn == "" || err != nil || u.Host == "" {
		for part := range strings.FieldsSeq(dsn) {
			if key, value, ok := strings.Cut(part, "="); ok && key != "sslmode" && key != "port" {
				r.name(strings.Trim(value, "'"), "<"+key+">")
			}
		}
		return
	}
	r.value(dsn, "<database URL>")
	password, _ := u.User.Password()
	r.value(password, "<password>")
	r.name(u.User.Username(), "<user>")
	r.host(u.Hostname())
	r.name(strings.Trim(u.Path, "/"), "<database>")
}

var (
	reUserinfo = regexp.MustCompile(`://[^/\s@]*@`)
	rePassword = regexp.MustCompile(`(?i)\b(password|passwd|pwd|token|secret)=\S+`)
	reLogin    = regexp.MustCompile(`[\w.+-]+@([\w.<-])`)
	reIPv4     = regexp.MustCompile(`\b\d{1,3}(\.\d{1,3}){3}\b`)
	reIPv6     = regexp.MustCompile(`(?i)\b[0-9a-f]{1,4}(:[0-9a-f]{0,4}){2,7}`)
)

// clean is a text without what is known to be private, and without what looks as if
// it were.
func (r *redactor) clean(text string) string {
	longest := func(a, b replacement) int { return cmp.Compare(len(b.text), len(a.text)) }
	slices.SortStableFunc(r.values, longest)
	slices.SortStableFunc(r.names, longest)
	for _, v := range r.values {
		text = strings.ReplaceAll(text, v.text, v.by)
	}
	text = reUserinfo.ReplaceAllString(text, "://")
	text = rePassword.ReplaceAllString(text, "$1=<removed>")
	for _, n := range r.names {
		text = replaceName(text, n)
	}
	text = reLogin.ReplaceAllString(text, "<user>@$1")
	address := func(a string) string {
		if a == "127.0.0.1" || a == "0.0.0.0" {
			return a
		}
		return r.pseudonym("address", a)
	}
	return reIPv6.ReplaceAllStringFunc(reIPv4.ReplaceAllStringFunc(text, address), address)
}

// replaceName replaces a name where it is not a part of a longer word.
func replaceName(text string, n replacement) string {
	alnum := func(s string, i int) bool {
		return i >= 0 && i < len(s) && (s[i] >= 0x80 || s[i] >= '0' && s[i] <= '9' || s[i]|0x20 >= 'a' && s[i]|0x20 <= 'z')
	}
	var b strings.Builder
	lower, name := asciiLower(text), asciiLower(n.text)
	for from := 0; ; {
		at := strings.Index(lower[from:], name)
		if at < 0 {
			b.WriteString(text[from:])
			return b.String()
		}
		at += from
		end := at + len(name)
		if alnum(text, at-1) || alnum(text, end) {
			b.WriteString(text[from : at+1])
			from = at + 1
			continue
		}
		b.WriteString(text[from:at] + n.by)
		from = end
	}
}

// asciiLower keeps every letter at its place.
func asciiLower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c | 0x20
		}
	}
	return string(b)
}
