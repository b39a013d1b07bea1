package archive

import (
	"errors"
	"strings"
	"testing"

	"vmorchestrator/internal/job"
)

func TestConfig_RefusesWhatOthersCouldRead(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		cfg  Config
		want string // in the error; empty: none
	}{
		{"checked TLS", Config{URL: "postgres://anna@db.example/vmo?sslmode=verify-full"}, ""},
		{"TLS if the server likes", Config{URL: "postgres://anna@db.example/vmo"}, "not check"},
		{"no TLS", Config{URL: "postgres://anna@db.example/vmo?sslmode=disable"}, "not check"},
		{"TLS with anybody", Config{URL: "host=db.example user=anna dbname=vmo sslmode=require"}, "not check"},
		{"a name that is not checked", Config{URL: "postgres://anna@db.example/vmo?sslmode=verify-ca"}, "not check"},
		{"the second server without", Config{URL: "postgres://anna@127.0.0.1,db.example/vmo"}, "not check"},
		{"this machine", Config{URL: "postgres://anna@localhost/vmo"}, ""},
		{"this machine by its address", Config{URL: "postgres://anna@[::1]:5433/vmo"}, ""},
		{"a socket", Config{URL: "host=/run/postgresql dbname=vmo"}, ""},
		{"a password in a file", Config{URL: "postgres://anna:hunter2@localhost/vmo", FromFile: true}, "contains a password"},
		{"a password among the parameters", Config{URL: "postgres://anna@localhost/vmo?password=hunter2", FromFile: true}, "contains a password"},
		{"a password in keywords", Config{URL: "host=localhost password = 'hunter2'", FromFile: true}, "contains a password"},
		{"a password that is no URL", Config{URL: "postgres://anna:hun%ter2@localhost/vmo", FromFile: true}, "contains a password"},
		{"a password in the environment", Config{URL: "postgres://anna:hunter2@localhost/vmo"}, ""},
		{"no URL", Config{URL: "postgres://anna:hunter2@localhost:x/vmo"}, "invalid"},
		{"no URL at all", Config{URL: "hunter2"}, "invalid"},
		{"the port is the password", Config{URL: "postgres://anna:hun:ter2@localhost/vmo"}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := test.cfg.parse()
			if (err == nil) != (test.want == "") || err != nil && (!strings.Contains(err.Error(), test.want) || job.HintOf(err) == "") {
				t.Errorf("got %v (hint %q), want %q", err, job.HintOf(err), test.want)
			}
			if err != nil && strings.Contains(err.Error()+job.HintOf(err), "hunter2") {
				t.Errorf("the password is shown: %v", err)
			}
			if s := Open(test.cfg).Status(); strings.Contains(s.Server, "ter2") {
				t.Errorf("the password is shown: %s", s.Server)
			}
		})
	}
}

func TestConfig_WithoutOneThereIsNoArchive(t *testing.T) {
	if _, err := (&Config{}).parse(); !errors.Is(err, ErrNotConfigured) {
		t.Errorf("got %v", err)
	}
	if s := Open(Config{}).Status(); s.State != Off {
		t.Errorf("state %q", s.State)
	}
	t.Setenv("PGHOST", "/run/postgresql")
	if _, err := (&Config{}).parse(); err != nil {
		t.Errorf("with PGHOST: %v", err)
	}
}
