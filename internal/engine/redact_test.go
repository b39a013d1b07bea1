package engine

import (
	"strings"
	"testing"
)

func TestRedactor(t *testing.T) {
	t.Setenv("VMO_TEST_TOKEN", "hunter2-hunter2")
	t.Setenv("PATH", "/usr/bin:/srv/acme/bin:/bin")
	r := newRedactor("installation")
	r.host("web1")
	r.host("db.acme.example")
	r.host("localhost")
	r.name("anna", "<user>")
	r.database("postgres://vmo_login:pa%20ss@pg.acme.example:5432/ledgers?sslmode=require")
	r.database("host=pg2 dbname=other_name password=third sslmode=disable")
	web1, db, pg := r.pseudonym("host", "web1"), r.pseudonym("host", "db.acme.example"), r.pseudonym("host", "pg.acme.example")
	for text, want := range map[string]string{
		"web1 and WEB1, web1-key.pem, web1:22":                              web1 + " and " + web1 + ", " + web1 + "-key.pem, " + web1 + ":22",
		"web10 xweb1 is another":                                            "web10 xweb1 is another",
		"lookup db.acme.example. failed":                                    "lookup " + db + ". failed",
		"/home/anna/x, Hannah":                                              "/home/<user>/x, Hannah",
		"anna@web1, bob.b@unknown.example":                                  "<user>@" + web1 + ", <user>@unknown.example",
		"token is hunter2-hunter2!":                                         "token is <variable>!",
		"/srv/acme/bin/make, /usr/bin/make":                                 "<folder 2 of PATH>/make, /usr/bin/make",
		"ftp://u:p@files.example/x":                                         "ftp://files.example/x",
		"dial 10.1.2.3:22 from 127.0.0.1":                                   "dial " + r.pseudonym("address", "10.1.2.3") + ":22 from 127.0.0.1",
		"dial [2001:db8::5]:22":                                             "dial [" + r.pseudonym("address", "2001:db8::5") + "]:22",
		"password=third or password=any":                                    "password=<removed> or password=<removed>",
		"pa ss":                                                             "<password>",
		"to pg.acme.example, login vmo_login, ledgers, pg2, other_name":     "to " + pg + ", login <user>, <database>, <host>, <dbname>",
		"localhost stays, and GNU Make 4.3, SQLite 3.54.1, OpenSSH_9.2p1,":  "localhost stays, and GNU Make 4.3, SQLite 3.54.1, OpenSSH_9.2p1,",
		"settings.json:1: invalid character, ligne 3, müweb1, web1ü, \xff.": "settings.json:1: invalid character, ligne 3, müweb1, web1ü, \xff.",
	} {
		if got := r.clean(text); got != want {
			t.Errorf("%q:\ngot  %q\nwant %q", text, got, want)
		}
	}
	if again := newRedactor("installation").pseudonym("host", "web1"); again != web1 {
		t.Errorf("the same host is %s in one report and %s in the next", web1, again)
	}
	if other := newRedactor("another").pseudonym("host", "web1"); other == web1 {
		t.Error("a pseudonym can be found by trying names")
	}
	if a, b := newRedactor("").pseudonym("host", "web1"), newRedactor("").pseudonym("host", "web1"); a == b || strings.Contains(a, "web1") {
		t.Errorf("without a secret: %s and %s", a, b)
	}
}
