package remote

import (
	"bytes"
	"fmt"
	"io"
	"sort"
	"strconv"
	"strings"
	"sync"
)

func q(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

func commandLine(c Command) (string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "VMO_RUN=%s; export VMO_RUN; printf '\\036vmo %%s %%s\\n' \"$VMO_RUN\" $$; ", c.ID)
	if c.Dir != "" {
		fmt.Fprintf(&b, "cd -- %s || exit 125; ", q(c.Dir))
	}
	var names []string
	for n := range c.Env {
		names = append(names, n)
	}
	sort.Strings(names)
	for _, n := range names {
		fmt.Fprintf(&b, "%s=%s; export %s; ", n, q(c.Env[n]), n)
	}
	b.WriteString("exec")
	for _, a := range c.Argv {
		b.WriteString(" " + q(a))
	}
	return encode(b.String()), nil
}

type headerReader struct {
	to    io.Writer
	found func(int)
	mu    sync.Mutex
	buf   []byte
	open  bool
}

func newHeaderReader(to io.Writer, found func(int)) *headerReader {
	return &headerReader{to: to, found: found}
}
func (h *headerReader) Write(b []byte) (int, error) {
	h.mu.Lock()
	if h.open {
		h.mu.Unlock()
		return h.to.Write(b)
	}
	unlock := sync.OnceFunc(h.mu.Unlock)
	defer unlock()
	h.buf = append(h.buf, b...)
	i := bytes.Index(h.buf, []byte("\036vmo "))
	if i < 0 {
		return len(b), nil
	}
	line, rest, ok := bytes.Cut(h.buf[i:], []byte("\n"))
	if !ok {
		return len(b), nil
	}
	f := strings.Fields(string(line))
	pid, _ := strconv.Atoi(f[2])
	h.open = true
	h.found(pid)
	unlock()
	if len(rest) > 0 {
		if _, err := h.to.Write(rest); err != nil {
			return 0, err
		}
	}
	return len(b), nil
}
func (h *headerReader) pass() {
	h.mu.Lock()
	open := h.open
	h.open = true
	h.mu.Unlock()
	if !open {
		_, _ = h.to.Write(h.buf)
	}
}
