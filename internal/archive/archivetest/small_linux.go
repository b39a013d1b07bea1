package archivetest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
)

// Small is a cluster with a tablespace named small on a disk of its own, which
// exists for the server alone: a tmpfs of so many megabytes in a mount namespace,
// half of it taken by a file that [Cluster.Free] removes.
func Small(t testing.TB, megabytes int) *Cluster {
	t.Helper()
	c, err := prepare(nil)
	if err == nil {
		c.small = megabytes
		err = c.launch()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.remove)
	c.Exec(t, "postgres", "CREATE TABLESPACE small LOCATION '"+filepath.Join(c.Dir, "small", "space")+"'")
	return c
}

// Free makes room on the small disk.
func (c *Cluster) Free(t testing.TB) {
	t.Helper()
	if err := os.Remove(filepath.Join("/proc", strconv.Itoa(c.cmd.Process.Pid), "root", c.Dir, "small", "ballast")); err != nil {
		t.Fatal(err)
	}
}

// onSmallDisk starts the server in a mount namespace with the small disk. What is
// filled there is looked at first.
func onSmallDisk(cmd *exec.Cmd, c *Cluster) {
	const script = `set -e
mkdir -p "$1"
mount -t tmpfs -o size="$2"m,mode=0777 tmpfs "$1"
[ "$(stat -f -c %T "$1")" = tmpfs ]
head -c "$3" /dev/zero > "$1/ballast"
mkdir "$1/space"
[ -z "$4" ] || chown "$4" "$1/space"
chmod 700 "$1/space"
shift 4
exec "$@"`
	enter := []string{"unshare", "--mount", "--propagation", "private"}
	again := []string{"unshare", "--user", "--map-user=" + strconv.Itoa(os.Getuid()), "--map-group=" + strconv.Itoa(os.Getgid())}
	owner := ""
	if uid, gid, is := server(); is {
		owner = fmt.Sprintf("%d:%d", uid, gid)
		again = []string{"setpriv", fmt.Sprintf("--reuid=%d", uid), fmt.Sprintf("--regid=%d", gid), "--clear-groups", "--pdeathsig", "KILL"}
		cmd.SysProcAttr.Credential = nil
	} else {
		enter = append(enter, "--map-root-user")
	}
	argv := append(enter, "sh", "-c", script, "sh", filepath.Join(c.Dir, "small"), strconv.Itoa(c.small), strconv.Itoa(c.small<<19), owner)
	argv = append(append(argv, again...), cmd.Args...)
	program, err := exec.LookPath(argv[0])
	cmd.Path, cmd.Args, cmd.Err = program, argv, err
}
