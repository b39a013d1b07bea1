//go:build unix

package tail

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// discover runs Discover on a host.
func (h *host) discover() ([]Found, []string) {
	h.t.Helper()
	cmd := exec.CommandContext(h.t.Context(), "sh", Discover()[1:]...)
	cmd.Env = []string{"PATH=" + h.bin, "FAKE=" + h.dir, "HOME=" + h.dir, "GORACE=atexit_sleep_ms=0"}
	out, err := cmd.Output()
	if err != nil {
		h.t.Fatal(err)
	}
	return ParseDiscovered(out)
}

func TestDiscover_ListsWhatTheHostHas(t *testing.T) {
	t.Parallel()
	h := newHost(t, "sh")
	h.has("docker", "podman", "journalctl")
	h.put("docker", container{ID: "1", Name: "shop-web-1", Image: "nginx:1", Running: true, Service: "web", Dir: "/srv/shop"})
	h.put("docker", container{ID: "2", Name: "old", Image: "redis"})
	h.put("podman", container{ID: "3", Name: "pod", Image: "alpine", Running: true})
	h.write("journal", `{"__CURSOR":"x","_SYSTEMD_UNIT":"nginx.service"}`+"\n")
	h.write("bin/systemctl", "#!/bin/sh\necho 'cron.service loaded active running Regular background program processing daemon'\n"+
		"echo '● db.service loaded failed failed Database'\necho 'nginx.service loaded active running A web server'\n")
	if err := os.Chmod(filepath.Join(h.bin, "systemctl"), 0o755); err != nil {
		t.Fatal(err)
	}
	h.write("app.log", "x\n")
	found, problems := h.discover()
	var got []Found
	for _, f := range found {
		if f.Kind != File || strings.HasPrefix(f.Name, filepath.Join(h.dir, "app")) {
			f.Name = strings.ReplaceAll(f.Name, h.dir, "")
			f.Source = strings.ReplaceAll(f.Source, h.dir, "")
			got = append(got, f)
		}
	}
	want := []Found{
		{"compose:web", Compose, "web", "project shop", "Up 3 days", "/srv/shop", true},
		{"docker:pod", Docker, "pod", "alpine, podman", "Up 3 days", "", true},
		{"docker:shop-web-1", Docker, "shop-web-1", "nginx:1", "Up 3 days", "", true},
		{"docker:old", Docker, "old", "redis", "Exited (0) 2 hours ago", "", false},
		{"journal:nginx.service", Journal, "nginx.service", "A web server", "running", "", true},
		{"journal:cron.service", Journal, "cron.service", "Regular background program processing daemon", "running", "", false},
		{"journal:db.service", Journal, "db.service", "Database", "failed", "", false},
		{"file:/app.log", File, "/app.log", "", "", "", false},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if len(problems) != 0 {
		t.Errorf("problems: %q", problems)
	}
}

func TestDiscover_SaysWhyAPartCannotBeAsked(t *testing.T) {
	t.Parallel()
	h := newHost(t, "sh")
	h.notRoot()
	h.has("docker", "journalctl", "sudo")
	h.write("docker/refuses", "permission denied while trying to connect")
	h.write("journal", "")
	h.write("bin/systemctl", "#!/bin/sh\necho 'System has not been booted with systemd' >&2\nexit 1\n")
	if err := os.Chmod(filepath.Join(h.bin, "systemctl"), 0o755); err != nil {
		t.Fatal(err)
	}
	_, problems := h.discover()
	all := strings.Join(problems, "\n")
	for _, want := range []string{"docker cannot be asked: permission denied", "usermod -aG docker ops", "systemd cannot be asked: System has not been booted"} {
		if !strings.Contains(all, want) {
			t.Errorf("%q is not in\n%s", want, all)
		}
	}
	h.write("sudoers", "")
	h.put("docker", container{ID: "1", Name: "web", Image: "nginx:1", Running: true})
	found, problems := h.discover()
	if len(found) == 0 || found[0].Source != "docker:web" || strings.Contains(strings.Join(problems, "\n"), "docker") {
		t.Errorf("with sudo: %+v, %q", found, problems)
	}
}

func TestParseDiscovered_IsNotDeceived(t *testing.T) {
	t.Parallel()
	found, problems := ParseDiscovered([]byte("C\tdocker\t-f\timg\tUp\nC\tdocker\tok\t\x1b[2J\tUp\nU\t$(x)\trunning\td\nR\tnone\nF\tvar/log\nF\nP\nX\n\n" +
		strings.Repeat("P\tx\n", 100) + "F\t/ok\n\xff\n" + "F\t/" + strings.Repeat("x", 2000) + "\n"))
	if len(found) != 1 || found[0].Source != "file:/ok" || len(problems) != 20 {
		t.Errorf("%+v, %d problems", found, len(problems))
	}
}
