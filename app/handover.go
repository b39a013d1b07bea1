package app

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/wailsapp/wails/v2/pkg/runtime"

	"vmorchestrator/internal/engine"
	"vmorchestrator/internal/job"
)

// A link that is followed starts the program once more. The window that is open
// already takes it: through a socket in the folder of its journal, which only the
// operator can enter. Wails has a lock for single instances, but ours may be many
// (one for each journal, and more if wanted), and its second one exits with 1, so
// that xdg-open tries a browser next.

const (
	handOverWait = 5 * time.Second // for the other window, and for whoever knocks there
	longestLink  = 4096            // bytes; what is no link is refused later, by its form
	taken        = "taken"
)

// HandOver gives links to the window on this journal that is open. It reports
// whether there is one, and why it did not take them. Other arguments, or none, are
// for a window of their own.
func HandOver(args []string) (there bool, err error) {
	if len(args) == 0 {
		return false, nil
	}
	for _, arg := range args {
		if !job.IsAddress(arg) {
			return false, nil
		}
	}
	for _, link := range args {
		conn, err := net.DialTimeout("unix", socketIn(engine.DataDir()), handOverWait)
		if err != nil {
			return false, nil // nobody is there
		}
		if err := handOver(conn, link); err != nil {
			return true, fmt.Errorf("give the link to the window that is open: %w", err)
		}
	}
	return true, nil
}

func handOver(conn net.Conn, link string) error {
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(handOverWait)); err != nil {
		return err
	}
	if len(link) >= longestLink || strings.Contains(link, "\n") {
		return fmt.Errorf("%w: it is too long, or has several lines", job.ErrInvalid)
	}
	if _, err := io.WriteString(conn, link+"\n"); err != nil {
		return err
	}
	answer, err := bufio.NewReader(io.LimitReader(conn, longestLink)).ReadString('\n')
	switch answer = strings.TrimSpace(answer); {
	case err != nil:
		return err
	case answer != taken:
		return errors.New(answer)
	}
	return nil
}

func socketIn(dataDir string) string { return filepath.Join(dataDir, "window.sock") }

// receive takes links from later starts of the program, until the context ends. The
// window that was opened first has them all.
func (a *App) receive(ctx context.Context, dataDir string) error {
	path := socketIn(dataDir)
	if conn, err := net.DialTimeout("unix", path, handOverWait); err == nil {
		return conn.Close()
	}
	_ = os.Remove(path) // of a window that was killed
	l, err := net.Listen("unix", path)
	if err != nil {
		return fmt.Errorf("links will open windows of their own: %w", err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	mine, err := os.Lstat(path)
	if err = errors.Join(err, os.Chmod(path, 0o600)); err != nil {
		return errors.Join(err, l.Close())
	}
	context.AfterFunc(ctx, func() { l.Close() })
	a.tasks.Add(1)
	go func() {
		defer a.tasks.Done()
		defer func() {
			if now, err := os.Lstat(path); err == nil && os.SameFile(mine, now) { // not that of a window that began meanwhile
				os.Remove(path)
			}
		}()
		for {
			conn, err := l.Accept()
			if err != nil {
				if ctx.Err() == nil {
					runtime.LogError(ctx, "links will open windows of their own: "+err.Error())
				}
				return
			}
			a.takeFrom(ctx, conn)
		}
	}()
	return nil
}

// takeFrom takes one link. It may be anything: Next reads it as hostile.
func (a *App) takeFrom(ctx context.Context, conn net.Conn) {
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	if conn.SetDeadline(time.Now().Add(handOverWait)) != nil {
		return
	}
	line, err := bufio.NewReader(io.LimitReader(conn, longestLink)).ReadString('\n')
	if err != nil {
		return // somebody looked whether a window is here
	}
	if err := a.shell.inbox.put(strings.TrimSuffix(line, "\n")); err != nil {
		fmt.Fprintf(conn, "%v. %s\n", err, job.HintOf(err))
		return
	}
	a.shell.ring()
	fmt.Fprintln(conn, taken)
}
