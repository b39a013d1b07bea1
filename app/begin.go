package app

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"vmorchestrator/internal/engine"
	"vmorchestrator/internal/job"
)

// ShellRequest asks for a terminal on a host.
type ShellRequest struct {
	Host string `json:"host"` // "" is this machine
	Dir  string `json:"dir"`  // there; "" is the home directory
	Cols uint16 `json:"cols"`
	Rows uint16 `json:"rows"`
}

// ExecRequest asks for a command line on hosts. The line is for a shell: it is
// what the operator typed, and means there what it means in a terminal.
type ExecRequest struct {
	Hosts []string `json:"hosts"`
	Line  string   `json:"line"`
	Dir   string   `json:"dir"`
	Mode  string   `json:"mode"` // "stream" or "terminal"
	Link  job.Link `json:"link"`
	Cols  uint16   `json:"cols"`
	Rows  uint16   `json:"rows"`
}

// TailRequest asks for a log to be followed.
type TailRequest struct {
	Host   string `json:"host"`
	Source string `json:"source"` // as Sources names it, such as docker:web
	Since  string `json:"since"`  // such as 15m; "" is whenever
	Lines  int    `json:"lines"`  // to begin with
	Dir    string `json:"dir"`    // of a compose project
}

// Shell opens the operator's login shell on a host.
func (b *Jobs) Shell(r ShellRequest) (Job, error) {
	return b.one(b.begin([]string{r.Host}, r.Dir, job.Spec{TTY: true, Size: job.Size{Cols: r.Cols, Rows: r.Rows}}))
}

// Exec runs a command line on every one of the hosts.
func (b *Jobs) Exec(r ExecRequest) ([]Job, error) {
	if strings.TrimSpace(r.Line) == "" {
		return nil, fmt.Errorf("%w: there is no command to run", job.ErrInvalid)
	}
	if r.Mode != engine.ModeStream && r.Mode != engine.ModeTerminal {
		return nil, fmt.Errorf("%w: %q is not a mode", job.ErrInvalid, r.Mode)
	}
	return b.begin(r.Hosts, r.Dir, job.Spec{
		Argv: []string{"sh", "-c", r.Line}, TTY: r.Mode == engine.ModeTerminal,
		Size: job.Size{Cols: r.Cols, Rows: r.Rows}, Link: r.Link,
	})
}

// Tail follows a log of a host.
func (b *Jobs) Tail(r TailRequest) (Job, error) {
	spec, err := engine.TailSpec(engine.Tail{Source: r.Source, Since: r.Since, Lines: r.Lines, Dir: r.Dir})
	if err != nil {
		return Job{}, err
	}
	return b.one(b.begin([]string{r.Host}, r.Dir, spec))
}

func (b *Jobs) one(jobs []Job, err error) (Job, error) {
	if err != nil {
		return Job{}, err
	}
	return jobs[0], nil
}

// begin starts a spec in a folder of hosts of the list.
func (b *Jobs) begin(hosts []string, dir string, spec job.Spec) ([]Job, error) {
	e, err := b.shell.open()
	if err != nil {
		return nil, err
	}
	launch := engine.Launch{Spec: spec, There: dir}
	for _, name := range hosts {
		h, err := b.shell.host(e, name)
		if err != nil {
			return nil, err
		}
		launch.Hosts = append(launch.Hosts, h.Name)
		if h.Local {
			if launch.Dir, err = home(dir); err != nil {
				return nil, err
			}
		}
	}
	if len(launch.Hosts) == 0 {
		return nil, fmt.Errorf("%w: there is no host to run it on", job.ErrInvalid)
	}
	return b.started(e, launch)
}

// home is a folder of this machine as it is on others: within the home directory
// unless it is absolute.
func home(dir string) (string, error) {
	if filepath.IsAbs(dir) {
		return dir, nil
	}
	base, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("find the home directory: %w", err)
	}
	return filepath.Join(base, strings.TrimPrefix(strings.TrimPrefix(dir, "~"), "/")), nil
}

func (b *Jobs) started(e *engine.Engine, launch engine.Launch) ([]Job, error) {
	_, jobs, err := e.Start(launch)
	if err != nil {
		return nil, err
	}
	list := make([]Job, len(jobs))
	for i, j := range jobs {
		list[i] = Job{j, true}
	}
	return list, nil
}

// TunnelRequest asks for ports or sockets to be carried through a host; without
// forwards for those of its configuration.
type TunnelRequest struct {
	Host     string          `json:"host"`
	Forwards []TunnelForward `json:"forwards"`
}

// TunnelForward is a forward as ssh takes it.
type TunnelForward struct {
	Kind string `json:"kind"` // "local", "remote" or "dynamic"
	Spec string `json:"spec"` // what stands behind -L, -R or -D
}

// Tunnel carries ports through a host until it is cancelled.
func (b *Jobs) Tunnel(r TunnelRequest) (Job, error) {
	e, err := b.shell.open()
	if err != nil {
		return Job{}, err
	}
	h, err := b.shell.host(e, r.Host)
	if err != nil {
		return Job{}, err
	}
	var forwards []engine.Forward
	for _, asked := range r.Forwards {
		f, err := engine.ParseForward(asked.Kind, asked.Spec)
		if err != nil {
			return Job{}, err
		}
		forwards = append(forwards, f)
	}
	spec, err := e.TunnelSpec(b.shell.ctx, h.Name, forwards)
	if err != nil {
		return Job{}, err
	}
	return b.one(b.begin([]string{r.Host}, "", spec))
}
