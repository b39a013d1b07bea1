package engine

import (
	"context"
	"fmt"
	"time"

	"vmorchestrator/internal/archive"
	"vmorchestrator/internal/journal"
	"vmorchestrator/internal/update"
)

// The states of the check for newer releases.
const (
	UpdatesOff       = "off"       // nobody asked for it: nothing is asked
	UpdatesForbidden = "forbidden" // by the policy of the machine
	UpdatesUnknown   = "unknown"   // it is wanted, and it is not known where, or whom to believe
	UpdatesOn        = "on"
)

// UpdateStatus is how the check stands, and what it found last.
type UpdateStatus struct {
	State   string     `json:"state"`
	URL     string     `json:"url"`     // of the manifest that is asked for; empty if none is known
	Managed bool       `json:"managed"` // the policy of the machine says which
	Policy  string     `json:"policy"`  // the file of the policy
	Current string     `json:"current"` // the version of this program
	Checked *time.Time `json:"checked"` // when it was asked last
	Error   string     `json:"error"`   // why that failed, or why nothing can be asked
	Hint    string     `json:"hint"`
	Release *Release   `json:"release"` // one that is newer than this program, or may be
}

// Release is one that is newer.
type Release struct {
	Unsure  bool      `json:"unsure"` // this program was built without a version that could be compared
	Version string    `json:"version"`
	Date    time.Time `json:"date"`
	Notes   string    `json:"notes"`   // plain text, not to be believed to be nothing else
	Schema  string    `json:"schema"`  // what it means for the team's database
	Migrate bool      `json:"migrate"` // the database has to be migrated for it
	Journal string    `json:"journal"` // what it means for the journal here
	How     string    `json:"how"`     // how it is installed on this system; empty: not known
	From    string    `json:"from"`    // where its files are
	Files   []NewFile `json:"files"`   // those for this system
}

// NewFile is a file of a release.
type NewFile struct {
	Name   string `json:"name"`
	URL    string `json:"url"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// Status tells how it stands. It asks nobody.
func (u *Updates) Status() UpdateStatus {
	out, source := u.decided()
	if out.State != UpdatesOn {
		return out
	}
	last := u.last()
	if !last.At.IsZero() {
		out.Checked, out.Error, out.Hint = &last.At, last.Error, last.Hint
	}
	m, err := source.Open(last.Known)
	if err != nil {
		return out // there is none yet, or it is of another key
	}
	if order, known := update.Compare(m.Version, u.program.Version); !known || order > 0 {
		out.Release = newer(m, source)
		out.Release.Unsure = !known
	}
	return out
}

func newer(m update.Manifest, source update.Source) *Release {
	r := &Release{Version: m.Version, Date: m.Date, Notes: m.Notes, From: source.Place(""), Files: []NewFile{}, Migrate: m.Schema > archive.SchemaVersion}
	r.Schema, r.Journal = "The tables of the team's database stay as they are.", "The journal stays as it is."
	if r.Migrate {
		r.Schema = fmt.Sprintf("The tables of the team's database become version %d, from %d: before it, the owner of the archive runs vmo db migrate of the new version. "+
			"Machines that are not updated then may stop copying, say so, and go on recording.", m.Schema, archive.SchemaVersion)
	}
	if m.Journal > journal.FormatVersion {
		r.Journal = fmt.Sprintf("The journal of this machine becomes format %d, from %d. An older version leaves it alone afterwards, so there is no way back.", m.Journal, journal.FormatVersion)
	}
	files, how := m.For(update.This())
	r.How = how
	for _, f := range files {
		r.Files = append(r.Files, NewFile{f.Name, source.Place(f.Name), f.Size, f.SHA256})
	}
	return r
}

// check is the row of Examine.
func (u *Updates) check(context.Context) Check {
	s := u.Status()
	c := Check{Name: "updates", OK: true, Optional: true, shared: s.State}
	switch s.State {
	case UpdatesOff:
		c.Found = "not asked for: vmo update on"
	case UpdatesForbidden:
		c.Found, c.Origin = "forbidden on this machine", s.Policy
	case UpdatesUnknown:
	case UpdatesOn:
		c.Found, c.Origin = "asked for once a day while the window is open, not yet", s.URL
		if s.Checked != nil {
			c.Found = "nothing newer on " + s.Checked.Local().Format("2006-01-02 15:04")
		}
	}
	switch {
	case s.Error != "":
		c.OK, c.Found, c.Next = false, s.Error, s.Hint
	case s.Release != nil && s.Release.Unsure:
		c.Found = s.Release.Version + " is the newest, and cannot be compared with " + s.Current
		c.shared = "one that cannot be compared"
	case s.Release != nil:
		c.OK, c.Found, c.Next = false, s.Release.Version+" is there, this is "+s.Current, "See what changes, and how to install it, with: vmo update"
		c.shared = "a newer one is there"
	}
	return c
}
