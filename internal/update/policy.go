package update

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"vmorchestrator/internal/job"
)

// Policy is what whoever manages the machine decided. It can forbid, and say where
// releases are and who signs them; it cannot turn anything on.
type Policy struct {
	Forbidden bool
	URL       string // instead of any other; empty: the operator's
	Key       string // instead of the one that was built in
	File      string // where it stands; there may be none
	Err       error  // why it cannot be read; then everything is forbidden
}

const mostPolicy = 64 << 10

// ReadPolicy reads the policy of the machine, from a file or, if that is empty,
// where the system keeps it. One that is there and cannot be read forbids: whoever
// wrote it meant something.
func ReadPolicy(path string) Policy {
	if path == "" {
		path = PolicyFile()
	}
	p := Policy{File: path}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return p
	}
	var data []byte
	if err == nil {
		data, err = io.ReadAll(io.LimitReader(f, mostPolicy+1))
		err = errors.Join(err, f.Close())
	}
	line := 0
	if err == nil {
		line, err = p.parse(data)
	}
	if err != nil {
		where := path
		if line > 0 {
			where = fmt.Sprintf("%s:%d", path, line)
		}
		return Policy{Forbidden: true, File: path, Err: job.WithHint(fmt.Errorf("read the policy of this machine %s: %w", where, err),
			"Until it is corrected, nothing is asked. Whoever manages this machine can: see docs/release.md.")}
	}
	return p
}

// parse reads the policy; the line is that of what is wrong, 0 if it is none.
func (p *Policy) parse(data []byte) (line int, err error) {
	if len(data) > mostPolicy {
		return 0, fmt.Errorf("it has more than %d bytes", mostPolicy)
	}
	at := func(offset int) int { return 1 + bytes.Count(data[:min(max(offset, 0), len(data))], []byte{'\n'}) }
	var all, updates map[string]json.RawMessage
	if err := json.Unmarshal(data, &all); err != nil {
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			return at(int(syntax.Offset) - 1), err
		}
		return 1, errors.New("it is no object")
	}
	of := func(name string) int { return at(bytes.Index(data, []byte(`"`+name+`"`))) }
	for name := range all {
		if name != "updates" {
			return of(name), fmt.Errorf("there is nothing called %.40q", name)
		}
	}
	said, there := all["updates"]
	if !there {
		return 0, nil
	}
	var word string
	if json.Unmarshal(said, &word) == nil && said[0] == '"' { // null is a text to encoding/json
		if p.Forbidden = word == "forbidden"; !p.Forbidden {
			return of("updates"), fmt.Errorf("updates are %.40q, and can be \"forbidden\" or an object with url and key", word)
		}
		return 0, nil
	}
	if json.Unmarshal(said, &updates) != nil || updates == nil {
		return of("updates"), errors.New("updates can be \"forbidden\" or an object with url and key")
	}
	for name, value := range updates {
		into := map[string]*string{"url": &p.URL, "key": &p.Key}[name]
		if into == nil {
			return of(name), fmt.Errorf("there is nothing called %.40q in updates", name)
		}
		if json.Unmarshal(value, into) != nil || *into == "" {
			return of(name), fmt.Errorf("%s in updates is no text", name)
		}
	}
	if p.URL != "" {
		if _, err := (Source{URL: p.URL}).address(); err != nil {
			return of("url"), err
		}
	}
	if p.Key != "" {
		if _, err := (Source{Key: p.Key}).key(); err != nil {
			return of("key"), err
		}
	}
	return 0, nil
}
