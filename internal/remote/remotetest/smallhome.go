package remotetest

import (
	"strings"
	"testing"
)

// FillHome takes all the space that is left in the small home, and returns what
// gives it back. It refuses to fill any other file system.
func (s *Server) FillHome(t testing.TB) (free func()) {
	t.Helper()
	do := func(script string) {
		t.Helper()
		session, err := s.Client(t, s.cfg.Hosts[0]).NewSession()
		if err != nil {
			t.Fatal(err)
		}
		defer session.Close()
		session.Stdin = strings.NewReader(script)
		if out, err := session.CombinedOutput("exec /bin/sh -s"); err != nil {
			t.Fatalf("in the small home: %v: %s", err, out)
		}
	}
	do(`cd || exit
set -- $(stat -f -c '%T %b %S' .)
[ "$1" = tmpfs ] && [ $(($2 * $3)) -le 1048576 ] || { echo "this is not it: $*"; exit 1; }
cat /dev/zero >filler 2>/dev/null
! echo x >more 2>/dev/null || { echo "it is not full"; exit 1; }
rm more`)
	return func() { t.Helper(); do("rm ~/filler") }
}
