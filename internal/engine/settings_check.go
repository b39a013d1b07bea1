package engine

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"vmorchestrator/internal/archive"
)

// settingNames are those that this program knows.
var settingNames = func() (names []string) {
	for f := range reflect.TypeFor[settings]().Fields() {
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" && name != "-" {
			names = append(names, name)
		}
	}
	return names
}()

// unknown are the settings of another version: they have no effect here, and stay.
func unknown(data []byte) (map[string]json.RawMessage, error) {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(data, &all); err != nil {
		return nil, err
	}
	for _, name := range settingNames {
		delete(all, name)
	}
	return all, nil
}

// faults tells what stands in the settings and has no effect, each with its line.
// They can be read: what keeps them from that is an error.
func (f *settingsFile) faults(data []byte) (faults []string) {
	say := func(line int, format string, args ...any) {
		faults = append(faults, fmt.Sprintf("%s:%d: ", f.path, line)+fmt.Sprintf(format, args...))
	}
	engines, modes := []string{EngineAuto, EngineBuiltIn, EngineOpenSSH}, []string{ModeAuto, ModeStream, ModeTerminal}
	walk(data, func(path []string, value json.Token, line int) {
		text, isText := value.(string)
		switch name := path[0]; {
		case len(path) == 1 && !slices.Contains(settingNames, name):
			say(line, "%.60q is not a setting of this version", name)
		case !isText:
		case name == "engines" && !slices.Contains(engines, text):
			say(line, "%.60q is not an engine: auto, built-in or openssh", text)
		case name == "modes" && !slices.Contains(modes, text):
			say(line, "%.60q is not a mode: auto, stream or terminal", text)
		case name == "folders" && !filepath.IsAbs(text):
			say(line, "the folder %.200q is not absolute", text)
		case name == "database" && text != "":
			look := archive.Open(archive.Config{URL: text, FromFile: true})
			if err := look.Status().Error; err != nil {
				say(line, "%v", err)
			}
			look.Close()
		}
	})
	return faults
}

// walk calls see for each key at the top and for each text below, with the names of
// the keys that lead to it and its line.
func walk(data []byte, see func(path []string, value json.Token, line int)) {
	d := json.NewDecoder(bytes.NewReader(data))
	line := func() int { return 1 + bytes.Count(data[:d.InputOffset()], []byte{'\n'}) }
	var value func(path []string)
	value = func(path []string) {
		token, err := d.Token()
		if err != nil {
			return
		}
		if len(path) > 0 && (len(path) == 1 || token != json.Delim('{') && token != json.Delim('[')) {
			see(path, token, line())
		}
		switch token {
		case json.Delim('{'):
			for d.More() {
				key, err := d.Token()
				if err != nil {
					return
				}
				value(append(slices.Clone(path), fmt.Sprint(key)))
			}
			_, _ = d.Token() // its end
		case json.Delim('['):
			for d.More() {
				value(append(slices.Clone(path), ""))
			}
			_, _ = d.Token()
		}
	}
	value(nil)
}
