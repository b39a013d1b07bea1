package job

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Address is a vmo:// link. One with a Job is where a record is; one with Run is
// a wish that somebody wrote down. Links come from anywhere: whoever follows one
// has not read it, so an Address may be shown and filled into a form, and nothing
// of it may be run, connected to or opened without being asked for.
type Address struct {
	Job  ID     // of a record; empty in a wish
	Line uint64 // of its output, counted from 1; 0 is none in particular
	Run  *Wish  // what to fill into a form; nil in the address of a record
}

// Wish is a target that a link names, to be run here or in a folder of hosts.
// Nothing in it is known to exist.
type Wish struct {
	Project string // an alias; empty when Dir is set
	Dir     string // a folder: here absolute, on hosts also below ~
	Target  string
	Hosts   []string   // none is this machine
	Vars    []Variable // in the order of the link
}

// Variable is a variable of make with a value that means nothing but itself.
type Variable struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// What a link may have of everything. No form that a person fills in comes near.
const (
	maxAddress = 2048 // bytes of all of it
	maxValue   = 512
	maxName    = 128
	maxMany    = 20 // hosts, and variables
)

const addressScheme = "vmo:"

// IsAddress reports whether a text means to be a link, and not a file or a name.
func IsAddress(text string) bool {
	return len(text) > len(addressScheme) && strings.EqualFold(text[:len(addressScheme)], addressScheme)
}

// String is the link.
func (a Address) String() string {
	if a.Run == nil {
		s := "vmo://job/" + string(a.Job)
		if a.Line > 0 {
			s += "#" + strconv.FormatUint(a.Line, 10)
		}
		return s
	}
	var s strings.Builder
	add := func(key, value string) {
		if value != "" {
			fmt.Fprintf(&s, "&%s=%s", key, strings.ReplaceAll(url.QueryEscape(value), "+", "%20"))
		}
	}
	add("project", a.Run.Project)
	add("dir", a.Run.Dir)
	add("target", a.Run.Target)
	for _, host := range a.Run.Hosts {
		add("host", host)
	}
	for _, v := range a.Run.Vars {
		fmt.Fprintf(&s, "&var.%s=%s", v.Name, strings.ReplaceAll(url.QueryEscape(v.Value), "+", "%20"))
	}
	return "vmo://run?" + strings.TrimPrefix(s.String(), "&")
}

// ParseAddress reads a link as if an attacker had written it. What it returns has
// no character that hides, reorders or ends anything, no value that a shell, make
// or a command could take for more than a word, no option in the place of a name,
// and no secret. What it does not know it refuses: half of a wish is another wish.
func ParseAddress(text string) (Address, error) {
	a, err := parseAddress(text)
	if err != nil {
		return Address{}, WithHint(fmt.Errorf("%w link: %w", ErrInvalid, err), "Ask for a new one where it came from. What links look like is in docs/links.md.")
	}
	return a, nil
}

func parseAddress(text string) (Address, error) {
	if len(text) > maxAddress {
		return Address{}, fmt.Errorf("it has %d bytes, and %d are more than any needs", len(text), maxAddress)
	}
	if !IsAddress(text) {
		return Address{}, fmt.Errorf("it does not begin with vmo://")
	}
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return Address{}, fmt.Errorf("it is no URL") // whose text is the link once more
	case u.User != nil || u.Opaque != "":
		return Address{}, fmt.Errorf("it reads neither vmo://job/… nor vmo://run?…")
	}
	switch strings.ToLower(u.Host) {
	case "job":
		return parseRecord(u)
	case "run":
		return parseWish(u)
	}
	return Address{}, fmt.Errorf("it reads neither vmo://job/… nor vmo://run?…")
}

func parseRecord(u *url.URL) (a Address, err error) {
	if u.RawQuery != "" || u.ForceQuery {
		return a, fmt.Errorf("a job has no parameters")
	}
	if a.Job, err = ParseID(strings.TrimPrefix(u.Path, "/")); err != nil {
		return a, fmt.Errorf("what it names is not a job id")
	}
	if u.Fragment == "" {
		return a, nil
	}
	if a.Line, err = strconv.ParseUint(u.Fragment, 10, 53); err != nil || a.Line == 0 || strconv.FormatUint(a.Line, 10) != u.Fragment {
		return Address{}, fmt.Errorf("what stands behind # is not the number of a line")
	}
	return a, nil
}

func parseWish(u *url.URL) (Address, error) {
	if u.Path != "" && u.Path != "/" || u.Fragment != "" {
		return Address{}, fmt.Errorf("vmo://run has nothing but parameters")
	}
	w := &Wish{}
	for pair := range strings.SplitSeq(u.RawQuery, "&") {
		rawKey, rawValue, _ := strings.Cut(pair, "=")
		key, err := url.QueryUnescape(rawKey)
		if err != nil {
			return Address{}, fmt.Errorf("a parameter is not written as in a URL")
		}
		value, err := url.QueryUnescape(rawValue)
		if err != nil {
			return Address{}, fmt.Errorf("a value is not written as in a URL")
		}
		if err := w.take(key, value); err != nil {
			return Address{}, err
		}
	}
	return Address{Run: w}, w.whole()
}

// take puts one parameter of a link into its place.
func (w *Wish) take(key, value string) error {
	if len(value) > maxValue || !plain(value) {
		return fmt.Errorf("a value is too long, or has characters that are not to be seen")
	}
	once := func(place *string, ok bool, what string) error {
		switch {
		case *place != "":
			return fmt.Errorf("it names more than one %s", what)
		case !ok:
			return fmt.Errorf("%q cannot be a %s", value, what)
		}
		*place = value
		return nil
	}
	switch name, isVar := strings.CutPrefix(key, "var."); {
	case key == "project":
		return once(&w.Project, len(value) <= maxName && reName.MatchString(value), "project")
	case key == "target":
		return once(&w.Target, len(value) <= maxName && reTarget.MatchString(value), "target")
	case key == "dir":
		return once(&w.Dir, isFolder(value), "folder")
	case key == "host":
		if !reHost.MatchString(value) || slices.Contains(w.Hosts, value) || len(w.Hosts) == maxMany {
			return fmt.Errorf("%q cannot be a host, is named twice, or there are more than %d", value, maxMany)
		}
		w.Hosts = append(w.Hosts, value)
		return nil
	case isVar:
		return w.variable(name, value)
	}
	return fmt.Errorf("it has a parameter that is not known here")
}

func (w *Wish) variable(name, value string) error {
	switch {
	case len(name) > maxName || !reVar.MatchString(name):
		return fmt.Errorf("it has a variable whose name is none")
	case slices.ContainsFunc(w.Vars, func(v Variable) bool { return v.Name == name }) || len(w.Vars) == maxMany:
		return fmt.Errorf("the variable %s is named twice, or there are more than %d", name, maxMany)
	case rePower.MatchString(name):
		return fmt.Errorf("the variable %s decides what runs, not what with", name)
	case reSecret.MatchString(name):
		return fmt.Errorf("the variable %s sounds like a secret, and links are kept by browsers, chats and mail", name)
	case !reValue.MatchString(value):
		return fmt.Errorf("the value of %s has more than letters, digits, spaces and . _ - / : @ , + = %%, which a shell or make could take for something to do", name)
	case reOption.MatchString(value):
		return fmt.Errorf("the value of %s could be taken for an option", name)
	}
	w.Vars = append(w.Vars, Variable{name, value})
	return nil
}

// whole reports what is missing, or too much together.
func (w *Wish) whole() error {
	switch {
	case w.Target == "":
		return fmt.Errorf("it names no target")
	case (w.Project == "") == (w.Dir == ""):
		return fmt.Errorf("it names not one project or folder")
	case len(w.Hosts) > 0 && w.Dir == "":
		return fmt.Errorf("it names hosts, and no folder there")
	case len(w.Hosts) == 0 && !reAbsolute.MatchString(w.Dir) && w.Dir != "":
		return fmt.Errorf("its folder is not an absolute one")
	}
	return nil
}

var (
	reName   = regexp.MustCompile(`^[\pL\pN_][\pL\pN_. -]*$`)
	reTarget = regexp.MustCompile(`^[A-Za-z0-9_.][A-Za-z0-9_./@+-]*$`)
	reHost   = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.@:-]{0,254}$`)
	reVar    = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]*$`)
	reValue  = regexp.MustCompile(`^[\p{Latin}0-9 ._/:@,+=%-]*$`)
	reOption = regexp.MustCompile(`(^| )[-+]`)
	// A folder of a server (\\server\share) is none: to look at it is to log in there.
	reAbsolute = regexp.MustCompile(`^(/|[A-Za-z]:[\\/])($|[^\\/])`)
	reBelow    = regexp.MustCompile(`^~($|/)`)
	rePower    = regexp.MustCompile(`^(?i:MAKE.*|GNUMAKEFLAGS|MFLAGS|SHELL|PATH|ENV|BASH_ENV|IFS|HOME|LD_.*|DYLD_.*|GIT_.*|.*_(COMMAND|PRELOAD))$`)
	reSecret   = regexp.MustCompile(`(?i)pass(word|wd|phrase)|pwd|secret|token|credential|(api|private|access|signing)[_.-]?key`)
)

// isFolder: whether it is absolute or below the home directory, and goes nowhere
// else from there.
func isFolder(dir string) bool {
	if !reAbsolute.MatchString(dir) && !reBelow.MatchString(dir) {
		return false
	}
	return !slices.Contains(strings.FieldsFunc(dir, func(r rune) bool { return r == '/' || r == '\\' }), "..")
}

// plain: every character is one that can be seen, and stands where it is.
func plain(text string) bool {
	if !utf8.ValidString(text) {
		return false
	}
	for _, r := range text {
		if !unicode.IsPrint(r) || unicode.Is(unicode.Mn, r) || unicode.Is(unicode.Me, r) {
			return false
		}
	}
	return true
}
