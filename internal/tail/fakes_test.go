//go:build unix

package tail

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The test binary plays docker, podman, sudo and journalctl, under whose names it
// is linked into a folder of PATH. What they know is in the folder FAKE.
func TestMain(m *testing.M) {
	roles := map[string]func([]string) int{"docker": fakeDocker, "podman": fakeDocker, "sudo": fakeSudo, "journalctl": fakeJournalctl}
	if role, ok := roles[filepath.Base(os.Args[0])]; ok {
		os.Exit(role(os.Args[1:]))
	}
	os.Exit(m.Run())
}

// container is what docker inspect says, and its folder.
type container struct {
	ID, Name, Image, Started, Service, Dir string
	Running                                bool
}

// logLine is a line of the json-file log driver.
type logLine struct {
	Log    string    `json:"log"`
	Stream string    `json:"stream"`
	Time   time.Time `json:"time"`
}

// put writes what a container is, at once as a whole.
func (c container) put(dir string) error {
	data, err := json.Marshal(c)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "new"), data, 0o600); err != nil {
		return err
	}
	return os.Rename(filepath.Join(dir, "new"), filepath.Join(dir, c.ID+".json"))
}

func readContainers(dir string) []container {
	var all []container
	names, _ := filepath.Glob(filepath.Join(dir, "*.json"))
	slices.Sort(names)
	for _, name := range names {
		var c container
		if data, err := os.ReadFile(name); err == nil && json.Unmarshal(data, &c) == nil {
			all = append(all, c)
		}
	}
	return all
}

func complain(format string, args ...any) int {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
	return 1
}

// fakeDocker knows ps, inspect and logs as docker's manual pages describe them.
func fakeDocker(args []string) int {
	program := filepath.Base(os.Args[0])
	dir := filepath.Join(os.Getenv("FAKE"), program)
	if os.Getenv("FAKE_ROOT") == "" {
		if said, err := os.ReadFile(filepath.Join(dir, "refuses")); err == nil {
			_ = os.WriteFile(filepath.Join(dir, "asked"), nil, 0o600)
			return complain("%s", strings.TrimSpace(string(said)))
		}
	}
	if len(args) == 0 {
		return complain("no command")
	}
	switch args[0] {
	case "ps":
		return fakePS(dir, args[1:])
	case "inspect":
		f := flag.NewFlagSet("inspect", flag.ExitOnError)
		f.String("type", "", "")
		format := f.String("f", "", "")
		_ = f.Parse(args[1:])
		if *format != "{{.Id}} {{.State.Running}} {{.Config.Image}} {{.State.StartedAt}}" {
			return complain("unknown format %q", *format)
		}
		for _, c := range readContainers(dir) {
			if c.Name == f.Arg(0) || strings.HasPrefix(c.ID, f.Arg(0)) {
				fmt.Println(c.ID, c.Running, c.Image, c.Started)
				return 0
			}
		}
		return complain("Error: No such container: %s", f.Arg(0))
	case "logs":
		return fakeLogs(dir, args[1:])
	}
	return complain("unknown command %q", args[0])
}

func fakePS(dir string, args []string) int {
	var all, quiet bool
	var format string
	filters := map[string]string{}
	for i := 0; i < len(args); i++ {
		switch args[i] {
		case "-a":
			all = true
		case "-q":
			quiet = true
		case "--no-trunc":
		case "--format":
			i++
			format = args[i]
		case "--filter":
			i++
			key, value, _ := strings.Cut(strings.TrimPrefix(args[i], "label="), "=")
			filters[key] = value
		default:
			return complain("unknown flag %q", args[i])
		}
	}
	for _, c := range readContainers(dir) {
		labels := map[string]string{"com.docker.compose.service": c.Service, "com.docker.compose.project.working_dir": c.Dir}
		wanted := all || c.Running
		for key, value := range filters {
			wanted = wanted && labels[key] == value
		}
		switch {
		case !wanted:
		case quiet:
			fmt.Println(c.ID)
		case format == "{{.Names}}":
			fmt.Println(c.Name)
		default:
			state := "Exited (0) 2 hours ago"
			if c.Running {
				state = "Up 3 days"
			}
			project := ""
			if c.Service != "" {
				project = filepath.Base(c.Dir)
			}
			fmt.Println(strings.Join([]string{c.Name, c.Image, state, project, c.Service, c.Dir}, "\t"))
		}
	}
	return 0
}

// fakeLogs writes the log of a container, and follows it until it does not run.
func fakeLogs(dir string, args []string) int {
	f := flag.NewFlagSet("logs", flag.ExitOnError)
	stamps := f.Bool("timestamps", false, "")
	follow := f.Bool("follow", false, "")
	since := f.String("since", "", "")
	last := f.String("tail", "all", "")
	_ = f.Parse(args)
	if !*stamps {
		return complain("the test wants --timestamps")
	}
	var from time.Time
	if seconds, err := strconv.ParseInt(*since, 10, 64); err == nil {
		from = time.Unix(seconds, 0)
	} else if ago, err := time.ParseDuration(*since); err == nil {
		from = time.Now().Add(-ago)
	} else if *since != "" {
		return complain("invalid value for \"since\": %s", *since)
	}
	log, err := os.Open(filepath.Join(dir, f.Arg(0)+".log"))
	if err != nil {
		return complain("Error response from daemon: %v", err)
	}
	show := func(l logLine) {
		to := os.Stdout
		if l.Stream == "stderr" {
			to = os.Stderr
		}
		if !l.Time.Before(from) {
			fmt.Fprintf(to, "%s %s", l.Time.Format("2006-01-02T15:04:05.000000000Z07:00"), l.Log)
		}
	}
	var held []logLine
	first, partial := true, ""
	for r := bufio.NewReader(log); ; {
		running := slices.ContainsFunc(readContainers(dir), func(c container) bool { return c.ID == f.Arg(0) && c.Running })
		for {
			line, err := r.ReadString('\n')
			partial += line
			if err == io.EOF {
				break
			}
			var l logLine
			if err := json.Unmarshal([]byte(partial), &l); err != nil {
				return complain("%v", err)
			}
			if partial = ""; first {
				held = append(held, l)
			} else {
				show(l)
			}
		}
		if first {
			if n, err := strconv.Atoi(*last); err == nil {
				held = held[max(0, len(held)-n):]
			}
			for _, l := range held {
				show(l)
			}
		}
		if first = false; !*follow || !running {
			return 0
		}
		if _, err := os.Stat(dir); err != nil || os.Getppid() == 1 {
			return 1 // the test is over
		}
		time.Sleep(5 * time.Millisecond) // as docker waits for the file to grow
	}
}

// fakeSudo is sudo -n, for those in the file sudoers.
func fakeSudo(args []string) int {
	if _, err := os.Stat(filepath.Join(os.Getenv("FAKE"), "sudoers")); err != nil || args[0] != "-n" {
		return complain("sudo: a password is required")
	}
	os.Setenv("FAKE_ROOT", "1")
	os.Args = args[1:]
	switch args[1] {
	case "docker", "podman":
		return fakeDocker(args[2:])
	case "journalctl":
		return fakeJournalctl(args[2:])
	}
	return 0
}

// fakeJournalctl writes the lines of the file journal, which are those of
// journalctl -o json.
func fakeJournalctl(args []string) int {
	if slices.Contains(args, "--help") {
		fmt.Println("     --output-fields=LIST    Select fields to print in verbose/export/json modes")
		return 0
	}
	data, err := os.ReadFile(filepath.Join(os.Getenv("FAKE"), "journal"))
	if err != nil {
		return complain("no journal: %v", err)
	}
	lines := slices.Collect(strings.Lines(string(data)))
	cursor := func(line string) string {
		var f fields
		_ = json.Unmarshal([]byte(line), &f)
		return f.Cursor
	}
	n := slices.Index(args, "-n")
	for _, arg := range args {
		if at, ok := strings.CutPrefix(arg, "--cursor="); ok {
			for len(lines) > 0 && cursor(lines[0]) != at {
				lines = lines[1:]
			}
		}
	}
	if n >= 0 {
		count, _ := strconv.Atoi(args[n+1])
		lines = lines[max(0, len(lines)-count):]
	}
	if slices.Contains(args, "--show-cursor") {
		fmt.Printf("text\n-- cursor: %s\n", cursor(lines[len(lines)-1]))
		return 0
	}
	fmt.Print(strings.Join(lines, ""))
	return 0
}
