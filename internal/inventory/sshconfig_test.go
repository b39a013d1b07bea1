package inventory

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func aliasesOf(s Scan) []string {
	var list []string
	for _, h := range s.Hosts {
		list = append(list, h.Name)
	}
	return list
}

func TestScanSSH_ListsNamesWithTheirPlaces(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	config := write(t, home, ".ssh/config", strings.Join([]string{
		"User everyone", // 1
		"Include conf.d/*.conf ~/.ssh/own ${NOT_SET}", // 2: the last one is an error
		"Host web1 web2 *.example.com !web3 web?",     // 3
		"\tHostName %h.internal",                      // 4
		"  Port=2222 # as ever",                       // 5
		"Host\tdb \"cache\" 'queue'\t# comment",       // 6
		"User admin",                                  // 7
		"Match host web1 exec \"touch /nonexistent\"", // 8
		"HostName wrong",                              // 9
		"Host web1",                                   // 10
		"User second",                                 // 11
		"Host *",                                      // 12
		"Include conf.d/late",                         // 13
	}, "\n"))
	a := write(t, home, ".ssh/conf.d/a.conf", "Host inc-a\nHostName 10.0.0.1\nInclude nested\n")
	nested := write(t, home, ".ssh/nested", "Host inc-n\nHost inc-a\n")
	write(t, home, ".ssh/conf.d/.hidden.conf", "Host hidden\n")
	late := write(t, home, ".ssh/conf.d/late", "Host late\n")

	s := ScanSSH("", home)
	if want := []string{"inc-a", "web1", "web2", "db", "cache", "queue", "late"}; !slices.Equal(aliasesOf(s), want) {
		t.Errorf("hosts %q, want %q", aliasesOf(s), want)
	}
	web1 := s.Hosts[1]
	if web1.Address != "web1.internal" || web1.User != "second" || web1.Port != 2222 || web1.Destination != (Destination{Alias: "web1"}) {
		t.Errorf("web1: %+v", web1)
	}
	for i, want := range []Origin{
		{"name", "web1", config, 3}, {"address", "%h.internal", config, 4}, {"port", "2222", config, 5},
		{"name", "web1", config, 10}, {"user", "second", config, 11},
	} {
		if i >= len(web1.Origins) || web1.Origins[i] != want {
			t.Errorf("web1 origin %d: %+v, want %+v", i, web1.Origins, want)
		}
	}
	if o := s.Hosts[0].Origins[0]; o.File != a || o.Line != 1 {
		t.Errorf("inc-a comes from %+v", o)
	}
	for _, path := range []string{config, a, nested, late, home + "/.ssh/conf.d/"} {
		if !slices.Contains(s.Looked, path) {
			t.Errorf("%s is not in %q", path, s.Looked)
		}
	}
	if len(s.Problems) != 1 || s.Problems[0].File != config || s.Problems[0].Line != 2 || !s.Runs {
		t.Errorf("problems %+v, runs %v", s.Problems, s.Runs)
	}
}

// What an included file says within a Host block is only for the hosts of that
// block.
func TestScanSSH_PassesOverNamesThatCannotBeReached(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	write(t, home, ".ssh/config", "Host web* !web9\nInclude inner\nMatch all\nInclude all\n")
	write(t, home, ".ssh/inner", "Host web1 db1 web9\n")
	write(t, home, ".ssh/all", "Host db2\n")
	if got := aliasesOf(ScanSSH("", home)); !slices.Equal(got, []string{"web1", "db2"}) {
		t.Errorf("hosts %q", got)
	}
}

func TestScanSSH_OneBadLineOrFileCostsNoOther(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	long := strings.Repeat("x", maxLine+1)
	for _, c := range []struct{ name, config, problem string }{
		{"unknown keyword", "FooBar yes", "no keyword"},
		{"no argument", "Host", "no argument"},
		{"open quote", "Host \"x", "invalid quotes"},
		{"dash", "Host -oProxyCommand=x", "dash"},
		{"shell", "Host a;b", "shells"},
		{"quoted blank", "Host \"a b\"", "blank"},
		{"user", "Host root@x", "@"},
		{"long line", "Host " + long, "longer than"},
		{"long comment", "# " + long, ""},
		{"NUL", "User a\x00b", "NUL"},
		{"Latin-1", "Host caf\xe9", "UTF-8"},
		{"ignored keyword", "IgnoreUnknown Foo*\nFooBar yes", ""},
		{"Apple", "UseKeychain yes", ""},
		{"missing include", "Include nowhere nowhere/*", ""},
		{"include of a folder", "Include folder", ""},
		{"include of itself", "Include config", "includes itself"},
		{"include of a large file", "Include large", "larger than"},
		{"include of UTF-16", "Include wide", "UTF-16"},
		{"include of a device", "Include /dev/zero", "regular file"},
		{"include that others can write", "Include open", "others"},
		{"Match that nobody knows", "Match weather rain", ""},
		{"byte order mark", "Include bom", "byte order mark"},
		{"hash", "Host a#b", ""}, {"equals", "Host a=b =c", ""},
	} {
		write(t, home, ".ssh/wide", "\xff\xfeH\x00o\x00")
		write(t, home, ".ssh/large", strings.Repeat("# comment\n", maxFile/10+1))
		write(t, home, ".ssh/bom", byteOrderMark+"Host bom\n")
		write(t, home, ".ssh/folder/x", "Host x\n")
		if err := os.Chmod(write(t, home, ".ssh/open", ""), 0o666); err != nil {
			t.Fatal(err)
		}
		write(t, home, ".ssh/config", "Host before\n"+c.config+"\nHost after\n  Port 23\n")
		s := ScanSSH("", home)
		for _, want := range []string{"before", "after"} {
			if !slices.Contains(aliasesOf(s), want) {
				t.Errorf("%s: %q is not in %q", c.name, want, aliasesOf(s))
			}
		}
		if last := s.Hosts[len(s.Hosts)-1]; last.Port != 23 {
			t.Errorf("%s: %+v", c.name, last)
		}
		var texts []string
		for _, p := range s.Problems {
			texts = append(texts, p.Text)
			if p.File == "" {
				t.Errorf("%s: a problem without a file: %+v", c.name, p)
			}
		}
		all := strings.Join(texts, "\n")
		if (all == "") != (c.problem == "") || !strings.Contains(all, c.problem) {
			t.Errorf("%s: problems %q, want %q", c.name, all, c.problem)
		}
	}
}

func TestScanSSH_WithoutAnyFile(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	s := ScanSSH("", home)
	if len(s.Hosts)+len(s.Problems) != 0 || !slices.Equal(s.Looked, []string{filepath.Join(home, ".ssh/config")}) {
		t.Errorf("%+v", s)
	}
	if s := ScanSSH(filepath.Join(home, "named"), home); len(s.Problems) != 1 {
		t.Errorf("a file that was asked for is missing, but: %+v", s)
	}
}

// Sixteen files of which each includes the next one three times are read 21 million
// times by whoever does not count.
func TestScanSSH_EndsWhenIncludesMultiply(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	write(t, home, ".ssh/config", "Host first\nInclude f0\n")
	for i := range maxInclude {
		write(t, home, fmt.Sprintf(".ssh/f%d", i), strings.Repeat(fmt.Sprintf("Include f%d\n", i+1), 3))
	}
	s := ScanSSH("", home)
	if len(s.Hosts) != 1 || len(s.Problems) == 0 {
		t.Errorf("%d hosts, %d problems", len(s.Hosts), len(s.Problems))
	}
	e := &evaluator{local: thisMachine(home)}
	if err := e.evaluate(Destination{Alias: "first"}, home+"/.ssh/config"); !isRefusal(err) {
		t.Errorf("the evaluator took it: %v", err)
	}
}

// Listing is on the way to the first picture of the window: no command runs.
func TestScanSSH_NeverRunsMatchExec(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	mark := filepath.Join(home, "ran")
	write(t, home, ".ssh/config", "Match exec \"touch "+mark+"\"\nUser x\nHost web1\nInclude more\n")
	write(t, home, ".ssh/more", "Match exec \"touch "+mark+"\"\n")
	if s := ScanSSH("", home); !s.Runs || len(s.Hosts) != 1 {
		t.Errorf("%+v", s)
	}
	if _, err := os.Stat(mark); err == nil {
		t.Error("the command of a Match exec has run")
	}
}

func largeConfig(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "Host host-%d\n  HostName 10.%d.%d.%d\n  User admin\n  Port 22\n\n", i, i>>16, i>>8&255, i&255)
	}
	return b.String()
}

func TestScanSSH_ListsTwentyThousandHosts(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	write(t, home, ".ssh/config", largeConfig(20_000))
	s := ScanSSH("", home)
	if len(s.Hosts) != 20_000 || len(s.Problems) != 0 || s.Hosts[19_999].Address != "10.0.78.31" {
		t.Errorf("%d hosts, %d problems, last %+v", len(s.Hosts), len(s.Problems), s.Hosts[len(s.Hosts)-1])
	}
}

// BenchmarkScanSSH lists 20 000 hosts, which must take less than a second.
func BenchmarkScanSSH(b *testing.B) {
	home := b.TempDir()
	write(b, home, ".ssh/config", largeConfig(20_000))
	for b.Loop() {
		if s := ScanSSH("", home); len(s.Hosts) != 20_000 {
			b.Fatal(len(s.Hosts))
		}
	}
}
