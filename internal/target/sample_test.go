package target

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The sample's targets do what their help says.
func TestSample_Runs(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("make"); err != nil {
		t.Skip("make is not installed")
	}
	tests := []struct {
		args, input, want string
		fails             bool
	}{
		{args: "hello", want: "Hello, world!\n"},
		{args: `hello NAME=O'Neil"s`, want: "Hello, O'Neil\"s!\n"},
		{args: "asks", input: "Ada\n", want: "What is your name? Nice to meet you, Ada.\n"},
		{args: "slow COUNT=1", want: "step 1 of 1\n"},
		{args: "fails", want: "looking for the flux capacitor\n", fails: true},
	}
	for _, tt := range tests {
		argv := append([]string{"--no-print-directory", "-C", filepath.Join("..", "..", "build", "sample")}, strings.Fields(tt.args)...)
		cmd := exec.CommandContext(t.Context(), "make", argv...)
		// Not the caller's environment: NAME is set on WSL, MAKEFLAGS under make.
		cmd.Env = []string{"PATH=/usr/local/bin:/usr/bin:/bin", "LC_ALL=C"}
		cmd.Stdin = strings.NewReader(tt.input)
		out, err := cmd.Output()
		if string(out) != tt.want || (err != nil) != tt.fails {
			t.Errorf("make %s printed %q, %v; want %q, failure %v", tt.args, out, err, tt.want, tt.fails)
		}
	}
}

// The window and `vmo --json` rely on these names, and on lists that are never null.
func TestMakefile_JSON(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ text, want string }{
		{"A ?= 1 ## h\nsh: ; $(A) ## x\nfoo\n", `{"file":"Makefile","files":["Makefile"],"targets":[{"name":"sh","help":"x","section":"","file":"Makefile","line":2,` +
			`"phony":false,"interactive":true,"why":"name","computed":false,"params":[{"name":"A","default":"1","help":"h","file":"Makefile","line":1}]}],` +
			`"params":[{"name":"A","default":"1","help":"h","file":"Makefile","line":1}],"problems":[{"file":"Makefile","line":3,` +
			`"text":"this is neither a rule nor an assignment (missing separator); make stops here"}]}`},
		{"", `{"file":"Makefile","files":["Makefile"],"targets":[],"params":[],"problems":[]}`},
		{"a: ; x\n", `{"file":"Makefile","files":["Makefile"],"targets":[{"name":"a","help":"","section":"","file":"Makefile","line":1,` +
			`"phony":false,"interactive":false,"why":"","computed":false,"params":[]}],"params":[],"problems":[]}`},
	} {
		got, err := json.Marshal(parseText(t, tt.text))
		if err != nil || string(got) != tt.want {
			t.Errorf("got  %s, %v\nwant %s", got, err, tt.want)
		}
	}
}
