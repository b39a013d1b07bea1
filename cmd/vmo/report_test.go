//go:build unix

package main

import (
	"archive/tar"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"testing"
)

// unpack reads a report.
func unpack(t *testing.T, path string) map[string]string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("others may read the report: %v, %v", info.Mode(), err)
	}
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	parts := map[string]string{}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return parts
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		name, ok := strings.CutPrefix(h.Name, "vm-orchestrator-report/")
		if !ok || h.Uname != "" || h.Uid != 0 || h.Gname != "" {
			t.Errorf("the header of a part tells about its owner, or is not in the folder: %+v", h)
		}
		parts[name] = string(text)
	}
}

// Secrets are planted everywhere a report could find them, and the report is made
// where everything goes well, and where everything that can fails with an error that
// has them.
func TestDoctor_BundleTellsNoSecrets(t *testing.T) {
	t.Parallel()
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	machine, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	for name, prepare := range map[string]func(h house){
		"all is well": func(house) {},
		"settings that cannot be read": func(h house) {
			write(t, filepath.Join(h.dir, "config", "vm-orchestrator", "settings.json"), `{"database": planted-settings-text}`)
		},
		"a journal of a newer version": func(h house) {
			write(t, filepath.Join(h.dir, "planted-data", "journal.json"), `{"format":99,"id":"x"}`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			env := []string{
				"VMO_DATABASE_URL=postgres://planted-login:planted-password@planted-server.invalid:5432/planted-dbname?connect_timeout=1",
				"PGPASSWORD=planted-pgpassword", "PLANTED_TOKEN=planted-token", "USER=planted-user", "LOGNAME=planted-user",
				"PATH=" + h.dir + "/planted-path:" + os.Getenv("PATH"), "SSH_AUTH_SOCK=/planted-agent/socket", "VMO_DATA_DIR=" + h.dir + "/planted-data",
				"VMO_SSH_CONFIG=" + h.dir + "/planted-ssh-config", "PWD=" + h.dir,
			}
			project := filepath.Join(h.dir, "planted-project")
			for _, dir := range []string{project + "/environments/planted-environment", h.dir + "/config/vm-orchestrator", h.dir + "/config/mkcli", h.dir + "/planted-path"} {
				if err := os.MkdirAll(dir, 0o700); err != nil {
					t.Fatal(err)
				}
			}
			write(t, h.dir+"/planted-ssh-config", "Host planted-host\n HostName planted-address.invalid\n User planted-sshuser\n IdentityFile ~/planted-key\nHost numbered\n HostName 192.0.2.77\n nonsense planted-problem\n")
			write(t, project+"/environments/planted-environment/config.yml", "planted-problem: [\n")
			write(t, project+"/Makefile", "planted-target:\n\t@echo planted-output\n")
			write(t, h.dir+"/config/mkcli/registry", "planted-alias="+project+"\n")
			write(t, h.dir+"/config/vm-orchestrator/settings.json", `{"folders":["`+project+`"],"trusted":{"`+project+`":"planted-hash"},"modes":{"`+project+`":{"planted-target":"stream"}},`+
				`"engines":{"planted-host":"openssh"},"database":"postgres://planted-login2:planted-password2@planted-server2.invalid/planted-dbname2",`+
				`"history":{"planted-login@planted-server.invalid:5432/planted-dbname":"2026-01-01T00:00:00Z"}}`)
			write(t, h.dir+"/planted-path/make", "#!/bin/sh\necho GNU Make 4.99, built by planted-user on planted-host with $PLANTED_TOKEN for planted-sshuser at planted-address.invalid in "+project+", planted-alias\n")
			if err := os.Chmod(h.dir+"/planted-path/make", 0o700); err != nil {
				t.Fatal(err)
			}
			run := h.command("vmo", "exec", "--", "sh", "-c", "echo planted-output; echo planted-argv >&2; :")
			run.Env = append(run.Env, env...)
			if out, err := run.CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			prepare(h)

			var hosts string
			for _, file := range []string{"1.tar.gz", "2.tar.gz"} {
				cmd := h.command("vmo", "doctor", "--bundle", file)
				cmd.Env = append(cmd.Env, env...)
				said, err := cmd.CombinedOutput()
				if err != nil {
					t.Fatalf("%v: %s", err, said)
				}
				for _, want := range []string{"README.txt", "doctor.json", "hosts.json", "settings.json", "environment.json", "Look at it before you send it"} {
					if !strings.Contains(string(said), want) {
						t.Errorf("it does not say %q:\n%s", want, said)
					}
				}
				parts := unpack(t, filepath.Join(h.dir, file))
				for part, text := range parts {
					// The names of our own temporary folder and of whoever runs the test are secrets, too.
					for _, secret := range []string{"planted", "192.0.2.77", h.dir, "numbered", me.HomeDir + "/"} {
						if at := strings.Index(strings.ToLower(text), strings.ToLower(secret)); at >= 0 {
							t.Errorf("%s has %q: …%s…", part, secret, text[max(0, at-80):min(len(text), at+80)])
						}
					}
					for _, word := range strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyz0123456789_-", r) }) {
						if part != "README.txt" && (word == strings.ToLower(me.Username) || word == strings.ToLower(machine)) {
							t.Errorf("%s has the word %q", part, word)
						}
					}
				}
				// And it is worth sending.
				var checks []struct {
					Name, Found string
					OK          bool
				}
				if err := json.Unmarshal([]byte(parts["doctor.json"]), &checks); err != nil {
					t.Fatal(err)
				}
				found := map[string]string{}
				for _, c := range checks {
					found[c.Name] = c.Found
				}
				if found["vmo"] != version || !strings.HasPrefix(found["make"], "GNU Make 4.99, built by <user> on host-") || !strings.Contains(found["PATH"], " folders") || found["journal"] == "" {
					t.Errorf("found is %q", found)
				}
				if name == "all is well" && (!strings.Contains(found["database"], "host-") || !strings.Contains(found["journal"], "1 job,")) {
					t.Errorf("found is %q", found)
				}
				if strings.Count(parts["hosts.json"], `"host": "host-`) != 2 {
					t.Errorf("hosts are %s", parts["hosts.json"])
				}
				if name != "a journal of a newer version" && hosts != "" && hosts != parts["hosts.json"] {
					t.Errorf("pseudonyms are %s, and were %s", parts["hosts.json"], hosts)
				}
				hosts = parts["hosts.json"]
			}
			if out, errs, code := h.vmo("doctor", "--bundle", "1.tar.gz"); code == 0 || !strings.Contains(errs, "exists") {
				t.Errorf("a file that is there: exit code %d, %s%s", code, out, errs)
			}
		})
	}
}
