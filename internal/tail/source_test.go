package tail

import (
	"strings"
	"testing"
	"time"
)

func TestParse_ReadsWhatStringWrites(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"docker:web", "docker:shop_web-1.x", "docker:3f2a9c", "compose:web", "journal:nginx", "journal:nginx.service", `journal:dev-disk\x2dby.mount`,
		"journal:user@1000.service", "file:/var/log/a b.log", "file:~/x:y.log", "cmd:tail -F /x | grep -v 'a:b'",
	} {
		s, err := Parse(text)
		if err != nil || s.String() != text {
			t.Errorf("%q: %q, %v", text, s, err)
		}
	}
}

func TestParse_SaysWhatIsAllowed(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"web":               "a log is docker:CONTAINER, compose:SERVICE, journal:UNIT, file:PATH or cmd:COMMAND",
		"":                  "a log is docker:CONTAINER",
		"k8s:pod":           "a log is docker:CONTAINER",
		"docker:":           "nothing stands behind the colon",
		"docker:-f":         "only letters, digits",
		"docker:a b":        "only letters, digits",
		"docker:$(reboot)":  "only letters, digits",
		"compose:../x":      "only letters, digits",
		"journal:--vacuum":  "only letters, digits",
		"journal:a;b":       "only letters, digits",
		"file:var/log":      "must begin with / or ~/",
		"file:/a\nb":        "control characters",
		"cmd:a\x00b":        "NUL",
		"cmd: ":             "nothing stands behind the colon",
		"docker:\x1b[2Jweb": "only letters, digits",
	} {
		_, err := Parse(text)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
		if err != nil && strings.ContainsAny(err.Error(), "\x1b\n\x00") {
			t.Errorf("%q: the error has control characters", text)
		}
	}
}

func TestCommand_ValuesAreArgumentsAndNotPartOfTheScript(t *testing.T) {
	t.Parallel()
	o := Options{Since: 90 * time.Second, Lines: -1, Follow: true, Nonce: "NONCENONCENONCE1", Engine: "rm -rf /"}
	for text, want := range map[string]string{
		"docker:web":     "NONCENONCENONCE1||docker|web||90s||y||",
		"journal:nginx":  "NONCENONCENONCE1|nginx|-90s||y|",
		"file:/x '$(y)'": "NONCENONCENONCE1|/x '$(y)'||y||||",
	} {
		s, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		argv := s.Command(o)
		if got := strings.Join(argv[4:], "|"); argv[0] != "sh" || got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
		if strings.Contains(argv[2], "NONCE1") {
			t.Errorf("%s: a value is in the script", text)
		}
	}
	if got := (Source{Kind: Cmd, Name: "a; b"}).Command(o); strings.Join(got, "|") != "sh|-c|a; b" {
		t.Errorf("%q", got)
	}
}
