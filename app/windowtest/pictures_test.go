//go:build window && pictures

package windowtest

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"vmorchestrator/internal/archive/archivetest"
	"vmorchestrator/internal/remote/remotetest"
)

// TestPictures takes the pictures of the documentation: of the window with the
// probe, on real jobs, hosts and a real database. scripts/screenshots.sh makes the
// machine that it runs on, where an operator is called anna and a colleague ben.
func TestPictures(t *testing.T) {
	scene := newScene(t)
	scene.hosts()
	scene.database()
	scene.past()
	w := scene.open()
	for _, picture := range []struct {
		name string
		take func(*album)
	}{
		{"guide-target", (*album).target},
		{"guide-log", (*album).log},
		{"guide-hostkey", (*album).hostKey},
		{"guide-host", (*album).host},
		{"guide-terminal", (*album).terminal},
		{"guide-fanout", (*album).fanOut},
		{"guide-tail", (*album).tail},
		{"guide-history", (*album).history},
		{"search", (*album).search},
		{"guide-replay", (*album).replay},
		{"guide-notes", (*album).notes},
		{"guide-verify", (*album).verify},
		{"guide-export", (*album).export},
		{"guide-database", (*album).teamDatabase},
		{"guide-team", (*album).team},
		{"guide-diagnostics", (*album).diagnostics},
		{"window", (*album).overview},
	} {
		picture.take(&album{w, scene, picture.name})
	}
}

const anna, ben = "/home/anna", "/home/ben"

// scene is what the pictures show.
type scene struct {
	t      *testing.T
	server *remotetest.Server
	url    string // of the database, without the login
}

func newScene(t *testing.T) *scene {
	s := &scene{t: t}
	if _, err := os.Stat(ben); err != nil {
		t.Fatalf("%v; this test runs in a machine of its own: make screenshots", err)
	}
	for _, home := range []string{anna, ben} {
		s.write(home+"/src/shop/Makefile", shopMakefile)
		s.write(home+"/src/shop/environments/prod/config.yml", "vms:\n  web-1: {ssh_config_host: web-1, tags: [web]}\n  web-2: {ssh_config_host: web-2, tags: [web]}\n  db-1: {ssh_config_host: db-1, tags: [db]}\n")
		s.write(home+"/.config/mkcli/registry", "shop="+home+"/src/shop\n")
	}
	s.write(anna+"/src/infra/Makefile", "plan: ## Show what would change\n\t@echo nothing would change\n")
	s.write(anna+"/.config/mkcli/registry", "shop="+anna+"/src/shop\ninfra="+anna+"/src/infra\n")
	return s
}

// there are the files on the hosts, which have a home of their own.
func (s *scene) there(path string) string { return s.server.Home("web1") + path }

const shopMakefile = `## version to deploy
VERSION ?= 1.4.2
## where to: staging or prod
STAGE ?= staging

##@ Everyday
.PHONY: test build lint deploy rollback status db-shell
test: ## Run the tests
	@for p in basket catalogue checkout invoice mail pricing search stock; do sleep 0.15; \
		printf '\033[32mok\033[0m    shop/%-10s %d tests\n' $$p $$(( $${#p} * 7 )); done
build: ## Build the image
	@for i in 1 2 3 4 5 6; do sleep 0.1; echo "step $$i/6: layer $$i of shop:$(VERSION)"; done; echo "built shop:$(VERSION)"
lint: ## Look for mistakes
	@echo '0 problems'

##@ Deploy
deploy: ## Deploy a version: make deploy VERSION=1.4.2
	@echo "deploying shop $(VERSION) to $(STAGE)"; \
	for h in web-1 web-2; do sleep 0.4; echo "$$h: pulling shop:$(VERSION)"; sleep 0.3; echo "$$h: starting"; \
		for i in 1 2 3 4 5; do sleep 0.2; echo "$$h: waiting for /healthz ($$i of 5)"; done; done; \
	printf '\033[31mweb-2: timeout after 30 s: /healthz says 503\033[0m\n' >&2; exit 1
rollback: ## Go back to the version before
	@echo "web-1: shop:1.4.1"; echo "web-2: shop:1.4.1"

##@ Look inside
status: ## How every service is
	@printf '%s\n' 'basket     healthy' 'catalogue  healthy' 'checkout   degraded: 2 of 3'
db-shell: ## @tty Open the database's shell
	@psql shop
watch: ## One line every second
	@i=0; while :; do i=$$((i+1)); echo "$$(date +%T) $$i requests, 0 errors"; sleep 1; done
`

func (s *scene) write(path, text string) {
	s.t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// hosts are three names of one real sshd, each with an address of its own.
func (s *scene) hosts() {
	s.server = remotetest.Start(s.t, remotetest.Config{HostKeys: []string{"ed25519"}})
	s.write(s.there("/.profile"), "PS1='anna@web-1:\\w\\$ '\n")
	s.write(s.there("/srv/shop/Makefile"), "restart: ## Restart the shop\n\t@echo restarted\nstatus: ## How it is\n\t@echo healthy\n")
	key, err := os.ReadFile(s.server.HostKey)
	if err != nil {
		s.t.Fatal(err)
	}
	for i, name := range []string{"web-1", "web-2", "db-1"} {
		s.forward(fmt.Sprintf("127.0.0.%d:22", 11+i), s.server.Addr)
		if name != "web-2" { // which is asked about
			s.write(anna+"/.ssh/known/"+name, name+".example "+string(key))
		}
	}
	s.write(anna+"/.ssh/known/web-2", "")
	s.write(anna+"/.ssh/config", fmt.Sprintf(`Host web-1 web-2 db-1
  HostName %%h.example
  User anna
  IdentityFile %s
  UserKnownHostsFile ~/.ssh/known/web-1 ~/.ssh/known/web-2 ~/.ssh/known/db-1

Host db-1
  LocalForward 5433 localhost:5432
`, s.server.Key))
}

// forward is a port that leads to another one.
func (s *scene) forward(from, to string) {
	l, err := net.Listen("tcp", from)
	if err != nil {
		s.t.Fatal(err)
	}
	var all sync.WaitGroup
	s.t.Cleanup(func() { l.Close(); all.Wait() })
	all.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to)
			if err != nil {
				in.Close()
				continue
			}
			all.Go(func() { io.Copy(out, in); out.Close() })
			all.Go(func() { io.Copy(in, out); in.Close() })
		}
	})
}

func (s *scene) database() {
	c := archivetest.New(s.t)
	s.t.Cleanup(archivetest.Stop)
	authority := c.TLS(s.t, "db.example")
	s.forward("127.0.0.20:5432", c.Addr())
	c.Exec(s.t, "postgres", "CREATE DATABASE vmo")
	s.vmo(anna, "db", "init", "--url", c.URL(archivetest.Admin, "vmo"))
	ca, err := os.ReadFile(authority)
	if err != nil {
		s.t.Fatal(err)
	}
	s.url = "db.example/vmo?sslmode=verify-full"
	for _, home := range []string{anna, ben} {
		name := filepath.Base(home)
		c.Exec(s.t, "postgres", "CREATE ROLE "+name+" LOGIN PASSWORD 'a long one'; GRANT vmo_operator TO "+name)
		s.write(home+"/.pgpass", "db.example:5432:vmo:"+name+":a long one\n")
		s.write(home+"/.postgresql/root.crt", string(ca))
		s.vmo(home, "db", "use", "postgres://"+name+"@"+s.url+"&sslrootcert="+home+"/.postgresql/root.crt")
		s.vmo(home, "db", "history", "all")
	}
}

// command is vmo as somebody runs it: ben on a machine of his own.
func (s *scene) command(home string, args ...string) *exec.Cmd {
	cmd := exec.Command(vmo, args...)
	if home == ben {
		cmd = exec.Command("unshare", append([]string{"--mount", "--uts", "sh", "-c", `hostname desk-7; mount --bind /home/passwd.ben /etc/passwd; exec "$@"`, "sh", vmo}, args...)...)
	}
	cmd.Env = append(os.Environ(), "HOME="+home, "XDG_CONFIG_HOME=", "XDG_DATA_HOME=", "VMO_KEYCHAIN=off")
	cmd.Dir = home + "/src/shop"
	return cmd
}

// vmo runs it to its end; what the job came to does not matter.
func (s *scene) vmo(home string, args ...string) string {
	s.t.Helper()
	out, err := s.command(home, args...).CombinedOutput()
	if err != nil && args[0] != "run" && args[0] != "exec" {
		s.t.Fatalf("vmo %v: %v\n%s", args, err, out)
	}
	return string(out)
}

// past are the jobs that were run before.
func (s *scene) past() {
	for _, args := range [][]string{
		{"run", "test"}, {"run", "build", "VERSION=1.4.1"}, {"run", "deploy", "VERSION=1.4.1", "STAGE=staging"},
		{"run", "rollback"}, {"exec", "--timeout", "1s", "--", "sleep", "30"}, {"run", "lint"}, {"run", "status"},
	} {
		s.vmo(anna, append(args[:1:1], append([]string{"-p", "shop"}, args[1:]...)...)...)
	}
	s.vmo(anna, "exec", "--on", "web-1", "--", "sh", "-c", "echo draining; sleep 1; echo drained")
	s.vmo(ben, "run", "-p", "shop", "test")
	s.vmo(ben, "run", "-p", "shop", "deploy", "VERSION=1.4.2", "STAGE=prod")
	s.vmo(ben, "ship", "--once")
}

func (s *scene) open() *window {
	return start(s.t, probeWindow, screen(s.t), anna, anna+"/src/shop",
		"XDG_CONFIG_HOME="+anna+"/.config", "XDG_DATA_HOME="+anna+"/.local/share", "VMO_DATA_DIR=", "VMO_KEYCHAIN=off", "SHELL=/bin/bash", "PATH=/usr/local/bin:/usr/bin:/bin")
}

// album is one picture while it is composed.
type album struct {
	*window
	scene *scene
	name  string
}

// shoot writes the picture, in both colours.
func (a *album) shoot(themes ...string) {
	a.t.Helper()
	for _, theme := range themes {
		for ask[string](a.window, "return document.documentElement.dataset.theme") != theme {
			a.press("theme-button")
		}
		a.xdotool("mousemove", "340", "20") // where no tooltip is
		// Two frames later what was asked for is on the screen.
		ask[bool](a.window, "await document.fonts.ready; await new Promise(r => requestAnimationFrame(() => requestAnimationFrame(r))); return true")
		time.Sleep(300 * time.Millisecond) // what an X server draws tells nobody when it has
		name := a.name + ".png"
		if len(themes) > 1 {
			name = a.name + "-" + theme + ".png"
		}
		path := filepath.Join(os.Getenv("VMO_PICTURES"), name)
		shot := exec.Command("sh", "-c", `import -silent -window root png:- | convert png:- +dither -colors 192 -define png:compression-level=9 -strip "PNG8:$0"`, path)
		shot.Env = append(os.Environ(), "DISPLAY="+a.display)
		if out, err := shot.CombinedOutput(); err != nil {
			a.t.Fatalf("take the picture: %v\n%s", err, out)
		}
		info, err := os.Stat(path)
		if err != nil {
			a.t.Fatal(err)
		}
		a.t.Logf("%s: %d KB", name, info.Size()>>10)
	}
}

func testid(id string) string { return "[data-testid=" + id + "]" }

func (a *album) press(id string) { a.t.Helper(); a.click(a.place(testid(id))) }

func (a *album) type_(text string) { a.t.Helper(); a.xdotool("type", "--delay", "15", text) }
func (a *album) key(keys string)   { a.t.Helper(); a.xdotool("key", keys) }

// shows waits until a part of the page has a text.
func (a *album) shows(selector, text string) {
	a.t.Helper()
	a.until(selector+" shows "+text, fmt.Sprintf("[...document.querySelectorAll(`%s`)].some(e => e.textContent.includes(`%s`))", selector, text))
}

// choose sets a select by its label.
func (a *album) choose(label, value string) {
	a.t.Helper()
	ask[bool](a.window, fmt.Sprintf("const s = document.querySelector(`select[aria-label=\"%s\"]`); const o = [...s.options].findIndex(o => o.text.includes(`%s`)); s.selectedIndex = o; s.dispatchEvent(new Event('change', { bubbles: true })); return true", label, value))
}

func (a *album) visit(host string) {
	a.click(a.place(testid("host-row") + "[data-name='" + host + "']"))
}

func (a *album) project(name string) {
	a.click(a.place(testid("project-row") + "[data-name='" + name + "']"))
}

// clear closes every pane.
func (a *album) clear() {
	a.t.Helper()
	ask[bool](a.window, "document.querySelectorAll('.strip .shut').forEach(b => b.click()); return true")
	a.until("no pane is left", "document.querySelectorAll('.strip .tab').length === 0")
}

func (a *album) ended(state string) {
	a.t.Helper()
	a.until("the job has "+state, "document.querySelector(`.slot.active [data-testid=job-pane][data-state="+state+"]`)")
}

func (a *album) target() {
	a.project("shop")
	a.click(a.place(testid("target-row") + "[data-name=deploy] .go"))
	a.shows(testid("command-preview"), "make deploy")
	a.until("the parameters are there", "document.querySelector('aside input[type=text]')")
	a.click(a.place("aside input[type=text]"))
	a.key("ctrl+a")
	a.type_("1.4.3")
	a.shows(testid("command-preview"), "VERSION=1.4.3")
	a.shoot("light")
}

func (a *album) log() {
	a.click(a.place(runButton("deploy")))
	a.ended("failed")
	a.shows(testid("log-line"), "timeout after 30 s")
	a.click(a.place(`.slot.active [aria-label^="Times"]`))
	a.click(a.place(`.slot.active [aria-label^="Line numbers"]`))
	a.key("ctrl+f")
	a.until("it asks for a text", "document.activeElement?.closest('"+testid("find-bar")+"')")
	a.type_("healthz")
	a.shows(testid("find-said"), "1 of 11 lines")
	a.key("Return")
	a.shows(testid("find-said"), "2 of 11 lines")
	a.shoot("light")
	a.key("Escape")
	a.click(a.place(`.slot.active [aria-label^="Times"]`))
	a.click(a.place(`.slot.active [aria-label^="Line numbers"]`))
	a.clear()
}

func (a *album) hostKey() {
	a.visit("web-2")
	a.press("connect-button")
	a.until("it asks", "document.querySelector('"+testid("prompt")+"')")
	a.shoot("light")
	a.press("prompt-accept")
	a.until("it is connected", "document.querySelector('"+testid("host-page")+"[data-status=connected]')")
}

func (a *album) host() {
	a.visit("web-1")
	a.press("connect-button")
	a.until("it is connected", "document.querySelector('"+testid("host-page")+"[data-status=connected]')")
	a.shows(testid("host-page"), "Jobs here")
	a.shoot("light")
}

func (a *album) terminal() {
	a.press("terminal-button")
	a.shows(".slot.active .xterm-rows", "web-1:~")
	a.type_("cd srv/shop && ls\n")
	a.shows(".slot.active .xterm-rows", "Makefile")
	a.type_("make status\n")
	a.shows(".slot.active .xterm-rows", "healthy")
	a.shoot("light")
	a.type_("exit\n")
	a.ended("succeeded")
	a.clear()
}

func (a *album) fanOut() {
	a.visit("web-1")
	a.choose("Where it runs", "all 3")
	a.click(a.place("#host-command"))
	a.until("it has the keyboard", "document.activeElement?.id === 'host-command'")
	a.type_("make -C srv/shop status")
	a.until("it is typed", "document.querySelector('#host-command').value === 'make -C srv/shop status'")
	a.key("Return")
	a.shows("dialog", "Run on 3 VMs")
	ask[bool](a.window, "[...document.querySelectorAll('dialog button')].find(b => b.textContent.includes('Run on 3')).click(); return true")
	a.until("all have ended", "document.querySelectorAll('"+testid("job-pane")+"[data-state=succeeded]').length === 3")
	a.click(a.place(`[aria-label="As tiles"]`))
	a.until("all are shown", "document.querySelectorAll('.slot.shown').length === 3")
	a.shoot("light")
	a.click(a.place(`[aria-label="As tabs"]`))
	a.clear()
}

func (a *album) tail() {
	log, err := os.OpenFile(a.scene.there("/srv/shop/shop.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		a.t.Fatal(err)
	}
	defer log.Close()
	line := func(n int) {
		fmt.Fprintf(log, "%s INFO  GET /basket/%d 200 in %d ms\n", time.Now().Format("15:04:05"), 4100+n*7%97, 3+n*13%40)
	}
	for n := range 8 {
		line(n)
	}
	a.visit("web-1")
	a.click(a.place(`section[aria-label^="Follow a log"] input[type=text]`))
	a.type_("~/srv/shop/shop.log")
	a.key("Return")
	a.ended("running")
	a.shows(testid("log-line"), "GET /basket")
	for n := range 6 {
		line(8 + n)
		a.until("the line is there", fmt.Sprintf("document.querySelector('.slot.active').textContent.includes('%d line')", 9+n))
	}
	a.shoot("light")
	a.press("cancel-button")
	a.until("it has ended", "!document.querySelector('"+testid("job-pane")+"[data-state=running]')")
	a.clear()
}

func (a *album) history() {
	a.key("ctrl+shift+h")
	a.until("the jobs are there", "document.querySelectorAll('"+testid("history-job")+"').length > 5")
	a.choose("Project", "shop")
	a.until("they are filtered", "!document.querySelector('"+testid("history")+"').textContent.includes('accept-host-key')")
	a.shows(testid("history-job"), "deploy")
	a.shoot("light")
	a.press("clear-filters")
}

func (a *album) search() {
	a.key("ctrl+shift+f")
	a.until("it waits for a pattern", "document.activeElement?.id === 'history-text'")
	a.type_("timeout after")
	a.until("a hit is there", "document.querySelector('"+testid("found-job")+"')")
	a.key("Down")
	a.key("Return")
	a.shows(testid("log-line"), "timeout after")
	a.shoot("light", "dark")
	a.press("theme-button") // the system's
	a.key("Escape")
	a.clear()
	ask[bool](a.window, "document.querySelector(`[aria-label='Close the history']`)?.click(); return true")
}

func (a *album) replay() {
	a.project("shop")
	a.click(a.place(runButton("test")))
	a.ended("succeeded")
	a.press("replay-button")
	a.until("it plays", "/0:0[1-9]/.test(document.querySelector('"+testid("replay-time")+"')?.textContent.split('/')[0])")
	a.press("replay-play")
	a.shoot("light")
	a.clear()
}

func (a *album) notes() {
	a.click(a.place(runButton("deploy")))
	a.ended("failed")
	a.press("remarks-button")
	a.until("they are shown", "document.querySelector('"+testid("note-input")+"')")
	a.press("label-input")
	a.type_("incident-42")
	a.key("Return")
	a.shows(testid("remarks")+" .chip", "incident-42")
	a.press("note-input")
	a.type_("web-2 has the old certificate")
	a.key("Return")
	a.shows(testid("remarks")+" li", "old certificate")
	a.shoot("light")
	a.clear()
}

func (a *album) verify() {
	a.click(a.place(runButton("build")))
	a.ended("succeeded")
	a.press("verify-button")
	a.until("the verdict is there", "document.querySelector('"+testid("verdict")+"')")
	a.shoot("light")
}

func (a *album) export() {
	a.press("export-button")
	a.until("it asks for the format", "document.querySelector('"+testid("export-dialog")+"')")
	a.shoot("light")
	a.key("Escape")
	a.clear()
}

func (a *album) teamDatabase() {
	a.press("database-state")
	a.until("it is there", "document.querySelector('"+testid("database-dialog")+"')")
	a.press("database-test")
	a.until("it answers", "document.querySelector('"+testid("database-check")+"')")
	a.shoot("light")
	a.key("Escape")
}

func (a *album) team() {
	colleague := a.scene.command(ben, "run", "-p", "shop", "watch")
	if err := colleague.Start(); err != nil {
		a.t.Fatal(err)
	}
	defer func() {
		_ = colleague.Process.Signal(os.Interrupt)
		_ = colleague.Wait()
	}()
	a.key("ctrl+shift+h")
	a.press("whose-team")
	a.shows(testid("history-job"), "watch")
	a.click(a.place(testid("history-job")))
	a.shows(testid("colleague"), "desk-7")
	a.shows(testid("log-line"), "3 requests")
	a.shoot("light")
	a.press("whose-mine")
	a.key("Escape")
	a.clear()
	ask[bool](a.window, "document.querySelector(`[aria-label='Close the history']`)?.click(); return true")
}

func (a *album) diagnostics() {
	a.press("diagnostics-button")
	a.until("it has looked", "document.querySelector('"+testid("diagnostics-verdict")+"')?.textContent.trim()")
	ask[bool](a.window, "const rows = document.querySelectorAll('dialog li, dialog tr, dialog [data-testid=diagnostics] > *'); rows[rows.length - 1].scrollIntoView();"+
		// Whose kernel it is does not matter to a reader.
		"for (const e of document.querySelectorAll('dialog *')) if (e.children.length === 0) e.textContent = e.textContent.replace(/Linux [0-9]\\S*,/, 'Linux 6.12,'); return true")
	a.shoot("light")
	a.key("Escape")
}

// overview is the picture of the README.
func (a *album) overview() {
	a.project("shop")
	a.click(a.place(runButton("deploy")))
	a.ended("failed")
	a.visit("web-1")
	a.press("terminal-button")
	a.shows(".slot.active .xterm-rows", "web-1:~")
	a.type_("cd srv/shop && make status\n")
	a.shows(".slot.active .xterm-rows", "healthy")
	a.project("shop")
	a.click(a.place(`[aria-label="As tiles"]`))
	a.until("both are shown", "document.querySelectorAll('.slot.shown').length === 2")
	a.shoot("light", "dark")
}
