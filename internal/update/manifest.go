package update

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"
)

// format is that of the manifest. What is added leaves it as it is; a change of
// what is there raises it, and is refused here.
const format = 1

// Manifest is what is said about a release, by whom it was signed.
type Manifest struct {
	Format  int       `json:"format"`
	Program string    `json:"program"` // so that nothing else that was signed with the key passes for one
	Version string    `json:"version"`
	Date    time.Time `json:"date"`
	Expires time.Time `json:"expires"` // until when it may be believed that nothing is newer
	Notes   string    `json:"notes"`   // what is new, plain text; hostile all the same
	Schema  int       `json:"archive_schema"`
	Journal int       `json:"journal_format"`
	Files   []File    `json:"files"`
}

// File is one file of a release, beside the manifest.
type File struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

const (
	mostManifest = 256 << 10
	mostNotes    = 64 << 10
	mostFiles    = 200
	mostFile     = 1 << 30
)

var (
	versionShape = regexp.MustCompile(`^v?[0-9A-Za-z][0-9A-Za-z.-]{0,63}$`)
	// Names stand in command lines that are shown: nothing in them means anything to a shell.
	nameShape = regexp.MustCompile(`^[0-9A-Za-z][0-9A-Za-z._+~-]{0,127}$`)
	sumShape  = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

// parse reads a manifest whose signature is right, and still takes nothing for granted.
func parse(data []byte) (Manifest, error) {
	var m Manifest
	if len(data) > mostManifest {
		return m, fmt.Errorf("read the manifest of the release: it has %d bytes, more than %d", len(data), mostManifest)
	}
	err := json.Unmarshal(data, &m)
	if err == nil {
		err = m.sound()
	}
	if err != nil {
		return Manifest{}, fmt.Errorf("read the manifest of the release: %w", err)
	}
	return m, nil
}

func (m Manifest) sound() error {
	switch {
	case m.Program != "vm-orchestrator":
		return errors.New("it is about another program")
	case m.Format != format:
		return fmt.Errorf("it has format %d, this program knows %d", m.Format, format)
	case !versionShape.MatchString(m.Version):
		return errors.New("it names no version")
	case m.Date.IsZero() || !m.Expires.After(m.Date):
		return errors.New("its times cannot be")
	case len(m.Notes) > mostNotes || !utf8.ValidString(m.Notes) || strings.ContainsRune(m.Notes, 0):
		return errors.New("its notes are too long, or no text")
	case m.Schema < 0 || m.Journal < 0:
		return errors.New("its formats cannot be")
	case len(m.Files) > mostFiles:
		return errors.New("it names too many files")
	}
	for _, f := range m.Files {
		if !nameShape.MatchString(f.Name) || f.Size < 0 || f.Size > mostFile || !sumShape.MatchString(f.SHA256) {
			return fmt.Errorf("its file %.40q cannot be", f.Name)
		}
	}
	return nil
}
